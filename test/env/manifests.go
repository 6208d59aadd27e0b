package env

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// unscoped are the kinds that ParseObjects puts into no namespace.
var unscoped = []string{"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}

// ParseObjects reads YAML documents. Objects that name no namespace are put into the given one.
func ParseObjects(namespace, manifests string) ([]client.Object, error) {
	var objects []client.Object
	for document := range strings.SplitSeq(manifests, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			return nil, fmt.Errorf("%w in:\n%s", err, document)
		}
		if object.GetNamespace() == "" && !slices.Contains(unscoped, object.GetKind()) {
			object.SetNamespace(namespace)
		}
		objects = append(objects, object)
	}
	return objects, nil
}
