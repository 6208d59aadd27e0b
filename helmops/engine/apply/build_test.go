package apply

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
	goneHook = "apiVersion: example.com/v1\nkind: Cog\nmetadata: {name: c, annotations: {helm.sh/hook: pre-delete}}\n"
)

// What an uninstall has to delete does not include objects whose kind is gone; every other action, and a hook, needs the
// kind.
func TestObjectsGoWithTheirKind(t *testing.T) {
	t.Parallel()
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, meta.RESTScopeNamespace)
	for _, is := range []struct {
		name, manifest string
		uninstalls     bool
		objects        int
		unknown        string
	}{
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
		}
	}
}
