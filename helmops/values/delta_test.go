package values

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func tree(t *testing.T, text string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDeltas(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		from, to string
		want     []string
	}{
		"nothing":              {"{a: 1}", "{a: 1.0}", nil},
		"a value":              {"{a: {b: 1, c: 1}}", "{a: {b: 2, c: 1}}", []string{"a.b"}},
		"a list is one value":  {"{a: [1, 2]}", "{a: [1, 3]}", []string{"a"}},
		"added and removed":    {"{a: {x: 1}}", "{b: {c: {z: 1}}}", []string{"a.x", "b.c.z"}},
		"an empty map is new":  {"{}", "{a: {}}", []string{"a"}},
		"an empty map is full": {"{a: {}}", "{a: {b: 1}}", []string{"a.b"}},
		"a map becomes a text": {"{a: {b: 1}}", "{a: x}", []string{"a"}},
		"null is a value":      {"{a: null}", "{}", []string{"a"}},
		"a key with a dot":     {"{a.b: 1}", "{a.b: 2}", []string{`a\.b`}},
	} {
		var got []string
		for _, d := range Deltas(tree(t, tt.from), tree(t, tt.to)) {
			got = append(got, d.Text())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRestoreTakesDeltasBack(t *testing.T) {
	t.Parallel()
	const from, to = "{a: {b: 1, c: 1}, gone: {x: 1}}", "{a: {b: 2, c: 2, new: 3, own: 4}, more: {m: 1}}"
	given := tree(t, to)
	deltas := Deltas(tree(t, from), given)
	defaults := tree(t, "{a: {own: 5}}")
	for name, tt := range map[string]struct {
		keep func(Delta) bool
		want string
	}{
		"all":  {func(Delta) bool { return true }, "{a: {b: 1, c: 1, own: null}, gone: {x: 1}, more: {}}"},
		"none": {func(Delta) bool { return false }, to},
		"one":  {func(d Delta) bool { return d.Text() == "a.b" }, "{a: {b: 1, c: 2, new: 3, own: 4}, more: {m: 1}}"},
	} {
		var back []Delta
		for _, d := range deltas {
			if tt.keep(d) {
				back = append(back, d)
			}
		}
		if diff := cmp.Diff(tree(t, tt.want), Restore(given, defaults, back)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(tree(t, to), given); diff != "" {
		t.Errorf("the given values were changed:\n%s", diff)
	}
}

func TestExactlyDropsDefaults(t *testing.T) {
	t.Parallel()
	got := Exactly(tree(t, "{a: {b: 1}, c: x}"), tree(t, "{a: {b: 2, d: 3}, c: {e: 1}, f: {g: 1}}"))
	if diff := cmp.Diff(tree(t, "{a: {b: 1, d: null}, c: x, f: null}"), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
