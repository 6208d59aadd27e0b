package crds

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"helm.sh/helm/v3/pkg/chart"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const (
	group = "apiextensions.k8s.io"
	kind  = "CustomResourceDefinition"
	// maxBytes bounds one document; the API server takes no more than about that.
	maxBytes = 4 << 20
	// maxDefinitions bounds what one chart brings.
	maxDefinitions = 1000
)

// definition is one CustomResourceDefinition of a chart.
type definition struct {
	file   string
	object *unstructured.Unstructured
	live   *unstructured.Unstructured // nil when there is none
}

func (d *definition) name() string { return d.object.GetName() }

// kinds are those that are served once the live definition is established.
func (d *definition) kinds() []schema.GroupVersionKind {
	spec, _, _ := unstructured.NestedMap(d.live.Object, "spec")
	of, _, _ := unstructured.NestedString(spec, "group")
	name, _, _ := unstructured.NestedString(spec, "names", "kind")
	var kinds []schema.GroupVersionKind
	for version, served := range versionsOf(d.live) {
		if served {
			kinds = append(kinds, schema.GroupVersionKind{Group: of, Version: version, Kind: name})
		}
	}

	return kinds
}

// Objects returns the definitions in the files of a chart, in the order of their names.
func Objects(files []chart.CRD) ([]*unstructured.Unstructured, error) {
	found, err := parse(files)
	out := make([]*unstructured.Unstructured, 0, len(found))
	for _, d := range found {
		out = append(out, d.object)
	}
	return out, err
}

// parse returns the definitions of all files in the order of their names, each once.
func parse(files []chart.CRD) ([]*definition, error) {
	var all []*definition
	from := map[string]string{}
	for _, file := range files {
		if file.File == nil {
			continue
		}

		objects, err := parseFile(file.Filename, file.File.Data)
		if err != nil {
			return nil, err
		}

		for _, object := range objects {
			name := object.GetName()
			if other, twice := from[name]; twice {
				return nil, fmt.Errorf("%s: CustomResourceDefinition %s is also in %s; keep one of them", file.Filename, name,
					other)
			}

			from[name] = file.Filename
			all = append(all, &definition{file: file.Filename, object: object})
		}

		if len(all) > maxDefinitions {
			return nil, fmt.Errorf("%s: the chart has more than %d CustomResourceDefinitions", file.Filename, maxDefinitions)
		}
	}

	slices.SortFunc(all, func(a, b *definition) int { return bytes.Compare([]byte(a.name()), []byte(b.name())) })
	return all, nil
}

func parseFile(file string, content []byte) ([]*unstructured.Unstructured, error) {
	if len(content) > maxBytes {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", file, len(content), maxBytes)
	}

	documents := utilyaml.NewYAMLReader(newReader(content))
	var objects []*unstructured.Unstructured
	for number := 1; ; number++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: document %d cannot be read: %w", file, number, err)
		}

		object := map[string]any{}
		if err := yaml.Unmarshal(document, &object); err != nil {
			return nil, fmt.Errorf("%s: document %d is not valid YAML: %w", file, number, err)
		}
		if len(object) == 0 { // only comments
			continue
		}

		found := &unstructured.Unstructured{Object: object}
		if err := acceptable(found); err != nil {
			return nil, fmt.Errorf("%s: document %d %w", file, number, err)
		}

		objects = append(objects, clean(found))
	}
}

func acceptable(object *unstructured.Unstructured) error {
	gvk := object.GroupVersionKind()
	spec, isMap := object.Object["spec"].(map[string]any)
	switch {
	case gvk.Group != group || gvk.Kind != kind:
		return fmt.Errorf("is a %s of %q, but crds/ may hold nothing other than %s; move it to templates/", gvk.Kind,
			object.GetAPIVersion(), kind)
	case gvk.Version != "v1":
		return fmt.Errorf("has apiVersion %s, which Kubernetes no longer knows; want %s/v1", object.GetAPIVersion(), group)
	case object.GetName() == "":
		return errors.New("has no metadata.name")
	case !isMap:
		return errors.New("has no spec")
	}

	if versions, _, err := unstructured.NestedSlice(spec, "versions"); err != nil || len(versions) == 0 {
		return errors.New("has no spec.versions")
	}

	return nil
}

// clean drops what belongs to the server.
func clean(object *unstructured.Unstructured) *unstructured.Unstructured {
	delete(object.Object, "status")
	for _, field := range []string{
		"resourceVersion", "uid", "generation", "creationTimestamp", "managedFields", "selfLink",
	} {
		unstructured.RemoveNestedField(object.Object, "metadata", field)
	}
	return object
}

// Names returns the names of the definitions in files. Files that cannot be read have none.
func Names(files []chart.CRD) []string {
	var names []string
	for _, file := range files {
		if file.File == nil {
			continue
		}

		objects, err := parseFile(file.Filename, file.File.Data)
		if err != nil {
			continue // applying them says so
		}

		for _, object := range objects {
			names = append(names, object.GetName())
		}
	}

	return names
}
