package config

import (
	"context"
	"math"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

// kindSchema checks objects of one kind as the API server does.
type kindSchema struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

// schemas reads the CRDs, by kind.
func schemas(t *testing.T) map[string]kindSchema {
	t.Helper()
	found := map[string]kindSchema{}
	for _, file := range glob(t, "config", "crd", "fairlead.dev_*.yaml") {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict([]byte(read(t, file[len(root)+1:])), crd); err != nil {
			t.Fatal(err)
		}
		props := &apiextensions.JSONSchemaProps{}
		err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
			crd.Spec.Versions[0].Schema.OpenAPIV3Schema, props, nil)
		if err != nil {
			t.Fatal(err)
		}
		structural, err := structuralschema.NewStructural(props)
		if err != nil {
			t.Fatal(err)
		}
		validator, _, err := validation.NewSchemaValidator(props)
		if err != nil {
			t.Fatal(err)
		}
		found[crd.Spec.Names.Kind] = kindSchema{
			structural: structural, schema: validator, rules: cel.NewValidator(structural, true, math.MaxInt64),
		}
	}
	return found
}

// check returns what is wrong with a document: unknown fields, the schema, the rules.
func (k kindSchema) check(t *testing.T, document string) []string {
	t.Helper()
	object := map[string]any{}
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		t.Fatal(err)
	}
	var wrong []string
	options := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	for _, path := range pruning.PruneWithOptions(object, k.structural, true, options) {
		wrong = append(wrong, "unknown field "+path)
	}
	defaulting.Default(object, k.structural)
	for _, err := range validation.ValidateCustomResource(nil, object, k.schema) {
		wrong = append(wrong, err.Error())
	}
	errs, _ := k.rules.Validate(context.Background(), field.NewPath(""), k.structural, object, nil, math.MaxInt64)
	for _, err := range errs {
		wrong = append(wrong, err.Error())
	}
	return wrong
}
