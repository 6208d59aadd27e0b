package preview

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/helmops/kube/diff"
)

// ref identifies an object. The namespace is empty for objects in that of the release and for those that have none.
type ref struct{ group, kind, namespace, name string }

func (r ref) String() string { return nameOf(r.kind, r.namespace, r.name) }

// within drops the namespace where it is the given one.
func (r ref) within(namespace string) ref {
	if r.namespace == namespace {
		r.namespace = ""
	}
	return r
}

func nameOf(kind, namespace, name string) string {
	if namespace != "" {
		name = namespace + "/" + name
	}
	return kind + " " + name
}

// set is the objects of a manifest.
type set map[ref]map[string]any

func readSet(manifest, namespace string) (set, error) {
	objects, err := diff.Objects(manifest)
	if err != nil {
		return nil, fmt.Errorf("the manifest: %w", err)
	}

	out := make(set, len(objects))
	for _, object := range objects {
		out[refOf(object).within(namespace)] = object
	}

	return out, nil
}

func refOf(object map[string]any) ref {
	apiVersion, _ := object["apiVersion"].(string)
	group, _ := schema.ParseGroupVersion(apiVersion)
	id := ref{
		group:     group.Group,
		name:      text(object, "metadata", "name"),
		namespace: text(object, "metadata", "namespace"),
	}
	id.kind, _ = object["kind"].(string)
	return id
}

// sorted are the references in a stable order.
func (s set) sorted() []ref {
	return slices.SortedFunc(maps.Keys(s), func(a, b ref) int {
		return strings.Compare(a.group+"/"+a.String(), b.group+"/"+b.String())
	})
}

// field is the value at a path of maps, nil when there is none.
func field(object map[string]any, path ...string) any {
	var value any = object
	for _, key := range path {
		content, _ := value.(map[string]any)
		value = content[key]
	}
	return value
}

func text(object map[string]any, path ...string) string {
	value, _ := field(object, path...).(string)
	return value
}

func list(object map[string]any, path ...string) []any {
	value, _ := field(object, path...).([]any)
	return value
}

func mapAt(object map[string]any, path ...string) map[string]any {
	value, _ := field(object, path...).(map[string]any)
	return value
}

// mapsIn are the items of a list that are maps.
func mapsIn(items []any) []map[string]any {
	out := make([]map[string]any, 0, len(items))
	for _, item := range items {
		if content, is := item.(map[string]any); is {
			out = append(out, content)
		}
	}
	return out
}

// textsIn are the items of a list that are texts.
func textsIn(items []any) []string {
	out := make([]string, 0, len(items))
	for _, item := range items {
		if value, is := item.(string); is {
			out = append(out, value)
		}
	}
	return out
}

// Changes reports of an object whether it is new in the latter rendering, hooks aside, or differs from the former.
func Changes(former, latter Rendering, namespace string) (func(Untried) bool, error) {
	changes, err := diff.Compare(former.Manifest, latter.Manifest, namespace, nil)
	if err != nil {
		return nil, fmt.Errorf("comparing what runs with what would run: %w", err)
	}

	differs := map[ref]bool{}
	for _, change := range changes {
		id := ref{group: change.Group, kind: change.Kind, namespace: change.Namespace, name: change.Name}
		differs[id] = change.Change != diff.Deleted
	}

	return func(u Untried) bool {
		return differs[ref{group: u.Group, kind: u.Kind, namespace: u.Namespace, name: u.Name}.within(namespace)]
	}, nil
}
