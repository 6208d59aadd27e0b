package kubeclient

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/kube/ssa"
)

// maxObjects bounds a manifest; each object costs a request.
const maxObjects = 20000

// object is one document of a manifest, and the kind it is of.
type object struct {
	content *unstructured.Unstructured
	mapping *meta.RESTMapping
}

// Build implements kube.Interface. The request to validate is ignored: since Kubernetes 1.27 Helm's validation
// downloads megabytes of OpenAPI documents only to see that the server validates by itself. An action builds the same
// manifest up to three times; it is parsed once.
func (c *Client) Build(manifest io.Reader, _ bool) (kube.ResourceList, error) {
	text, err := io.ReadAll(manifest)
	if err != nil {
		return nil, err
	}

	objects, ok := c.parsed[string(text)]
	if !ok {
		if objects, err = c.parse(string(text)); err != nil {
			return nil, err
		}
		c.parsed[string(text)] = objects
	}

	list := make(kube.ResourceList, len(objects))
	for i, o := range objects {
		if list[i], err = c.info(o); err != nil {
			return nil, err
		}
	}

	return list, nil
}

// BuildTable implements kube.InterfaceResources.
func (c *Client) BuildTable(manifest io.Reader, validate bool) (kube.ResourceList, error) {
	return c.Build(manifest, validate)
}

// Get implements kube.InterfaceResources.
func (c *Client) Get(resources kube.ResourceList, _ bool) (map[string][]runtime.Object, error) {
	found := map[string][]runtime.Object{}
	for _, info := range resources {
		live, err := c.live(info)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name(info), err)
		}

		kind := info.Mapping.GroupVersionKind
		key := kind.Version + "/" + kind.Kind
		found[key] = append(found[key], live)
	}

	return found, nil
}

func (c *Client) parse(manifest string) ([]object, error) {
	var objects []object
	add := func(content *unstructured.Unstructured) error {
		if len(objects) == maxObjects {
			return fmt.Errorf("the manifest has more than %d objects", maxObjects)
		}

		c.noteSecret(content)
		o, err := c.identify(content)
		if c.wentWithItsKind(content, err) || c.setAside(content, err) {
			return nil
		}
		if err == nil {
			objects = append(objects, o)
		}

		return err
	}
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
	for {
		content := &unstructured.Unstructured{}
		err := decoder.Decode(&content.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("object %d of the manifest is not YAML: %w", len(objects)+1, ssa.Reworded(err, false))
		}
		if len(content.Object) == 0 {
			continue
		}

		if content.IsList() {
			err = content.EachListItem(func(item runtime.Object) error { return add(item.(*unstructured.Unstructured)) })
		} else {
			err = add(content)
		}
		if err != nil {
			return nil, err
		}
	}
}

// UnknownKindError says that an object is of a kind that the cluster does not serve.
type UnknownKindError struct {
	Kind schema.GroupVersionKind
	Name string
}

// Error implements error. Helm looks for its text to explain APIs that were removed.
func (e *UnknownKindError) Error() string {
	return fmt.Sprintf("%s %s: unable to recognize \"\": no matches for kind %q in version %q; install its "+
		"CustomResourceDefinition first",
		e.Kind.Kind, e.Name, e.Kind.Kind, e.Kind.GroupVersion())
}

// wentWithItsKind reports whether an error of identify means that there is nothing left of an object to uninstall.
func (c *Client) wentWithItsKind(content *unstructured.Unstructured, err error) bool {
	var unknown *UnknownKindError
	return errors.As(err, &unknown) && c.goes(content)
}

// goes reports whether the action uninstalls an object. A hook is made by it.
func (c *Client) goes(content *unstructured.Unstructured) bool {
	_, hook := content.GetAnnotations()[release.HookAnnotation]
	return c.options.Uninstalls && !hook
}

// identify finds the kind of an object, and the namespace it goes to.
func (c *Client) identify(content *unstructured.Unstructured) (object, error) {
	kind := content.GroupVersionKind()
	if kind.Kind == "" || kind.Version == "" {
		return object{}, fmt.Errorf("%q has no apiVersion or no kind", content.GetName())
	}
	if content.GetName() == "" {
		return object{}, fmt.Errorf("a %s has no name", kind.Kind)
	}

	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) && c.goes(content) { // it can be deleted in another version
		if mapping, err = c.mapper.RESTMapping(kind.GroupKind()); err == nil {
			content.SetGroupVersionKind(mapping.GroupVersionKind)
		}
	}

	if meta.IsNoMatchError(err) {
		return object{}, &UnknownKindError{Kind: kind, Name: content.GetName()}
	}
	if err != nil {
		return object{}, fmt.Errorf("finding kind %s of %s: %w", kind.Kind, kind.GroupVersion(), err)
	}

	switch {
	case mapping.Scope.Name() == meta.RESTScopeNameRoot:
		content.SetNamespace("")
	case content.GetNamespace() == "":
		content.SetNamespace(c.options.Namespace)
	}

	return object{content: content, mapping: mapping}, nil
}

// info makes what Helm works on. Helm adds labels and annotations to it, so these are copied.
func (c *Client) info(o object) (*resource.Info, error) {
	content := &unstructured.Unstructured{Object: maps.Clone(o.content.Object)}
	if metadata, ok := content.Object["metadata"].(map[string]any); ok {
		metadata = maps.Clone(metadata)
		for _, key := range []string{"labels", "annotations"} {
			if entries, ok := metadata[key].(map[string]any); ok {
				metadata[key] = maps.Clone(entries)
			}
		}

		content.Object["metadata"] = metadata
	}

	kind := o.mapping.GroupVersionKind
	client, err := c.identity.REST(kind.GroupVersion())
	if err != nil {
		return nil, fmt.Errorf("setting up a client for %s: %w", kind.GroupVersion(), err)
	}

	info := &resource.Info{
		Mapping: o.mapping, Namespace: content.GetNamespace(), Name: content.GetName(), Object: content,
	}
	info.Client = &prober{Interface: client, client: c, info: info}
	return info, nil
}

func name(info *resource.Info) string {
	kind := info.Mapping.GroupVersionKind.Kind
	if info.Namespace == "" {
		return kind + " " + info.Name
	}
	return kind + " " + info.Namespace + "/" + info.Name
}
