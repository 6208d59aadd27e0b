package engine

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
)

// inventory lists the objects of a release's manifest, sorted. Objects of a kind that the cluster no longer knows are
// listed with the namespace their manifest gives.
func (e *Engine) inventory(rel *release.Release) ([]v1beta1.ResourceRef, error) {
	var refs []v1beta1.ResourceRef
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(rel.Manifest), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading the manifest of revision %d: it is not YAML", rel.Version)
		}
		if len(object.Object) == 0 {
			continue
		}
		if object.IsList() {
			err = object.EachListItem(func(item runtime.Object) error {
				refs = append(refs, e.reference(item.(*unstructured.Unstructured), rel.Namespace))
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("reading a list in the manifest of revision %d: %w", rel.Version, err)
			}
			continue
		}
		refs = append(refs, e.reference(object, rel.Namespace))
	}
	slices.SortFunc(refs, func(a, b v1beta1.ResourceRef) int { return strings.Compare(a.ID, b.ID) })
	return slices.Compact(refs), nil
}

func (e *Engine) reference(object *unstructured.Unstructured, releaseNamespace string) v1beta1.ResourceRef {
	kind := object.GroupVersionKind()
	namespace := object.GetNamespace()
	mapping, err := e.cluster.Mapper().RESTMapping(kind.GroupKind(), kind.Version)
	if err == nil {
		switch {
		case mapping.Scope.Name() == meta.RESTScopeNameRoot:
			namespace = ""
		case namespace == "":
			namespace = releaseNamespace
		}
	}
	return v1beta1.ResourceRef{
		ID:      strings.Join([]string{namespace, object.GetName(), kind.Group, kind.Kind}, "_"),
		Version: kind.Version,
	}
}
