package config

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// faultsOfField are the conventions of the Kubernetes API that the schema of a field breaks: lists say how they are
// merged, and everything of variable length is bounded. What a map holds is bounded by the size of the object alone, as
// are the conditions and the selectors, whose types are those of Kubernetes.
func faultsOfField(path string, schema apiextensionsv1.JSONSchemaProps) []string {
	var found []string
	foreign := strings.HasSuffix(path, ".conditions") || strings.Contains(path, ".matchExpressions")
	switch schema.Type {
	case "array":
		if schema.XListType == nil {
			found = append(found, path+" has no list type")
		}
		if schema.MaxItems == nil && !foreign {
			found = append(found, path+" has no maximum of items")
		}
	case "string":
		bounded := schema.MaxLength != nil || len(schema.Enum) > 0 || schema.Format != "" || schema.Pattern != ""
		if !bounded && !foreign && !strings.HasSuffix(path, ".*") {
			found = append(found, path+" has no maximum length")
		}
	case "integer":
		if schema.Format == "" && !schema.XIntOrString {
			found = append(found, path+" is neither int32 nor int64")
		}
	}
	return found
}

// faultsBelow are those of a schema and of everything in it.
func faultsBelow(path string, schema apiextensionsv1.JSONSchemaProps) []string {
	found := faultsOfField(path, schema)
	for name, field := range schema.Properties {
		if path == "" && (name == "apiVersion" || name == "kind" || name == "metadata") {
			continue
		}
		found = append(found, faultsBelow(path+"."+name, field)...)
	}
	if schema.Items != nil {
		found = append(found, faultsBelow(path+"[]", *schema.Items.Schema)...)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		found = append(found, faultsBelow(path+".*", *schema.AdditionalProperties.Schema)...)
	}
	return found
}

func TestTheAPIFollowsConventions(t *testing.T) {
	t.Parallel()
	files := glob(t, "config", "crd", "fairlead.dev_*.yaml")
	if len(files) < 12 {
		t.Fatalf("only %d definitions were found", len(files))
	}
	for _, file := range files {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict([]byte(read(t, file[len(root)+1:])), crd); err != nil {
			t.Fatal(err)
		}
		for _, fault := range faultsBelow("", *crd.Spec.Versions[0].Schema.OpenAPIV3Schema) {
			t.Errorf("%s: %s", crd.Spec.Names.Kind, fault)
		}
	}
}

func TestBrokenConventionsAreFound(t *testing.T) {
	t.Parallel()
	const text = `
properties:
  spec:
    type: object
    properties:
      list: {type: array, items: {type: string}}
      number: {type: integer}
      some: {type: object, additionalProperties: {type: string}}
      conditions: {type: array, x-kubernetes-list-type: map, items: {type: object}}
`
	schema := apiextensionsv1.JSONSchemaProps{}
	if err := yaml.Unmarshal([]byte(text), &schema); err != nil {
		t.Fatal(err)
	}
	found := strings.Join(faultsBelow("", schema), "\n")
	for _, want := range []string{
		".spec.list has no list type", ".spec.list has no maximum of items", ".spec.list[] has no maximum length",
		".spec.number is neither int32 nor int64",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("%s is not found in\n%s", want, found)
		}
	}
	if got := strings.Count(found, "\n") + 1; got != 4 {
		t.Errorf("%d faults are found, want 4:\n%s", got, found)
	}
}
