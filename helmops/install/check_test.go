package install

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/test/build"
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
	namespaces, roles := schema.GroupResource{Resource: "namespaces"}, schema.GroupResource{Group: "rbac.authorization.k8s.io", Resource: "roles"}
	bindings, deployments := schema.GroupResource{Group: "rbac.authorization.k8s.io", Resource: "rolebindings"}, schema.GroupResource{Group: "apps", Resource: "deployments"}
	for name, tt := range map[string]struct {
		denied []right
		want   []string
	}{
		"nothing": {nil, []string{"passed permissions: you may create every object of an installation"}},
		"one":     {[]right{{"create", namespaces, ""}}, []string{"failed permissions: you may not create namespaces"}},
		"verbs and resources of a group are joined": {
			[]right{{"get", roles, ""}, {"patch", roles, ""}, {"get", bindings, ""}, {"patch", bindings, ""}, {"get", roles, ""}},
			[]string{"failed permissions: you may not get, patch rolebindings, roles (rbac.authorization.k8s.io)"},
		},
		"other verbs, groups and namespaces are lines of their own": {
			[]right{{"get", roles, ""}, {"get", bindings, ""}, {"patch", bindings, ""}, {"get", roles, "web"}, {"get", deployments, "web"}},
			[]string{
				"failed permissions: you may not get deployments (apps) in namespace web",
				"failed permissions: you may not get roles (rbac.authorization.k8s.io)",
				"failed permissions: you may not get, patch rolebindings (rbac.authorization.k8s.io)",
				"failed permissions: you may not get roles (rbac.authorization.k8s.io) in namespace web",
			},
		},
	} {
		checks := checkDenied(tt.denied)
		if diff := cmp.Diff(tt.want, lines(checks)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for _, c := range checks {
			if (c.Fix == "") != (c.Outcome == Passed) {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
}

func TestCheckDefinition(t *testing.T) {
	t.Parallel()
	definition := func(kind, established string) *unstructured.Unstructured {
		return build.Object(t, `
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
		out := build.Object(t, `
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
