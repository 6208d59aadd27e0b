package integration

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/plan"
)

// A value of a wrong type is found before a hook runs and a revision is recorded, and is named in one line without
// the value.
func TestPreflightFindsWrongTypes(t *testing.T) {
	t.Parallel()
	data := "\n---\napiVersion: v1\nkind: %s\nmetadata: {name: data}\n%s: {a: 8765432}\n"
	of := func(kind, field string) string {
		return strings.Replace(strings.Replace(data, "%s", kind, 1), "%s",
			field, 1)
	}
	tests := []struct {
		name, before, after, want string
	}{
		{"env", inContainer("env: [{name: A, value: a}]"),
			inContainer("env: [{name: A, value: a}, {name: B, value: 8765432}]"),
			"Deployment NS/web: spec.template.spec.containers[0].env[1].value: is a number, must be a string"},
		{"new object", driftConfig, driftConfig + "---\n" + inContainer("env: [{name: A, value: true}]"),
			"Deployment NS/web: spec.template.spec.containers[0].env[0].value: is a boolean, must be a string"},
		{"ConfigMap", driftConfig, driftConfig + of("ConfigMap", "data"),
			"ConfigMap NS/data: data.a: is a number, must be a string"},
		{"Secret", driftConfig, driftConfig + of("Secret", "stringData"),
			"Secret NS/data: stringData.a: is a number, must be a string"},
	}
	hook := "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-upgrade}}\n"
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t)
			w.options.Preflight = true
			w.rollOut(plan.Install, tt.before)
			got := w.execute(plan.Upgrade, tt.after+hook)
			var rejected *ssa.InvalidObjectsError
			if !errors.As(got.Err, &rejected) || !rejected.Final {
				t.Fatalf("it is not rejected permanently: %v", got.Err)
			}
			want := strings.ReplaceAll(tt.want, "NS", w.ns)
			if len(rejected.Objects) != 1 || rejected.Objects[0] != want || strings.Contains(got.Err.Error(), "8765432") {
				t.Errorf("got  %v\nwant %q", got.Err, want)
			}
			if _, err := w.resource("ConfigMap").Get(t.Context(), "hook", metav1.GetOptions{}); err == nil {
				t.Error("the hook has run")
			}
		})
	}
}
