package drift

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/test/build"
)

func TestDropped(t *testing.T) {
	t.Parallel()
	const config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {a: b}}\n"
	const pods = "apiVersion: apps/v1\nkind: Deployment\n"
	tests := []struct {
		name, sent, answer string
		want               []string
	}{
		{name: "a field", sent: pods + "spec: {replicas: 1, gated: {a: 1}}", answer: pods + "spec: {replicas: 1}",
			want: []string{".spec.gated"}},
		{name: "a field of the first level", sent: config + "immutable: true", answer: config,
			want: []string{".immutable"}},
		{name: "a value that was changed", sent: pods + "spec: {replicas: 1}", answer: pods + "spec: {replicas: 2}"},
		{name: "what was added", sent: pods + "spec: {a: 1}", answer: pods + "spec: {a: 1, b: 2}\nstatus: {}"},
		{name: "what means the same as none",
			sent:   pods + "spec: {a: null, b: {}, c: [], d: false, e: '', f: 0, g: {h: {i: null}}}\nstatus: {a: 1}",
			answer: pods},
		{name: "an empty value where every key counts", sent: config + "data: {a: '', b: c}",
			answer: config + "data: {b: c}", want: []string{".data.a"}},
		{name: "stringData of a Secret", sent: "apiVersion: v1\nkind: Secret\nstringData: {a: b}",
			answer: "apiVersion: v1\nkind: Secret\ndata: {a: Yg==}"},
		{name: "a label", sent: config, answer: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {}}",
			want: []string{".metadata.labels.a"}},
		{name: "metadata of the API server", answer: config,
			sent: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b, labels: {a: b}, uid: d}"},
		{name: "an item with a name", sent: pods + "spec: {items: [{name: a}, {name: b, of: 1}]}",
			answer: pods + "spec: {items: [{name: b}, {name: c}, {name: d}]}",
			want:   []string{`.spec.items[name="a"]`, `.spec.items[name="b"].of`}},
		{name: "a field of an item without a name", sent: pods + "spec: {items: [{a: 1}, {b: 2}]}",
			answer: pods + "spec: {items: [{a: 1}, {c: 2}]}", want: []string{".spec.items[1].b"}},
		{name: "items without a name", sent: pods + "spec: {items: [{a: 1}, {a: 1}]}",
			answer: pods + "spec: {items: [{a: 1}]}", want: []string{".spec.items"}},
		{name: "items that were added", sent: pods + "spec: {items: [{a: 1}]}",
			answer: pods + "spec: {items: [{b: 1}, {a: 1}]}"},
		{name: "another type", sent: pods + "spec: {a: {b: 1}, c: [{d: 1}]}", answer: pods + "spec: {a: 1, c: 2}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, field := range Dropped(build.Object(t, tt.answer), build.Object(t, tt.sent).Object) {
				got = append(got, field.Path)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("dropped are (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	all := []Field{{Path: ".a"}, {Path: ".b.c"}, {Path: ".d"}, {Path: ".e"}, {Path: ".f"}}
	for count, want := range map[int]string{0: "", 1: "a", 3: "a, b.c, d", 5: "a, b.c, d and 2 more"} {
		if got := Named(all[:count]); got != want {
			t.Errorf("%d fields are %q, want %q", count, got, want)
		}
	}
}
