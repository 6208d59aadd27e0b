package build

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kyaml "sigs.k8s.io/yaml"
)

// document is one YAML document of a file.
type document struct {
	object map[string]any
	// line is where it begins.
	line int
}

// maxDocuments bounds the documents of one file, maxAliases how often its anchors may be used.
const (
	maxDocuments = 10_000
	maxDepth     = 200
)

// parse reads the objects of a file. Empty documents are left out; lists are taken apart. The error names the line.
func parse(name string, content []byte) ([]document, error) {
	var out []document
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for count := 0; ; count++ {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, brokenAt(name, lineOf(err), "it is not YAML: %s", reworded(err))
		}
		if count >= maxDocuments {
			return nil, broken(name, "it has more than %d documents", maxDocuments)
		}

		object, err := decode(&node)
		if err != nil {
			return nil, brokenAt(name, lineOr(err, node.Line), "it is not YAML: %s", reworded(err))
		}
		if object == nil {
			continue
		}

		fields, is := object.(map[string]any)
		if !is {
			return nil, brokenAt(name, node.Line, "a document is not an object")
		}

		list, err := apart(name, fields, node.Line)
		if err != nil {
			return nil, err
		}

		out = append(out, list...)
	}
}

func lineOr(err error, line int) int {
	if found := lineOf(err); found > 0 {
		return found
	}
	return line
}

// decode turns a node into what JSON would be. Duplicate keys and bombs of aliases are errors of the library.
func decode(node *yaml.Node) (any, error) {
	var checked any
	if err := node.Decode(&checked); err != nil {
		return nil, err
	}

	text, err := yaml.Marshal(node)
	if err != nil {
		return nil, err
	}

	raw, err := kyaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}

	return fromJSON(raw)
}

// fromJSON reads an object. What is no object becomes a list, nothing becomes nil.
func fromJSON(raw []byte) (any, error) {
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return nil, nil //nolint:nilnil // an empty document is none
	}

	object := &unstructured.Unstructured{}
	if raw[0] != '{' {
		return []any{}, nil
	}

	// The decoder of unstructured objects keeps whole numbers whole, but insists on a kind.
	wrapped := append(append([]byte(`{"apiVersion":"v1","kind":"X","x":`), raw...), '}')
	if err := object.UnmarshalJSON(wrapped); err != nil {
		return nil, errors.New("a document cannot be read")
	}

	return object.Object["x"], nil
}

// apart returns the objects of a list, or the only one. A list has no name; what has one is an object of a kind that is
// called so.
func apart(name string, fields map[string]any, line int) ([]document, error) {
	kind, _ := fields["kind"].(string)
	items, isList := fields["items"].([]any)
	own, _, _ := unstructured.NestedString(fields, "metadata", "name")
	if !strings.HasSuffix(kind, "List") || !isList || own != "" {
		return []document{{fields, line}}, nil
	}

	var out []document
	for _, item := range items {
		object, is := item.(map[string]any)
		if !is {
			return nil, brokenAt(name, line, "an item of a list is not an object")
		}

		out = append(out, document{object, line})
	}

	return out, nil
}

// check tells what a document lacks to be an object of Kubernetes.
func (d document) check(name string) error {
	text := func(path ...string) string {
		s, _, _ := unstructured.NestedString(d.object, path...)
		return s
	}
	kind := text("kind")
	switch {
	case text("apiVersion") == "":
		return brokenAt(name, d.line, "a document has no apiVersion; it is not an object of Kubernetes")
	case kind == "":
		return brokenAt(name, d.line, "a document has no kind; it is not an object of Kubernetes")
	case text("metadata", "name") == "" && text("metadata", "generateName") != "":
		return brokenAt(name, d.line, "the %s has a generateName and no name; it would be created again and again", kind)
	case text("metadata", "name") == "":
		return brokenAt(name, d.line, "the %s has no name", kind)
	default:
		return nil
	}
}
