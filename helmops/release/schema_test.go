package release

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine/rendering"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/values"
)

// A value that breaks the schema is named with what sets it. What came from a Secret is not shown.
func TestABrokenSchemaNamesTheOriginOfTheValue(t *testing.T) {
	t.Parallel()
	layers := []values.Layer{
		{Origin: "Secret apps/db, key values.yaml,", Data: []byte("password: hunter2-hunter2")},
		{Origin: "spec.values", Data: []byte("replicas: two")},
	}
	in := Inputs{
		Mask:   redact.NewMask(layers[0].Secrets()...),
		Origin: func(path []string) string { return values.Origin(layers, path) },
	}
	err := &rendering.SchemaError{Charts: []rendering.BrokenSchema{{Chart: "beacon", Version: "1.3.0", Problems: []rendering.SchemaProblem{
		{Path: []string{"password"}, Text: "'hunter2-hunter2' does not match pattern '^x'"},
		{Path: []string{"replicas"}, Text: "got string, want integer"},
	}}}}
	got := failureOf(plan.Upgrade, err, in)
	want := "values break the schema of beacon 1.3.0: password: '***' does not match pattern '^x' (from Secret apps/db, key values.yaml); " +
		"replicas: got string, want integer (from spec.values)"
	if got.Message != want || got.Reason != v1beta1.SchemaFailedReason || !got.Final {
		t.Errorf("the failure is %+v, want %q", got, want)
	}
}
