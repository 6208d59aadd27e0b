package installation

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Outcome{
		"v1.37.2": Passed, "v1.29.0": Passed, "v1.29.0-gke.1": Passed, "v1.28.9": Failed, "v1.28.9+k3s1": Failed, "v2.0.0": Passed, "nonsense": Warned,
	} {
		if c := checkVersion(text); c.Outcome != want || (c.Fix == "") != (want == Passed) {
			t.Errorf("%s: %+v", text, c)
		}
	}
}

func TestCheckDenied(t *testing.T) {
	t.Parallel()
	if c := checkDenied(nil); c.Outcome != Passed {
		t.Errorf("%+v", c)
	}
	if c := checkDenied([]string{"create namespaces"}); c.Outcome != Failed || !strings.Contains(c.Message, "create namespaces") || c.Fix == "" {
		t.Errorf("%+v", c)
	}
}

func parsed(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	out := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := out.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCheckDefinition(t *testing.T) {
	t.Parallel()
	definition := func(kind, established string) *unstructured.Unstructured {
		return parsed(t, `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec: {versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: `+kind+`}}}]}
status: {conditions: [{type: Established, status: "`+established+`"}, {type: NamesAccepted, status: "True"}]}
`)
	}
	want := definition("object", "True")
	for name, tt := range map[string]struct {
		live *unstructured.Unstructured
		want Outcome
	}{
		"as wanted": {want, Passed}, "missing": {nil, Failed}, "another schema": {definition("array", "True"), Warned}, "not served": {definition("object", "False"), Failed},
	} {
		if c := checkDefinition(want, tt.live); c.Outcome != tt.want || (c.Fix == "") != (tt.want == Passed) {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestCheckController(t *testing.T) {
	t.Parallel()
	deployment := func(available int, version string) *unstructured.Unstructured {
		out := parsed(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: fairlead-controller, generation: 1, annotations: {fairlead.dev/version: `+version+`}}
spec: {replicas: 1}
status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, conditions: [{type: Available, status: "True"}]}
`)
		if err := unstructured.SetNestedField(out.Object, int64(available), "status", "availableReplicas"); err != nil {
			t.Fatal(err)
		}
		if err := unstructured.SetNestedField(out.Object, int64(available), "status", "readyReplicas"); err != nil {
			t.Fatal(err)
		}
		return out
	}
	outcomes := func(live *unstructured.Unstructured) string {
		var out []string
		for _, c := range checkController(live, "v1") {
			out = append(out, string(c.Outcome))
		}
		return strings.Join(out, " ")
	}
	for name, tt := range map[string]struct {
		live *unstructured.Unstructured
		want string
	}{
		"as wanted": {deployment(1, "v1"), "passed passed"}, "missing": {nil, "failed"},
		"not available": {deployment(0, "v1"), "failed passed"}, "older": {deployment(1, "v0"), "passed warning"},
	} {
		if got := outcomes(tt.live); got != tt.want {
			t.Errorf("%s: %s instead of %s", name, got, tt.want)
		}
	}
}
