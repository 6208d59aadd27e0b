package definition

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

const gears = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gears.example.dev}
spec:
  group: example.dev
  scope: Namespaced
  names: {kind: Gear, plural: gears}
  versions:
  - name: v0
    served: false
    storage: false
    schema: {openAPIV3Schema: {type: object}}
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [size, color]
            x-kubernetes-validations:
            - {rule: "self.size < 100 || self.color == 'red'", message: large gears are red}
            - {rule: "self.size >= oldSelf.size", message: a gear does not shrink}
            properties:
              size: {type: integer}
              color: {type: string, enum: [red, blue], default: blue}
              port: {x-kubernetes-int-or-string: true}
              labels: {type: object, additionalProperties: {type: string}}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              parts:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items: {type: object, required: [name], properties: {name: {type: string}}}
`

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	out := &unstructured.Unstructured{}
	content, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "kind:") {
		t.Fatal("an object has a kind")
	}
	if err := out.UnmarshalJSON(content); err != nil {
		t.Fatal(err)
	}
	return out.Object
}

func gear(t *testing.T, spec string) map[string]any {
	t.Helper()
	return object(t,
		"apiVersion: example.dev/v1\nkind: Gear\nmetadata: {name: a, namespace: b, labels: {x: y}}\nspec: "+spec)
}

func TestRead(t *testing.T) {
	t.Parallel()
	d := Read(&unstructured.Unstructured{Object: object(t, gears)})
	if d.Name != "gears.example.dev" || d.Plural != "gears" || !d.Namespaced ||
		d.Kind != (schema.GroupKind{Group: "example.dev", Kind: "Gear"}) {
		t.Errorf("%+v", d)
	}
	want := []schema.GroupVersionKind{{Group: "example.dev", Version: "v1", Kind: "Gear"}}
	if diff := cmp.Diff(want, d.Kinds()); diff != "" {
		t.Errorf("only v1 is served: %s", diff)
	}
}

func TestObjectsAreJudged(t *testing.T) {
	t.Parallel()
	judge := Read(&unstructured.Unstructured{Object: object(t, gears)}).Versions["v1"]
	for _, tt := range []struct {
		spec, former string
		unknown      []string
		invalid      string
	}{
		{spec: "{size: 1, color: red, port: http, labels: {a: b}, free: {x: [1]}, parts: [{name: a}]}"},
		{spec: "{size: 1, port: 80}"}, // a default fills what is missing
		{spec: "{size: 1, labels: null}"},
		{spec: "{size: null}", invalid: "spec.size: Required value"},
		{spec: "{size: one}", invalid: "spec.size: Invalid value"},
		{spec: "{color: green, size: 1}", invalid: "spec.color: Unsupported value"},
		{spec: "{}", invalid: "spec.size: Required value"},
		{spec: "{size: 1, sise: 2}", unknown: []string{"spec.sise"}},
		{spec: "{size: 1, labels: {a: 1}}", invalid: "spec.labels.a: Invalid value"},
		{spec: "{size: 1, parts: [{name: a}, {}]}", invalid: "spec.parts[1].name: Required value"},
		{spec: "{size: 1, parts: [{name: a}, {name: a}]}", invalid: "spec.parts[1]: Duplicate value"},
		{spec: "{size: 100}", invalid: "large gears are red"},
		{spec: "{size: 100, color: red}"},
		{spec: "{size: 2}", former: "{size: 3}", invalid: "a gear does not shrink"},
		{spec: "{size: 3}", former: "{size: 2}"},
	} {
		manifest := gear(t, tt.spec)
		if diff := cmp.Diff(tt.unknown, judge.Unknown(manifest)); diff != "" {
			t.Errorf("%s: unknown fields (-want +got):\n%s", tt.spec, diff)
		}
		var former map[string]any
		if tt.former != "" {
			former = gear(t, tt.former)
		}
		found := judge.Invalid(t.Context(), manifest, former)
		if tt.invalid == "" != (len(found) == 0) || len(found) > 0 && !strings.Contains(found[0].Error(), tt.invalid) {
			t.Errorf("%s after %s: %v, want %q", tt.spec, tt.former, found, tt.invalid)
		}
		if diff := cmp.Diff(gear(t, tt.spec), manifest); diff != "" {
			t.Errorf("judging changed the object:\n%s", diff)
		}
	}
}

// What cannot be judged here is left to the API server: it is nothing against an object.
func TestWhatCannotBeJudged(t *testing.T) {
	t.Parallel()
	var none *Schema
	if none.Unknown(gear(t, "{x: 1}")) != nil || none.Invalid(t.Context(), gear(t, "{x: 1}"), nil) != nil {
		t.Error("no schema is against an object")
	}
	for name, schema := range map[string]map[string]any{
		"empty": {},
		"not structural": {"type": "object",
			"properties": map[string]any{"spec": map[string]any{"items": map[string]any{}}}},
		"not a schema": {"type": int64(1)},
		"an unknown rule": {"type": "object",
			"x-kubernetes-validations": []any{map[string]any{"rule": "comesWithALaterVersion(self)"}}},
	} {
		s := &Schema{source: schema}
		if found := s.Invalid(t.Context(), gear(t, "{}"), nil); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
}

// Manifests of charts are read with whole numbers as floats.
func TestWholeNumbersThatAreFloats(t *testing.T) {
	t.Parallel()
	judge := Read(&unstructured.Unstructured{Object: object(t, gears)}).Versions["v1"]
	manifest := gear(t, "{}")
	for size, wrong := range map[float64]bool{12: false, 100: true, 1.5: true} {
		manifest["spec"] = map[string]any{"size": size}
		found := judge.Invalid(t.Context(), manifest, nil)
		if len(found) > 0 != wrong || wrong && strings.Contains(found[0].Error(), "evaluating rule") {
			t.Errorf("%v: %v", size, found)
		}
	}
	if _, is := manifest["spec"].(map[string]any)["size"].(float64); !is {
		t.Error("judging changed the object")
	}
}

// A rule that costs more than it may is not evaluated any further.
func TestRulesHaveABound(t *testing.T) {
	t.Parallel()
	judge := Read(&unstructured.Unstructured{Object: object(t, gears)}).Versions["v1"]
	if found := judge.Invalid(t.Context(), gear(t, "{size: 100}"), nil); len(found) == 0 {
		t.Fatal("the rule is not evaluated")
	}
	used := totalCost - judge.budget
	if used <= 0 {
		t.Errorf("a rule costs %d", used)
	}
	judge.budget = 1
	if found := judge.Invalid(t.Context(), gear(t, "{size: 100}"), nil); len(found) > 0 || judge.budget > 0 {
		t.Errorf("with hardly anything left: %v, %d", found, judge.budget)
	}
}
