// Package build makes the objects of unit tests. It is imported by tests only.
package build

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// Object is the object of a YAML document. Whole numbers stay whole, as in what an API server answers. The document
// needs no kind.
func Object(tb testing.TB, document string) *unstructured.Unstructured {
	tb.Helper()
	out := &unstructured.Unstructured{Object: map[string]any{}}
	text, err := yaml.YAMLToJSON([]byte(document))
	if err == nil {
		err = json.Unmarshal(text, &out.Object)
	}
	if err != nil {
		tb.Fatalf("%s in the document\n%s", err, document)
	}
	return out
}
