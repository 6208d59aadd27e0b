package integration

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// ownKinds are the resources of Fairlead, whose status may show no secret.
const ownKinds = "helmreleases.fairlead.dev,kustomizations.fairlead.dev,gitrepositories.fairlead.dev,helmrepositories.fairlead.dev," +
	"ocirepositories.fairlead.dev,buckets.fairlead.dev,helmcharts.fairlead.dev,receivers.fairlead.dev"

// shownNowhere looks for secrets, in every encoding, in the objects of Fairlead in a namespace, their events, the log
// and the metrics. Each secret has 26 bytes at least.
func shownNowhere(t *testing.T, ns string, secrets ...string) {
	t.Helper()
	log, err := os.ReadFile(world.controller.Log)
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]string{
		"the objects": mustRun(t, "kubectl", "get", ownKinds, "-n", ns, "-o", "yaml"),
		"the events":  mustRun(t, "kubectl", "get", "events", "-n", ns, "-o", "yaml"),
		"the log":     string(log),
		"the metrics": metricsText(t),
	}
	for place, text := range places {
		for _, secret := range secrets {
			if trace := showsOf(text, secret); trace != "" {
				t.Errorf("%s show %q of the secret %s:\n%s", place, trace, secret, around(text, trace))
			}
		}
	}
}

func metricsText(t *testing.T) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, world.controller.Metrics, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || len(text) == 0 {
		t.Fatalf("no metrics: %v", err)
	}
	return string(text)
}

// plant puts the canary into the values of releases, the Secret credentials, and into variables of Kustomizations.
func plant(t *testing.T, ns string) {
	t.Helper()
	apply(t, &corev1.Secret{
		ObjectMeta: named(ns, "credentials"), StringData: map[string]string{"values.yaml": "password: '" + canary + "'\n"},
	},
		&corev1.Secret{ObjectMeta: named(ns, "variables"), StringData: map[string]string{"password": canary}})
}

// widgetDefinition is a kind whose status any client may fill, as a controller of another client does.
const widgetDefinition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.canary.fairlead.test}
spec:
  group: canary.fairlead.test
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

const widget = "apiVersion: canary.fairlead.test/v1\nkind: Widget\nmetadata: {name: NAME}\nspec: {size: 1}\n"

// A live object whose status quotes secrets of its release or Kustomization does not bring them into any other object,
// event or log.
func TestLiveObjectsShowNoSecret(t *testing.T) {
	t.Parallel()
	const ofManifest = "3rd!Canary-of-the-manifest-77"
	ns := namespace(t)
	definition := t.TempDir() + "/definition.yaml"
	if err := os.WriteFile(definition, []byte(widgetDefinition), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "kubectl", "apply", "-f", definition)
	mustRun(t, "kubectl", "wait", "--for=condition=Established", "crd/widgets.canary.fairlead.test")
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData: {password: '" + ofManifest + "'}\n"
	fleet(t, ns, map[string]string{
		"charts/web/Chart.yaml":       "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"charts/web/templates/a.yaml": strings.ReplaceAll(widget, "NAME", "released"),
		"charts/web/templates/b.yaml": secret,
		"plain/a.yaml":                strings.ReplaceAll(widget, "NAME", "applied"),
	})
	hr := release(ns, "web", "./charts/web", "", "fleet", "")
	hr.Spec.Chart.Spec.SourceRef.Kind = v1beta1.GitRepositoryKind
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "credentials"}}
	k := kustomization(ns, "plain", "plain", func(s *v1beta1.KustomizationSpec) {
		s.PostBuild = &v1beta1.PostBuild{SubstituteFrom: []v1beta1.SubstituteReference{{Kind: "Secret", Name: "variables"}}}
		s.HealthChecks = []v1beta1.ObjectReference{{APIVersion: "canary.fairlead.test/v1", Kind: "Widget", Name: "released"}}
	})
	plant(t, ns)
	apply(t, hr)
	awaitReady(t, hr)
	apply(t, k)
	awaitReady(t, k)
	dependent := release(ns, "after", "./charts/web", "", "fleet", "")
	dependent.Spec.Chart.Spec.SourceRef.Kind = v1beta1.GitRepositoryKind
	dependent.Spec.DependsOn = []v1beta1.DependencyReference{
		{APIVersion: "canary.fairlead.test/v1", Kind: "Widget", Name: "released"},
	}
	for _, name := range []string{"released", "applied"} {
		status := fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":"False","reason":"LoginFailed",`+
			`"message":"cannot log in with %s or %s"}]}}`, canary, ofManifest)
		mustRun(t, "kubectl", "patch", "widgets.canary.fairlead.test/"+name, "-n", ns, "--subresource=status", "--type=merge",
			"-p", status)
	}
	apply(t, dependent)
	unhealthy := "condition Ready is False, reason LoginFailed"
	until(t, "the release quotes its object without secrets", func() bool {
		found := get(t, hr).Status.Unhealthy
		return len(found) == 1 && found[0].Message == unhealthy+": cannot log in with *** or ***"
	})
	until(t, "the Kustomization names the conditions of its objects", func() bool {
		got := get(t, k)
		ready := condition(t, k, v1beta1.ReadyCondition).Message
		return len(got.Status.Unhealthy) == 1 && got.Status.Unhealthy[0].Message == unhealthy &&
			strings.Contains(ready, "released: "+unhealthy)
	})
	ready := awaitNotReady(t, dependent, v1beta1.DependencyNotReadyReason)
	if !strings.Contains(ready.Message, unhealthy) {
		t.Errorf("the dependent does not say what it waits for: %s", ready.Message)
	}
	hr.Spec.Suspend = true
	apply(t, hr)
	until(t, "the suspended release is looked at", func() bool {
		found := get(t, hr)
		return found.Spec.Suspend && len(found.Status.Unhealthy) == 1
	})
	shownNowhere(t, ns, canary, ofManifest)
}
