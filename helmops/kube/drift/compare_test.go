package drift

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/test/build"
)

// managed makes an object with owners; each is "manager operation fieldsV1", or "manager operation/subresource
// fieldsV1".
func managed(t testing.TB, document string, owners ...string) *unstructured.Unstructured {
	t.Helper()
	out := build.Object(t, document)
	var entries []any
	for _, text := range owners {
		parts := strings.SplitN(text, " ", 3)
		operation, subresource, _ := strings.Cut(parts[1], "/")
		fields := map[string]any{}
		if err := yaml.Unmarshal([]byte(parts[2]), &fields); err != nil {
			t.Fatal(err)
		}
		entry := map[string]any{
			"manager": parts[0], "operation": operation, "apiVersion": out.GetAPIVersion(), "fieldsType": "FieldsV1",
			"fieldsV1": fields,
			"time":     "2026-03-01T12:00:00Z",
		}
		if subresource != "" {
			entry["subresource"] = subresource
		}
		entries = append(entries, entry)
	}
	if err := unstructured.SetNestedSlice(out.Object, entries, "metadata", "managedFields"); err != nil {
		t.Fatal(err)
	}
	return out
}

func lines(found []Field) []string {
	var out []string
	for _, f := range found {
		out = append(out, fmt.Sprintf("%s %s %s %q %q", f.Path, f.Change, f.Manager, f.Was, f.Wants))
	}
	return out
}

const (
	widget    = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a, labels: {app: a}}\n"
	ourLabel  = "'f:metadata': {'f:labels': {'f:app': {}}}"
	items     = "{'k:{\"name\":\"x\"}': {'.': {}, 'f:name': {}, 'f:size': {}}, 'k:{\"name\":\"w\"}': {'.': {}, 'f:name': {}, 'f:size': {}}}"
	bothItems = "spec: {items: [{name: x, size: 1}, {name: w, size: 2}]}\n"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		would, live *unstructured.Unstructured
		want        []string
	}{
		{
			name:  "the same, written as another kind of number",
			would: managed(t, widget+"spec: {size: 1}\n", "helm Apply {'f:spec': {'f:size': {}}}"),
			live:  managed(t, widget+"spec: {size: 1.0}\n", "helm Apply {'f:spec': {'f:size': {}}}"),
		},
		{
			name: "what others own is no drift",
			would: managed(t, widget+"spec: {size: 1, color: red}\n", "helm Apply {'f:spec': {'f:size': {}}}",
				"x Update {'f:spec': {'f:color': {}}}"),
			live: managed(t, widget+"spec: {size: 1, color: blue}\n", "helm Apply {'f:spec': {'f:size': {}}}",
				"x Update {'f:spec': {'f:color': {}}}"),
		},
		{
			name:  "changed, with who did it last",
			would: managed(t, widget+"spec: {size: 1}\n", "helm Apply {'f:spec': {'f:size': {}}}"),
			live: managed(t, widget+"spec: {size: 2}\n", "y Update {'f:spec': {'f:color': {}}}",
				"x Update {'f:spec': {'f:size': {}}}",
				"helm Apply {"+ourLabel+"}"),
			want: []string{`.spec.size changed x "2" "1"`},
		},
		{
			name:  "changed by a Helm client without apply",
			would: managed(t, widget+"spec: {size: 1}\n", "helm Apply {'f:spec': {'f:size': {}}}"),
			live:  managed(t, widget+"spec: {size: 2}\n", "helm Update {'f:spec': {'f:size': {}}}"),
			want:  []string{`.spec.size changed helm "2" "1"`},
		},
		{
			name:  "a Helm client that has lost the only fields of a map still owns the map",
			would: managed(t, widget+"spec: {size: 1}\n", "helm Apply {'f:spec': {'f:size': {}}}"),
			live: managed(t, widget+"spec: {size: 2}\n",
				"helm Update {'f:spec': {}}", "x Update {'f:spec': {'f:size': {}}}",
				"helm-controller Update {'f:spec': {}}"),
			want: []string{`.spec.size changed x "2" "1"`},
		},
		{
			name:  "of a parent that is gone only the topmost is told",
			would: managed(t, widget+bothItems, "helm Apply {'f:spec': {'f:items': "+items+"}}"),
			live:  managed(t, widget, "helm Apply {"+ourLabel+"}"),
			want:  []string{`.spec removed  "" "{\"items\":[{\"name\":\"x\",\"size\":1},{\"name\":\"w\",\"size\":2}]}"`},
		},
		{
			name:  "an item that is gone, and one that changed, in another order",
			would: managed(t, widget+bothItems, "helm Apply {'f:spec': {'f:items': "+items+"}}"),
			live:  managed(t, widget+"spec: {items: [{name: z}, {name: x, size: 9}]}\n", "helm Apply {"+ourLabel+"}"),
			want: []string{
				`.spec.items[name="w"] removed  "" "{\"name\":\"w\",\"size\":2}"`,
				`.spec.items[name="x"].size changed  "9" "1"`,
			},
		},
		{
			name:  "a list that is owned as a whole",
			would: managed(t, widget+"spec: {args: [a, b]}\n", "helm Apply {'f:spec': {'f:args': {}}}"),
			live:  managed(t, widget+"spec: {args: [a]}\n", "x Update {'f:spec': {'f:args': {}}}"),
			want:  []string{`.spec.args changed x "[\"a\"]" "[\"a\",\"b\"]"`},
		},
		{
			name: "a member of a set",
			would: managed(t, widget+"spec: {set: [a, b]}\n",
				`helm Apply {"f:spec": {"f:set": {"v:\"a\"": {}, "v:\"b\"": {}}}}`),
			live: managed(t, widget+"spec: {set: [b]}\n", `helm Apply {"f:spec": {"f:set": {"v:\"b\"": {}}}}`),
			want: []string{`.spec.set[="a"] removed  "" "a"`},
		},
		{
			name:  "an item by its place",
			would: managed(t, widget+"spec: {list: [a, b]}\n", `helm Apply {"f:spec": {"f:list": {"i:0": {}, "i:1": {}}}}`),
			live:  managed(t, widget+"spec: {list: [a, c]}\n"),
			want:  []string{`.spec.list[1] changed  "c" "b"`},
		},
		{
			name: "secrets are not shown",
			would: managed(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: eA==, b: eA==}\n",
				"helm Apply {'f:data': {'f:a': {}, 'f:b': {}}}"),
			live: managed(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: eQ==}\n"),
			want: []string{`.data.a changed  "***" "***"`, `.data.b removed  "" "***"`},
		},
		{
			name: "what is masked is masked before it is cut, and a terminal is not spoken to",
			would: managed(t, widget+"spec: {a: \""+strings.Repeat("x", maxValue-4)+"swordfish\"}\n",
				"helm Apply {'f:spec': {'f:a': {}}}"),
			live: managed(t, widget+"spec: {a: \"\\e[2Jswordfish\"}\n"),
			want: []string{`.spec.a changed  "` + "\uFFFD" + `[2J***" "` + strings.Repeat("x", maxValue-4) + `***"`},
		},
		{
			name:  "owners that cannot be read own nothing",
			would: managed(t, widget+"spec: {size: 1}\n", "helm Apply {'f:spec': {'f:size': {}}}"),
			live:  managed(t, widget+"spec: {size: 2}\n", "x Update {'q:spec': {}}"),
			want:  []string{`.spec.size changed  "2" "1"`},
		},
	}
	mask := func(text string) string { return strings.ReplaceAll(text, "swordfish", "***") }
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, lines(Compare(tt.live, tt.would, mask))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAdded(t *testing.T) {
	t.Parallel()
	would := managed(t, widget+bothItems, "helm Apply {"+ourLabel+", 'f:spec': {'f:items': "+items+"}}")
	tests := []struct {
		name  string
		live  *unstructured.Unstructured
		rules []string
		want  []string
	}{
		{name: "nothing", live: would},
		{
			name: "a label, an item, a field of an item and a tree, each once",
			live: managed(t, strings.Replace(widget, "{app: a}", "{app: a, team: b}", 1)+
				"spec: {items: [{name: x, size: 1, color: red}, {name: z, size: 3}], more: {a: {b: 1, c: 2}}}\n",
				"x Update {'f:metadata': {'f:labels': {'f:app': {}, 'f:team': {}}}, 'f:spec': {'f:items': {'k:{\"name\":\"x\"}': {'f:color': {}, 'f:size': {}}, "+
					"'k:{\"name\":\"z\"}': {'.': {}, 'f:name': {}, 'f:size': {}}}, 'f:more': {'f:a': {'f:b': {}, 'f:c': {}}}}}"),
			want: []string{
				`.metadata.labels.team added x "b" ""`,
				`.spec.items[name="x"].color added x "red" ""`,
				`.spec.items[name="z"] added x "{\"name\":\"z\",\"size\":3}" ""`,
				`.spec.more added x "{\"a\":{\"b\":1,\"c\":2}}" ""`,
			},
		},
		{
			name: "controllers, subresources and what they keep for themselves",
			live: managed(t,
				"apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a, finalizers: [f], annotations: {deployment.kubernetes.io/revision: '1'}}\n"+
					"spec: {a: 1, b: 2}\nstatus: {c: 3}\n",
				"kube-controller-manager Update {'f:spec': {'f:a': {}}}", "x Update/scale {'f:spec': {'f:b': {}}}",
				"x Update {'f:status': {'f:c': {}}, 'f:metadata': {'f:finalizers': {'.': {}, 'v:\"f\"': {}}, 'f:annotations': {'f:deployment.kubernetes.io/revision': {}}}}"),
		},
		{
			name: "what may differ", rules: []string{"/spec/b", "/spec/list/1"},
			live: managed(t, widget+"spec: {a: 1, b: {c: 2}, list: [p, q]}\n",
				"x Update {'f:spec': {'f:a': {}, 'f:b': {'f:c': {}}, 'f:list': {'v:\"p\"': {}, 'v:\"q\"': {}}}}",
				"trusted Update {'f:spec': {'f:d': {}}}"),
			want: []string{`.spec.a added x "1" ""`, `.spec.list added x "[\"p\",\"q\"]" ""`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want,
				lines(Added(tt.live, would, ignore(t, tt.live, []string{"trusted"}, tt.rules...), nil))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSubset(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, live, sent string
		want             []string
	}{
		{
			name: "what the API server makes of a value",
			live: "spec: {size: 1, extra: 2, resources: {limits: {cpu: '1'}}, list: [{name: b, x: 1, z: 2}, {name: a}]}\n",
			sent: "spec: {size: 1.0, nothing: {}, none: [], nil: null, resources: {limits: {cpu: 1000m}}, list: [{name: a}, {name: b, x: 1}]}\n",
		},
		{
			name: "changed and removed",
			live: "spec: {tag: '1', list: [{name: a, x: 1}], plain: [1, 2], short: [1]}\n",
			sent: "spec: {tag: '1.0', gone: {a: 1}, list: [{name: a, x: 2}, {name: b}], plain: [1, 3], short: [1, 2]}\n",
			want: []string{
				`.spec.gone removed  "" "{\"a\":1}"`, `.spec.list[name="a"].x changed  "1" "2"`,
				`.spec.list[name="b"] removed  "" "{\"name\":\"b\"}"`,
				`.spec.plain[1] changed  "2" "3"`, `.spec.short changed  "[1]" "[1,2]"`, `.spec.tag changed  "1" "1.0"`,
			},
		},
		{
			name: "items with the same name are compared one after the other",
			live: "spec: {list: [{name: a, x: 1}, {name: a, x: 3}]}\n",
			sent: "spec: {list: [{name: a, x: 1}, {name: a, x: 2}]}\n",
			want: []string{`.spec.list[1].x changed  "3" "2"`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want,
				lines(Subset(build.Object(t, widget+tt.live), build.Object(t, widget+tt.sent).Object, nil))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
