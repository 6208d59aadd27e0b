package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

var (
	fluxVersion   = regexp.MustCompile(`\w+\.(toolkit|extensions)\.fluxcd\.io/v\w+`)
	fluxNamespace = regexp.MustCompile(`namespace: (apps|flux-system)\b`)
)

// fluxManifests writes the manifests of Flux for a namespace, with nothing but their apiVersion replaced, and returns
// the files by name.
func fluxManifests(t *testing.T, ns string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "config", "testdata", "flux", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d manifests of Flux, %v", len(files), err)
	}
	dir := t.TempDir()
	written := map[string]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := fluxVersion.ReplaceAllString(string(content), "fairlead.dev/v1beta1")
		text = fluxNamespace.ReplaceAllString(text, "namespace: "+ns)
		name := filepath.Base(file)
		written[name] = filepath.Join(dir, name)
		if err := os.WriteFile(written[name], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return written
}

// Manifests of Flux that use every field are accepted under strict validation. The API server warns of what has no
// effect, and the controller stalls what it does not support.
func TestFluxManifests(t *testing.T) {
	ns := namespace(t)
	policies := filepath.Join("..", "..", "config", "warnings", "policies.yaml")
	mustRun(t, "kubectl", "apply", "--validate=strict", "-f", policies)
	t.Cleanup(func() { mustRun(t, "kubectl", "delete", "-f", policies) })
	files := fluxManifests(t, ns)
	until(t, "the policies are in force", func() bool {
		_, warnings, code := world.cluster.Run(t, "kubectl", "apply", "--validate=strict", "--dry-run=server", "-f",
			files["receiver.yaml"])
		return code == 0 && strings.Contains(warnings, "spec.resources[].kind")
	})
	warnings := ""
	for name, file := range files {
		out, errs, code := world.cluster.Run(t, "kubectl", "apply", "--validate=strict", "-f", file)
		if code != 0 {
			t.Errorf("%s is refused:\n%s%s", name, out, errs)
		}
		warnings += errs
	}
	for _, field := range []string{"chart.metadata.labels", "install.skipCRDs true", "rollback.recreate true",
		"persistentClient false", "accessFrom.namespaceSelectors[].matchLabels", "resources[].kind"} {
		if !strings.Contains(warnings, "spec."+field) {
			t.Errorf("no warning names spec.%s:\n%s", field, warnings)
		}
	}
	for field, object := range map[string]env.Conditioned{
		"spec.verify.provider":                     &v1beta1.OCIRepository{ObjectMeta: named(ns, "signed")},
		"spec.verify without secretRef":            &v1beta1.OCIRepository{ObjectMeta: named(ns, "keyless")},
		"spec.verify without secretRef, or":        &v1beta1.HelmChart{ObjectMeta: named(ns, "workflow")},
		"spec.chart.spec.verify without secretRef": &v1beta1.HelmRelease{ObjectMeta: named(ns, "keyless")},
		"spec.verify.matchOIDCIdentity beside":     &v1beta1.HelmChart{ObjectMeta: named(ns, "both")},
	} {
		ready := world.cluster.AwaitReadiness(t, object, "it is not supported", func(c metav1.Condition) bool {
			return c.Reason == v1beta1.UnsupportedReason
		})
		if !strings.Contains(ready.Message, field) {
			t.Errorf("the message does not name %s: %s", field, ready.Message)
		}
	}
	awaitReady(t, &v1beta1.Receiver{ObjectMeta: named(ns, "ci")})
	images := &v1beta1.Receiver{ObjectMeta: named(ns, "images")}
	world.cluster.AwaitReadiness(t, images, "its Secret is missing", func(c metav1.Condition) bool {
		return c.Reason == v1beta1.AuthenticationFailedReason
	})
	// The controller finishes the deletion of what was never installed or applied.
	for _, file := range files {
		mustRun(t, "kubectl", "delete", "--timeout=60s", "-f", file)
	}
}
