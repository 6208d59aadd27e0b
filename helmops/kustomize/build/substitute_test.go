package build

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A text that is one variable takes the type that its value looks like, unless the field is known to be a text.
func TestTypesOfVariables(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"n": "8080", "yes": "true", "half": "0.5", "zeros": "007", "major": "1", "minor": "2", "word": "hello", "quote": `"`,
		"single": "'", "quotes": `""`, "big": "123456789012345678901234567890",
	}
	for _, tt := range []struct {
		name      string
		have, out any
	}{
		{"a number", "${n}", int64(8080)},
		{"a boolean", "${yes}", true},
		{"a fraction", "${half}", 0.5},
		{"a word", "${word}", "hello"},
		{"zeros in front are no number", "${zeros}", "007"},
		{"neither is what has too many digits", "${big}", "123456789012345678901234567890"},
		{"two variables", "${major}.${minor}", "1.2"},
		{"a variable and a text", "${n}m", "8080m"},
		{"a default", "${gone:=3}", int64(3)},
		{"a default that is a variable", "${gone:-${n}}", int64(8080)},
		{"a text that looks like a number without a variable", "5", "5"},
		{"a number in quotes", "${quote}${n}${quote}", "8080"},
		{"a boolean in single quotes", "${single}${yes}${single}", "true"},
		{"a text in quotes", "${quote}${n} of ${word}${quote}", "8080 of hello"},
		{"nothing in quotes", "${quote}${quote}", ""},
		{"a name in quotes", map[string]any{"${quote}${n}${quote}": "x"}, map[string]any{"8080": "x"}},
		{"quotes that differ", "${quote}${n}${single}", `"8080'`},
		{"a quote at one end", "${quote}${n}", `"8080`},
		{"quotes of the manifest", `"${n}"`, `"8080"`},
		{"a variable with two quotes", "${quotes}${n}${quotes}", `""8080""`},
		{"one quote", "${quote}", `"`},
		{"a quote that is escaped", "${quote}${n}$${quote}", `"8080${quote}`},
		{"in a list", []any{"${n}", "x"}, []any{int64(8080), "x"}},
		{
			"arguments", map[string]any{"args": []any{"${n}"}, "command": []any{"${yes}"}},
			map[string]any{"args": []any{"8080"}, "command": []any{"true"}},
		},
		{
			"the environment", map[string]any{"env": []any{map[string]any{"name": "N", "value": "${n}"}}},
			map[string]any{"env": []any{map[string]any{"name": "N", "value": "8080"}}},
		},
		{
			"labels", map[string]any{"labels": map[string]any{"n": "${n}"}},
			map[string]any{"labels": map[string]any{"n": "8080"}},
		},
		{"a name of a field", map[string]any{"${word}": "x"}, map[string]any{"hello": "x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := substitute(Object{Unstructured: &unstructured.Unstructured{Object: map[string]any{"spec": tt.have}}},
				&variables{values: values})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.out, got.Object["spec"]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A list is taken apart; an object of a kind that is only called a list is not.
func TestLists(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		content string
		want    int
	}{
		"a list": {"apiVersion: v1\nkind: List\nitems: [{kind: A}, {kind: B}]\n", 2},
		"a list of a kind": {
			"apiVersion: v1\nkind: ConfigMapList\nmetadata: {resourceVersion: \"\"}\nitems: [{kind: A}, {kind: B}, {kind: C}]\n",
			3},
		"a kind called so": {
			"apiVersion: example.com/v1\nkind: AllowList\nmetadata: {name: a}\nitems: [{from: x}, {from: y}]\n", 1},
		"no list of anything": {"apiVersion: example.com/v1\nkind: AllowList\nmetadata: {name: a}\n", 1},
	} {
		documents, err := parse("a.yaml", []byte(tt.content))
		if err != nil || len(documents) != tt.want {
			t.Errorf("%s: %d documents, %v", name, len(documents), err)
		}
	}
}
