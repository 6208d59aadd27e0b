package kubeclient

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Manifests with a ConfigMap and an object of a kind that is not served, and with a hook of such a kind.
const (
	goneObject = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n" +
		"apiVersion: example.com/v1\nkind: Cog\nmetadata: {name: b}\n"
	oldObject = "apiVersion: example.com/v1beta1\nkind: Wheel\nmetadata: {name: d}\n"
	oldHook   = "apiVersion: example.com/v1beta1\nkind: Wheel\nmetadata: {name: e, annotations: {helm.sh/hook: pre-delete}}\n"
	goneHook  = "apiVersion: example.com/v1\nkind: Cog\nmetadata: {name: c, annotations: {helm.sh/hook: pre-delete}}\n"
)

// What an uninstall has to delete does not include objects whose kind is gone; every other action, and a hook, needs
// the kind.
func TestObjectsGoWithTheirKind(t *testing.T) {
	t.Parallel()
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Group: "example.com", Version: "v1"}})
	mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, meta.RESTScopeNamespace)
	mapper.Add(schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Wheel"}, meta.RESTScopeNamespace)
	for _, is := range []struct {
		name, manifest string
		uninstalls     bool
		objects        int
		unknown        string
		// version is that of the last object.
		version string
	}{
		{name: "an uninstall of an older version", manifest: oldObject, uninstalls: true, objects: 1, version: "v1"},
		{name: "an upgrade with an older version", manifest: oldObject, unknown: "d"},
		{name: "a hook of an older version", manifest: oldHook, uninstalls: true, unknown: "e"},
		{name: "an uninstall", manifest: goneObject, uninstalls: true, objects: 1},
		{name: "an upgrade", manifest: goneObject, unknown: "b"},
		{name: "a hook of an uninstall", manifest: goneHook, uninstalls: true, unknown: "c"},
	} {
		c := &Client{mapper: mapper, options: Options{Namespace: "apps", Uninstalls: is.uninstalls}}
		objects, err := c.parse(is.manifest)
		var unknown *UnknownKindError
		switch errors.As(err, &unknown); {
		case err != nil && unknown == nil:
			t.Errorf("%s: %v", is.name, err)
		case is.unknown != "" && (unknown == nil || unknown.Name != is.unknown):
			t.Errorf("%s: %v, want that the kind of %s is unknown", is.name, err, is.unknown)
		case is.unknown == "" && (err != nil || len(objects) != is.objects):
			t.Errorf("%s: %d objects and %v, want %d", is.name, len(objects), err, is.objects)
		case is.version != "" && objects[len(objects)-1].content.GroupVersionKind().Version != is.version:
			t.Errorf("%s: %v, want version %s", is.name, objects[len(objects)-1].content.GroupVersionKind(), is.version)
		}
	}
}
