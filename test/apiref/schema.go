package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// jsonSchema is the schema of one kind as editors understand it. A field that the definition does not have is an error
// there, because the API server would drop it.
func jsonSchema(crd *apiextensionsv1.CustomResourceDefinition) ([]byte, error) {
	version := crd.Spec.Versions[0]
	text, err := json.Marshal(version.Schema.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	schema := map[string]any{}
	if err := json.Unmarshal(text, &schema); err != nil {
		return nil, err
	}
	translate(schema)

	properties, _ := schema["properties"].(map[string]any)
	properties["apiVersion"] = constant(crd.Spec.Group + "/" + version.Name)
	properties["kind"] = constant(crd.Spec.Names.Kind)
	properties["metadata"] = map[string]any{"type": "object"}
	schema["required"] = []string{"apiVersion", "kind", "metadata"}
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"

	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(schema)
	return out.Bytes(), err
}

func constant(value string) map[string]any {
	return map[string]any{"type": "string", "const": value}
}

// translate turns a structural schema of Kubernetes into a JSON schema, in place.
func translate(schema map[string]any) {
	if schema["x-kubernetes-int-or-string"] == true {
		delete(schema, "anyOf")
		schema["type"] = []any{"integer", "string"}
	}
	if nullable, _ := schema["nullable"].(bool); nullable {
		schema["type"] = []any{schema["type"], "null"}
	}
	delete(schema, "nullable")

	open := schema["x-kubernetes-preserve-unknown-fields"] == true
	maps.DeleteFunc(schema, func(key string, _ any) bool { return strings.HasPrefix(key, "x-kubernetes-") })

	properties, hasProperties := schema["properties"].(map[string]any)
	if hasProperties && !open {
		schema["additionalProperties"] = false
	}
	for _, property := range properties {
		if inner, ok := property.(map[string]any); ok {
			translate(inner)
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if inner, ok := schema[key].(map[string]any); ok {
			translate(inner)
		}
	}
}
