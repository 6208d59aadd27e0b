package postrender

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// document is one YAML document of a manifest. Its parts, one behind the other, are the bytes of the manifest.
type document struct {
	// head is the line of the separator, and comments and blank lines before the content.
	head    []byte
	content []byte
}

// split cuts a manifest at its separators.
func split(manifest []byte) []document {
	var documents []document
	current := document{}
	for len(manifest) > 0 {
		end := bytes.IndexByte(manifest, '\n') + 1
		if end == 0 {
			end = len(manifest)
		}

		text := manifest[:end]
		manifest = manifest[end:]
		rest, separator := bytes.CutPrefix(text, []byte("---"))
		separator = separator && (len(rest) == 0 || bytes.ContainsAny(rest[:1], " \t\r\n"))
		if separator {
			documents = append(documents, current)
			// What follows the separator in its line may be content already.
			current = document{head: text[:3:3]}
			text = rest
		}

		trimmed := bytes.TrimSpace(text)
		if len(current.content) == 0 && (len(trimmed) == 0 || trimmed[0] == '#') {
			current.head = append(current.head, text...)
		} else {
			current.content = append(current.content, text...)
		}
	}

	return append(documents, current)
}

// parsed is a document as a tree.
type parsed struct {
	root   *yaml.RNode
	before *yaml.Node
	// items is the list in a document of kind List, nil in others.
	items   *yaml.RNode
	objects []*resource.Resource
}

// errNoObject says that a document cannot be read. What the parser says may quote it.
var errNoObject = errors.New("cannot be read as one Kubernetes object")

// parse reads a document. It returns nil for one without content.
func parse(content []byte) (*parsed, error) {
	if len(bytes.TrimSpace(content)) == 0 {
		return nil, nil
	}

	root, err := yaml.Parse(string(content))
	if err != nil {
		return nil, errNoObject
	}
	if root.IsNilOrEmpty() {
		return nil, nil
	}
	if root, err = independent(root); err != nil || root.YNode().Kind != yaml.MappingNode {
		return nil, errNoObject
	}

	p := &parsed{root: root, before: yaml.CopyYNode(root.YNode())}
	if field := root.Field("items"); field != nil && strings.HasSuffix(root.GetKind(), "List") &&
		field.Value.YNode().Kind == yaml.SequenceNode {
		p.items = field.Value
		for _, item := range p.items.Content() {
			p.objects = append(p.objects, &resource.Resource{RNode: *yaml.NewRNode(item)})
		}

		return p, nil
	}

	p.objects = []*resource.Resource{{RNode: *root}}
	return p, nil
}

// independent replaces aliases by copies, so that a change in one place is none in another.
func independent(root *yaml.RNode) (*yaml.RNode, error) {
	if !hasAlias(root.YNode()) {
		return root, nil
	}

	// Decoding refuses aliases that expand to too much.
	var discard any
	if err := root.YNode().Decode(&discard); err != nil {
		return nil, err
	}
	if err := root.DeAnchor(); err != nil {
		return nil, err
	}

	return yaml.NewRNode(yaml.CopyYNode(root.YNode())), nil
}

func hasAlias(node *yaml.Node) bool {
	return node.Kind == yaml.AliasNode || slices.ContainsFunc(node.Content, hasAlias)
}

// same reports whether two trees hold the same data in the same order.
func same(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Value == b.Value && a.ShortTag() == b.ShortTag() &&
		slices.EqualFunc(a.Content, b.Content, same)
}

// write returns the document after its objects changed: nil when none of them is left, the bytes it was read from when
// nothing changed.
func (p *parsed) write(from document) ([]byte, error) {
	var left []*yaml.Node
	for _, o := range p.objects {
		if !removed(o) {
			left = append(left, o.YNode())
		}
	}

	if len(left) == 0 && len(p.objects) > 0 {
		return nil, nil
	}

	after := p.root.YNode()
	if p.items != nil {
		p.items.YNode().Content = left
	} else {
		after = left[0]
	}

	if same(p.before, after) {
		return append(bytes.Clone(from.head), from.content...), nil
	}

	text, err := yaml.NewRNode(after).String()
	if err != nil {
		return nil, errors.New("cannot be written as YAML")
	}

	head := bytes.TrimRight(bytes.Clone(from.head), " \t")
	if len(head) > 0 && head[len(head)-1] != '\n' {
		head = append(head, '\n')
	}

	return append(head, text...), nil
}
