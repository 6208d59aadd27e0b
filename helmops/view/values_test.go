package view

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/helmops/values"
)

func TestValues(t *testing.T) {
	t.Parallel()
	layers := []values.Layer{
		{Origin: "ConfigMap web/base, key values.yaml,", Data: []byte(
			"image: {tag: v1}\nhosts: [{name: a}]\nempty: {}\nurl: db:hunter2\n")},
		{Origin: "Secret web/login, key values.yaml,", Secret: true, Data: []byte(
			"password: hunter2\nport: 5432\nimage: {tag: v2}\n")},
		{Origin: "spec.values", Data: []byte(`{"image":{"tag":"v3"},"a.b":null}`)},
	}
	merged, err := values.Merge(layers...)
	if err != nil {
		t.Fatal(err)
	}
	hide := func(text string) string { return strings.ReplaceAll(text, "hunter2", "***") }
	got := NewValues(merged, layers, hide)
	wantMerged := map[string]any{
		"image": map[string]any{"tag": "v3"}, "hosts": []any{map[string]any{"name": "a"}}, "empty": map[string]any{},
		"url": "db:***", "password": "***", "port": "***", "a.b": nil,
	}
	if diff := cmp.Diff(wantMerged, got.Merged); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	base := "ConfigMap web/base, key values.yaml"
	login := "Secret web/login, key values.yaml"
	wantSources := []Value{
		{`a\.b`, nil, "spec.values"}, {"empty", map[string]any{}, base}, {"hosts[0].name", "a", base},
		{"image.tag", "v3", "spec.values"}, {"password", "***", login}, {"port", "***", login}, {"url", "db:***", base},
	}
	if diff := cmp.Diff(wantSources, got.Sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	none := NewValues(nil, nil, hide)
	if none.Merged == nil || none.Sources == nil || len(none.Merged)+len(none.Sources) > 0 {
		t.Errorf("without values: %+v", none)
	}
}

// A value from a Secret stays hidden when the same layers hold a list that another one begins.
func TestValuesOfSecretsInLists(t *testing.T) {
	t.Parallel()
	layers := []values.Layer{
		{Origin: "Secret web/ports, key values.yaml,", Data: []byte("ports: [5432]"), Secret: true},
		{Origin: "ConfigMap web/more, key port,", Data: []byte("80"), TargetPath: "ports[1]"},
	}
	merged, err := values.Merge(layers...)
	if err != nil {
		t.Fatal(err)
	}
	got := NewValues(merged, layers, func(text string) string { return text })
	want := map[string]any{"ports": []any{"***", int64(80)}}
	if diff := cmp.Diff(want, got.Merged); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
