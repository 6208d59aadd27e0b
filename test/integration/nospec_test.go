package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// The schema of Flux takes an object without a spec, which its own repositories apply to look at defaults. The
// controller says what is missing, and lets the object go.
func TestObjectsWithoutASpec(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	objects := map[string]env.Conditioned{
		"Kustomization":  &v1beta1.Kustomization{},
		"HelmRelease":    &v1beta1.HelmRelease{},
		"GitRepository":  &v1beta1.GitRepository{},
		"HelmRepository": &v1beta1.HelmRepository{},
		"OCIRepository":  &v1beta1.OCIRepository{},
		"Bucket":         &v1beta1.Bucket{},
		"HelmChart":      &v1beta1.HelmChart{},
		"Receiver":       &v1beta1.Receiver{},
	}
	var manifest strings.Builder
	for kind, object := range objects {
		object.SetNamespace(ns)
		object.SetName("bare")
		manifest.WriteString("---\napiVersion: fairlead.dev/v1beta1\nkind: " + kind + "\nmetadata: {name: bare}\n")
	}
	file := filepath.Join(t.TempDir(), "bare.yaml")
	if err := os.WriteFile(file, []byte(manifest.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "kubectl", "apply", "--validate=strict", "-n", ns, "-f", file)
	for kind, object := range objects {
		ready := world.cluster.AwaitReadiness(t, object, "it is not ready", func(c metav1.Condition) bool {
			return c.Status == metav1.ConditionFalse
		})
		if ready.Message == "" || strings.Contains(ready.Message, "panic") || ready.Reason == v1beta1.InternalErrorReason {
			t.Errorf("%s says %s: %q", kind, ready.Reason, ready.Message)
		}
		t.Logf("%s says %s: %s", kind, ready.Reason, ready.Message)
	}
	mustRun(t, "kubectl", "delete", "--timeout=60s", "-n", ns, "-f", file)
}
