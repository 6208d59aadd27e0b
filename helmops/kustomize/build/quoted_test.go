package build

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
)

// account has more digits than a number keeps in what a chart renders.
var account = map[string]string{"account": "123456789012"}

// release is a HelmRelease with an annotation, a digest below the values and whatever else is wanted there.
func release(values string) string {
	return "apiVersion: fairlead.dev/v1beta1\nkind: HelmRelease\nmetadata: {name: r}\nspec:\n" +
		"  interval: ${account}\n  values:\n    " + strings.ReplaceAll(strings.TrimSpace(values), "\n", "\n    ") + "\n"
}

const inEveryStyle = `
ünï: "before" # a comment
double: "${account}"
single: '${account}'
literal: |-
  ${account}
folded: >-
  ${account}
tagged: !!str ${account}
anchored: &a "${account}"
alias: *a
escaped: "\u0024{account}"
default: '${gone:-''1''}'
plain: ${account}
list:
- "${account}"
- ${account}
nested: {"text": "${account}"}
partly: "x-${account}"
`

func valuesOf(t *testing.T, source files, o v1beta1.Overlay) map[string]any {
	t.Helper()
	o.PostBuild = &v1beta1.PostBuild{}
	objects, err := Build(t.Context(), source.tree(t), Options{Overlay: o, Variables: account})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if text, err := object.MarshalJSON(); err != nil || bytes.Contains(text, []byte("_fairlead_quoted_")) {
			t.Errorf("a mark is left (%v): %s", err, text)
		}
	}
	values, _, err := unstructured.NestedMap(objects[0].Object, "spec", "values")
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// A variable in quotes is a text in the values of a release, however the object comes to be; without quotes it is a
// number.
func TestQuotedVariablesAreTexts(t *testing.T) {
	t.Parallel()
	const text, number = "123456789012", int64(123456789012)
	all := map[string]any{
		"ünï": "before", "double": text, "single": text, "literal": text, "folded": text, "tagged": text,
		"anchored": text, "alias": text, "escaped": text, "default": "'1'", "plain": number,
		"list": []any{text, number}, "nested": map[string]any{"text": text}, "partly": "x-" + text,
	}
	one := map[string]any{"text": text, "number": number}
	bare := "apiVersion: fairlead.dev/v1beta1\nkind: HelmRelease\nmetadata: {name: r}\nspec: {}\n"
	merge := release("text: \"${account}\"\nnumber: ${account}")
	operation := "- op: add\n  path: /spec/values\n  value:\n    text: \"${account}\"\n    number: ${account}\n"
	indented := func(by, text string) string {
		return "|-\n" + by + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+by) + "\n"
	}
	transformer := func(kind, field, text string) string {
		return "transformers:\n- |-\n  apiVersion: builtin\n  kind: " + kind + "\n  metadata: {name: p}\n" +
			"  target: {kind: HelmRelease, name: r}\n  " + field + ": " + indented("    ", text)
	}
	const oldMerge = "PatchStrategicMergeTransformer"
	patched := func(kustomization, patch string) files {
		return files{"kustomization.yaml": "resources: [a.yaml]\n" + kustomization, "a.yaml": bare, "p.yaml": patch}
	}
	every := release(inEveryStyle)
	line := `{apiVersion: fairlead.dev/v1beta1, kind: HelmRelease, metadata: {name: r}, ` +
		`spec: {values: {text: "${account}"}}}` + "\n"
	windows := "# \u0085# \u2028\r\n" + strings.ReplaceAll(every, "\n", "\r\n")
	list := "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(merge, "\n", "\n  ") + "\n"
	jsonPatch := "patches:\n- target: {kind: HelmRelease}\n" +
		`  patch: '[{"op": "add", "path": "/spec/x", "value": "y"}]'` + "\n"

	for name, tt := range map[string]struct {
		source  files
		overlay v1beta1.Overlay
		want    map[string]any
	}{
		"a plain manifest":    {source: files{"a.yaml": every}, want: all},
		"windows and unicode": {source: files{"a.yaml": windows}, want: all},
		"a byte order mark":   {source: files{"a.yaml": "\ufeff" + line}, want: map[string]any{"text": text}},
		"behind a document":   {source: files{"a.yaml": "---\n# nothing\n---\n" + every}, want: all},
		"in a list":           {source: files{"a.yaml": list}, want: one},
		"a resource": {
			source: files{"kustomization.yaml": "resources: [a.yaml]\nnamePrefix: x-\n", "a.yaml": every}, want: all,
		},
		"a resource that a JSON patch changes": {
			source: files{"kustomization.yaml": "resources: [a.yaml]\n" + jsonPatch, "a.yaml": every}, want: all,
		},
		"a patch":       {source: patched("patches: [{path: p.yaml}]\n", merge), want: one},
		"an old patch":  {source: patched("patchesStrategicMerge: [p.yaml]\n", merge), want: one},
		"inline":        {source: patched("patches:\n- patch: "+indented("    ", merge), ""), want: one},
		"inline, old":   {source: patched("patchesStrategicMerge:\n- "+indented("    ", merge), ""), want: one},
		"a JSON patch":  {source: patched("patches: [{path: p.yaml, target: {name: r}}]\n", operation), want: one},
		"a transformer": {source: patched(transformer("PatchTransformer", "patch", operation), ""), want: one},
		"the old one":   {source: patched(transformer(oldMerge, "patches", merge), ""), want: one},
		"one for JSON":  {source: patched(transformer("PatchJson6902Transformer", "jsonOp", operation), ""), want: one},
		"the overlay": {
			source: files{"a.yaml": bare}, want: one,
			overlay: v1beta1.Overlay{Patches: []v1beta1.Patch{{Patch: merge}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, valuesOf(t, tt.source, tt.overlay)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Marks are made in releases, for a substitution, and nowhere else: neither other kinds nor files of generators have
// them, nor releases that want no substitution.
func TestMarksAreGone(t *testing.T) {
	t.Parallel()
	other := files{"a.yaml": "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n" +
		"spec: {values: {count: \"${account}\"}}\n"}
	want := map[string]any{"count": int64(123456789012)}
	if diff := cmp.Diff(want, valuesOf(t, other, v1beta1.Overlay{})); diff != "" {
		t.Errorf("another kind (-want +got):\n%s", diff)
	}

	const disabled = "annotations: {" + v1beta1.SubstituteAnnotation + ": disabled}"
	text := release(`text: "${account}"`)
	left := files{"a.yaml": strings.Replace(text, "{name: r}", "{name: r, "+disabled+"}", 1)}
	want = map[string]any{"text": "${account}"}
	if diff := cmp.Diff(want, valuesOf(t, left, v1beta1.Overlay{})); diff != "" {
		t.Errorf("without substitution (-want +got):\n%s", diff)
	}

	source := files{
		"kustomization.yaml": "generatorOptions: {disableNameSuffixHash: true, " + disabled + "}\n" +
			"secretGenerator: [{name: s, files: [a.yaml]}]\n",
		"a.yaml": text,
	}
	overlay := v1beta1.Overlay{PostBuild: &v1beta1.PostBuild{}}
	objects, err := Build(t.Context(), source.tree(t), Options{Overlay: overlay, Variables: account})
	if err != nil {
		t.Fatal(err)
	}
	coded, _, _ := unstructured.NestedString(objects[0].Object, "data", "a.yaml")
	got, err := base64.StdEncoding.DecodeString(coded)
	if err != nil || string(got) != text {
		t.Errorf("a generator got\n%s, %v", got, err)
	}
}

// A file with marks is the same YAML, but for the marks.
func FuzzMarks(f *testing.F) {
	f.Add([]byte(release(inEveryStyle)))
	f.Add([]byte("[{path: /spec/values/x, value: '${a}'}]"))
	f.Add([]byte("[{path: /spec/values, value: '${a}', 1: x}]"))
	f.Add([]byte("spec: {values: {? \"${a}\" : &x !!str \"${b}\", c: *x}}\n---\nspec:\r values: |-\r\n  ${a}\n"))
	f.Add([]byte("spec: {values: {  \"0000\" : &x !!str \"${0}\",*x}} "))
	f.Add([]byte("spec: {values: {a: &x \"${a}\"}}\nmetadata: {labels: {*x : b, ? [*x] : c}}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		marked := markQuoted(content)
		if bytes.Contains(content, []byte("_fairlead_quoted_")) || bytes.Equal(marked, content) {
			return
		}
		if plain := bytes.ReplaceAll(marked, []byte(quotedMark), nil); !bytes.Equal(plain, content) {
			t.Fatalf("more than marks was changed:\n%q\n%q", content, marked)
		}

		before, after := yaml.NewDecoder(bytes.NewReader(content)), yaml.NewDecoder(bytes.NewReader(marked))
		for {
			var want, got any
			err := before.Decode(&want)
			if failed := after.Decode(&got); (err == nil) != (failed == nil) {
				t.Fatalf("%v became %v:\n%q", err, failed, marked)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(plainOf(want), plainOf(got)); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		}
	})
}

// plainOf is a value without marks, also below keys of any type.
func plainOf(value any) any {
	switch value := value.(type) {
	case map[any]any:
		out := map[any]any{}
		for key, field := range value {
			out[key] = plainOf(field)
		}
		return out
	case map[string]any:
		out := map[any]any{}
		for key, field := range value {
			out[key] = plainOf(field)
		}
		return out
	case []any:
		out := make([]any, 0, len(value))
		for _, item := range value {
			out = append(out, plainOf(item))
		}
		return out
	default:
		return withoutMarks(value)
	}
}
