// Package definition judges objects by a CustomResourceDefinition that comes with them, as the API server will once
// it serves that definition: unknown fields, the structural schema, list keys, and CEL rules.
//
//	CustomResourceDefinition ─► Read ─► Schema of a version ─► Unknown(manifest), Invalid(object, former)
//
// It is pure. The rules of a definition are evaluated with a bound on their cost; callers have the API server
// accept the definition in a trial before, which bounds the rules themselves.
package definition

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	// callCost bounds one CEL rule, as in the API server.
	callCost = 1_000_000
	// totalCost bounds all rules of a version over all objects that are judged by it, about a second of a
	// processor. What exceeds it is left to the API server.
	totalCost = 10_000_000
)

// GroupKind is the kind of a CustomResourceDefinition itself.
var GroupKind = schema.GroupKind{Group: apiextensions.GroupName, Kind: "CustomResourceDefinition"}

// Definition is what a CustomResourceDefinition says of a kind.
type Definition struct {
	// Name of the CustomResourceDefinition.
	Name string
	// Kind that it defines, and the plural of it.
	Kind   schema.GroupKind
	Plural string
	// Namespaced is set when objects of the kind are in namespaces.
	Namespaced bool
	// Versions that are served.
	Versions map[string]*Schema
}

// Read reads a CustomResourceDefinition. It takes what it finds: what is wrong with a definition, the API server
// says.
func Read(o *unstructured.Unstructured) *Definition {
	group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
	plural, _, _ := unstructured.NestedString(o.Object, "spec", "names", "plural")
	scope, _, _ := unstructured.NestedString(o.Object, "spec", "scope")
	d := &Definition{
		Name: o.GetName(), Kind: schema.GroupKind{Group: group, Kind: kind}, Plural: plural,
		Namespaced: scope == "Namespaced", Versions: map[string]*Schema{},
	}
	versions, _, _ := unstructured.NestedSlice(o.Object, "spec", "versions")
	for _, v := range versions {
		version, _ := v.(map[string]any)
		name, _ := version["name"].(string)
		if served, _ := version["served"].(bool); served && name != "" {
			source, _, _ := unstructured.NestedMap(version, "schema", "openAPIV3Schema")
			d.Versions[name] = &Schema{source: source}
		}
	}

	return d
}

// Kinds are the kinds that are served, one for each version.
func (d *Definition) Kinds() []schema.GroupVersionKind {
	out := make([]schema.GroupVersionKind, 0, len(d.Versions))
	for version := range d.Versions {
		out = append(out, schema.GroupVersionKind{Group: d.Kind.Group, Version: version, Kind: d.Kind.Kind})
	}
	return out
}

// Schema judges the objects of one version. It is safe for concurrent use. One that cannot be read has nothing
// against any object.
type Schema struct {
	source map[string]any

	once       sync.Once
	structural *structural.Structural
	validator  validation.SchemaValidator
	rules      *cel.Validator

	mu     sync.Mutex
	budget int64
}

// compiled reports whether there is a schema to judge by. It is compiled when it is used first: most are not.
func (s *Schema) compiled() bool {
	if s == nil {
		return false
	}
	s.once.Do(func() {
		if err := s.compile(); err != nil {
			s.structural = nil
		}
	})
	return s.structural != nil
}

func (s *Schema) compile() error {
	if len(s.source) == 0 {
		return nil
	}

	versioned := &apiextensionsv1.JSONSchemaProps{}
	props := &apiextensions.JSONSchemaProps{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(s.source, versioned); err != nil {
		return fmt.Errorf("reading a schema: %w", err)
	}

	err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(versioned, props, nil)
	if err != nil {
		return fmt.Errorf("converting a schema: %w", err)
	}

	compiled, err := structural.NewStructural(props)
	if err != nil {
		return fmt.Errorf("a schema is not structural: %w", err)
	}
	if s.validator, _, err = validation.NewSchemaValidator(props); err != nil {
		return fmt.Errorf("compiling a schema: %w", err)
	}

	s.structural, s.rules, s.budget = compiled, cel.NewValidator(compiled, true, callCost), totalCost
	return nil
}

// Unknown returns the paths of fields that a manifest has and the schema does not.
func (s *Schema) Unknown(manifest map[string]any) []string {
	if !s.compiled() {
		return nil
	}
	options := structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	return pruning.PruneWithOptions(copied(manifest), s.structural, true, options)
}

// Invalid returns what the schema has against an object with all of its fields. former is the object as it is in
// the cluster, nil when it does not exist or has another version: rules about a change are left to the API server
// then.
func (s *Schema) Invalid(ctx context.Context, object, former map[string]any) field.ErrorList {
	if !s.compiled() {
		return nil
	}

	object = s.completed(object)
	found := validation.ValidateCustomResource(nil, object, s.validator)
	found = append(found, listtype.ValidateListSetsAndMaps(nil, s.structural, object)...)
	if len(found) > 0 {
		return found // rules take the types for granted
	}

	return s.broken(ctx, object, former)
}

// completed is an object as the API server validates it: without what is unknown, with defaults.
func (s *Schema) completed(object map[string]any) map[string]any {
	out := copied(object)
	pruning.Prune(out, s.structural, true)
	defaulting.PruneNonNullableNullsWithoutDefaults(out, s.structural)
	defaulting.Default(out, s.structural)
	return out
}

// copied is an object as it reads after it was sent: manifests of charts have whole numbers as floats, which rules
// do not take.
func copied(object map[string]any) map[string]any {
	out := map[string]any{}
	if text, err := json.Marshal(object); err != nil || json.Unmarshal(text, &out) != nil {
		return map[string]any{} // it could not be sent either
	}
	return out
}

// broken returns which CEL rules an object breaks. Those that cost too much are left to the API server.
func (s *Schema) broken(ctx context.Context, object, former map[string]any) field.ErrorList {
	if s.rules == nil {
		return nil
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.budget <= 0 {
		return nil
	}

	var old any // a nil map in it would count as an object
	if former != nil {
		old = s.completed(former)
	}

	found, left := s.rules.Validate(ctx, nil, s.structural, object, old, s.budget)
	if s.budget = left; left < 0 {
		return nil
	}

	return slices.DeleteFunc(found, undecided)
}

// Texts of k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go, v0.37, of a rule that was not
// evaluated: its errors have no other mark. TestWhatCannotBeJudged and TestRulesHaveABound provoke them.
const (
	uncompiledText = "rule compile"
	exhaustedText  = "no further validation rules will be run"
)

// undecided reports whether a rule was not evaluated, because it costs too much or is written for another version of
// Kubernetes.
func undecided(err *field.Error) bool {
	return strings.Contains(err.Detail, uncompiledText) || strings.Contains(err.Detail, exhaustedText)
}

// Overlaid is an object with what a manifest says put over it; lists are replaced.
func Overlaid(live, manifest map[string]any) map[string]any {
	out := maps.Clone(live)
	for key, value := range manifest {
		under, isMap := out[key].(map[string]any)
		over, both := value.(map[string]any)
		if isMap && both {
			out[key] = Overlaid(under, over)
		} else {
			out[key] = runtime.DeepCopyJSONValue(value)
		}
	}

	return out
}
