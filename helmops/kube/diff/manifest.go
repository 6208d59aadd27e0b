// Package diff compares what two revisions of a release are made of, object by object and field by field. It is pure.
package diff

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/helmops/kube/redact"
)

const (
	// maxSize bounds a manifest, in bytes. Helm's records are smaller.
	maxSize = 64 << 20
	// maxFields bounds the fields that are named of one object.
	maxFields = 100
)

// What happens to an object or a field.
const (
	Created = "created"
	Deleted = "deleted"
	Changed = "changed"
	Added   = "added"
	Removed = "removed"
)

// Change is what happens to one object between two manifests.
type Change struct {
	Kind  string `json:"kind"`
	Group string `json:"group,omitempty"`
	// Namespace is empty for objects of the release's own namespace, and for those that have none.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Change is Created, Deleted or Changed.
	Change string `json:"change"`
	// Fields that differ, sorted by path, at most 100, and how many more there are; only of what is Changed.
	Fields []Field `json:"fields,omitempty"`
	More   int     `json:"more,omitempty"`
}

// Field is one field that differs.
type Field struct {
	// Path as kubectl prints it: .spec.template.spec.containers[name="web"].image.
	Path string `json:"path"`
	// Change is Changed, Added or Removed.
	Change string `json:"change"`
	// Was and Becomes are the values, each empty when there is none: texts as they are, other values as JSON. They are
	// cut, and "***" in Secrets.
	Was     string `json:"was,omitempty"`
	Becomes string `json:"becomes,omitempty"`
}

// identity tells objects apart; their version does not matter.
type identity struct{ group, kind, namespace, name string }

// Compare returns what happens on the way from one manifest to another, sorted by kind, namespace and name. Both are
// YAML documents as Helm stores them; namespace is that of the release, whose objects may leave it out. mask hides
// secrets in values; nil hides none. The content of the Secrets in both manifests is hidden wherever it occurs. An
// error says which document cannot be read, and shows nothing of it.
func Compare(before, after, namespace string, mask func(string) string) ([]Change, error) {
	had, err := parse(before, namespace)
	if err != nil {
		return nil, fmt.Errorf("the former manifest: %w", err)
	}

	has, err := parse(after, namespace)
	if err != nil {
		return nil, fmt.Errorf("the new manifest: %w", err)
	}

	mask = hiding(mask, had, has)
	out := []Change{}
	for id, object := range has {
		former, was := had[id]
		switch {
		case !was:
			out = append(out, id.change(Created))
		default:
			d := differ{secret: id.group == "" && id.kind == "Secret", mask: mask}
			d.maps("", former, object)
			if len(d.fields) > 0 {
				out = append(out, d.sum(id))
			}
		}
	}

	for id := range had {
		if _, still := has[id]; !still {
			out = append(out, id.change(Deleted))
		}
	}

	slices.SortFunc(out, func(a, b Change) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Group, b.Group),
			strings.Compare(a.Namespace, b.Namespace),
			strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// Secrets returns the content of the Secrets in a manifest, for redact.NewMask.
func Secrets(manifest string) ([]any, error) {
	objects, err := parse(manifest, "")
	if err != nil {
		return nil, fmt.Errorf("the manifest: %w", err)
	}
	return contentOf(objects), nil
}

func contentOf(objects map[identity]map[string]any) []any {
	content := make([]any, 0, len(objects))
	for _, object := range objects {
		content = append(content, redact.SecretContent(object)...)
	}
	return content
}

// hiding returns a mask that hides the content of the Secrets in manifests, besides what mask hides.
func hiding(mask func(string) string, manifests ...map[identity]map[string]any) func(string) string {
	content := make([]any, 0, len(manifests))
	for _, objects := range manifests {
		content = append(content, contentOf(objects)...)
	}
	if len(content) == 0 {
		return mask
	}

	secrets := redact.NewMask(content...)
	return func(text string) string {
		if mask != nil {
			text = mask(text)
		}
		return secrets.Apply(text)
	}
}

func (id identity) change(what string) Change {
	return Change{Kind: id.kind, Group: id.group, Namespace: id.namespace, Name: id.name, Change: what}
}

// parse reads the objects of a manifest. Lists are taken apart.
func parse(manifest, namespace string) (map[identity]map[string]any, error) {
	objects, err := Objects(manifest)
	if err != nil {
		return nil, err
	}
	out := map[identity]map[string]any{}
	for _, object := range objects {
		out[identify(object, namespace)] = object
	}
	return out, nil
}

// documentsOf reads the documents of a manifest. The error shows nothing of them.
func documentsOf(manifest string) ([]map[string]any, error) {
	if len(manifest) > maxSize {
		return nil, fmt.Errorf("it has %d bytes, at most %d are read", len(manifest), maxSize)
	}

	var out []map[string]any
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest)))
	for n := 1; ; n++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("document %d cannot be read", n)
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}

		var object map[string]any
		if err := yaml.Unmarshal(document, &object); err != nil {
			return nil, fmt.Errorf("document %d is not YAML", n) // the error of the parser would show a part of it
		}

		out = append(out, object)
	}
}

// Objects reads the objects of a manifest in its order. Lists are taken apart. The error shows nothing of them.
func Objects(manifest string) ([]map[string]any, error) {
	documents, err := documentsOf(manifest)
	if err != nil {
		return nil, err
	}
	var out []map[string]any
	for _, object := range documents {
		out = append(out, apart(object)...)
	}
	return out, nil
}

// apart is an object, or the objects of a list. There are none where a document holds only comments.
func apart(object map[string]any) []map[string]any {
	kind, _ := object["kind"].(string)
	if kind == "" {
		return nil
	}

	items, is := object["items"].([]any)
	if !is || !strings.HasSuffix(kind, "List") {
		return []map[string]any{object}
	}

	var out []map[string]any
	for _, item := range items {
		if entry, ok := item.(map[string]any); ok {
			out = append(out, apart(entry)...)
		}
	}

	return out
}

// identify names an object. The namespace is dropped where it is the one that is meant anyway.
func identify(object map[string]any, namespace string) identity {
	kind, _ := object["kind"].(string)
	version, _ := object["apiVersion"].(string)
	group, _ := schema.ParseGroupVersion(version)
	metadata, _ := object["metadata"].(map[string]any)
	id := identity{group: group.Group, kind: kind}
	id.name, _ = metadata["name"].(string)
	if id.namespace, _ = metadata["namespace"].(string); id.namespace == namespace {
		id.namespace = ""
		delete(metadata, "namespace")
	}

	return id
}
