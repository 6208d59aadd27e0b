package sops

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// indent is how far SOPS indents YAML.
const indent = 4

// readYAML reads the documents of a file, and the metadata, which is nil when there is none.
func readYAML(content []byte) ([]branch, *metadata, error) {
	var documents []branch
	var found *metadata
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return documents, found, nil
		}
		if err != nil {
			return nil, nil, errors.New("it is not YAML")
		}

		m, err := metadataOf(&node)
		if err != nil {
			return nil, nil, err
		}
		if found == nil {
			found = m
		}

		document, err := documentOf(&node)
		if err != nil {
			return nil, nil, err
		}

		documents = append(documents, document)
	}
}

// metadataOf returns the metadata of a document, nil when there is none.
func metadataOf(document *yaml.Node) (*metadata, error) {
	if len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode {
		return nil, nil //nolint:nilnil // an empty document has none
	}

	root := document.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != sopsKey {
			continue
		}

		var m metadata
		if err := root.Content[i+1].Decode(&m); err != nil {
			return nil, errors.New("its sops metadata cannot be read")
		}

		return &m, nil
	}

	return nil, nil //nolint:nilnil // see above
}

// documentOf returns what a document has beside the metadata.
func documentOf(document *yaml.Node) (branch, error) {
	out := commented(branch{}, false, document.HeadComment, document.LineComment)
	for _, root := range document.Content {
		switch {
		case root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null":
			out = commented(out, false, root.HeadComment, root.LineComment)
		case root.Kind == yaml.MappingNode:
			entries, err := mappingOf(root, false, 0)
			if err != nil {
				return nil, err
			}

			for _, e := range entries {
				if e.comment != nil || e.key != sopsKey {
					out = append(out, e)
				}
			}
		default:
			return nil, errors.New("a document is neither empty nor a mapping, which sops does not write")
		}
	}

	return commented(out, false, document.FootComment), nil
}

// commented adds comments, line by line, to entries.
func commented(to branch, inline bool, texts ...string) branch {
	for _, c := range comments(inline, texts...) {
		to = append(to, entry{comment: c})
	}
	return to
}

func comments(inline bool, texts ...string) []*comment {
	var out []*comment
	for _, text := range texts {
		for line := range strings.SplitSeq(text, "\n") {
			if line != "" {
				out = append(out, &comment{text: line[1:], inline: inline})
			}
		}
	}
	return out
}

// mappingOf reads a mapping. The comments of a plain value are kept with its key; taken says that those of n were.
func mappingOf(n *yaml.Node, taken bool, depth int) (branch, error) {
	if depth > maxDepth {
		return nil, errNested
	}

	out := branch{}
	seen := map[string]bool{}
	if !taken {
		out = commented(out, false, n.HeadComment, n.LineComment)
	}

	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		value := n.Content[i+1]
		isPlain := value.Kind == yaml.ScalarNode
		out = commented(out, false, key.HeadComment, key.LineComment)
		if isPlain {
			out = commented(out, false, value.HeadComment)
			out = commented(out, true, value.LineComment)
		}

		name, err := keyOf(key)
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, errors.New("it has a key twice")
		}

		seen[name] = true
		found, err := valueOf(value, isPlain, depth+1)
		if err != nil {
			return nil, err
		}

		out = append(out, entry{key: name, value: found})

		if isPlain {
			out = commented(out, false, value.FootComment)
		}

		out = commented(out, false, key.FootComment)
	}

	if !taken {
		out = commented(out, false, n.FootComment)
	}

	return out, nil
}

func keyOf(n *yaml.Node) (string, error) {
	var key any
	if n.Kind == yaml.ScalarNode && n.Decode(&key) == nil {
		if text, is := key.(string); is {
			return text, nil
		}
	}
	return "", errors.New("it has a key that is not a text, which sops does not write")
}

// valueOf reads a value. Like SOPS it takes a time for a time, also when it has no quotes in the file.
func valueOf(n *yaml.Node, taken bool, depth int) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		return mappingOf(n, taken, depth)
	case yaml.SequenceNode:
		return sequenceOf(n, taken, depth)
	case yaml.ScalarNode:
		var value any
		if err := n.Decode(&value); err != nil {
			return nil, errors.New("it has a value that cannot be read")
		}

		return value, nil
	case yaml.AliasNode:
		return nil, errors.New("it has an alias, which sops does not write")
	default: // documents are never within another node
		return nil, errors.New("it is not YAML")
	}
}

func sequenceOf(n *yaml.Node, taken bool, depth int) (list, error) {
	if depth > maxDepth {
		return nil, errNested
	}

	var out list
	add := func(inline bool, texts ...string) {
		for _, c := range comments(inline, texts...) {
			out = append(out, c)
		}
	}
	if !taken {
		add(false, n.HeadComment, n.LineComment)
	}

	for _, item := range n.Content {
		add(false, item.HeadComment)
		add(true, item.LineComment)
		value, err := valueOf(item, true, depth+1)
		if err != nil {
			return nil, err
		}

		out = append(out, value)
		add(false, item.FootComment)
	}

	if !taken {
		add(false, n.FootComment)
	}

	return out, nil
}

// writeYAML writes documents byte for byte as SOPS prints them, but for texts that SOPS loses.
func writeYAML(documents []branch) (text []byte, err error) {
	defer func() {
		if recover() != nil { // the library panics at comments that are not UTF-8
			text = nil
			err = errUnwritable
		}
	}()

	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(indent)
	for _, document := range documents {
		root := &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{nodeOf(document)}}
		if err := encoder.Encode(root); err != nil {
			return nil, errUnwritable
		}
	}

	if err := encoder.Close(); err != nil {
		return nil, errUnwritable
	}

	return out.Bytes(), nil
}

var errUnwritable = errors.New("what was decrypted cannot be written as YAML")

func nodeOf(value any) *yaml.Node {
	out := &yaml.Node{}
	switch value := value.(type) {
	case branch:
		out.Kind = yaml.MappingNode
		branchNode(value, out)
	case list:
		out.Kind = yaml.SequenceNode
		listNode(value, out)
	case string:
		if out.Encode(value) != nil { // SOPS would print null for a text that the library cannot read as it writes it
			return textNode(value)
		}
	default:
		_ = out.Encode(value) // cannot fail for numbers
	}

	return out
}

// pending are comments that stand before what follows them, or behind it.
type pending struct{ head, inline []string }

func (p *pending) add(c *comment) {
	if c.inline {
		p.inline = append(p.inline, c.text)
	} else {
		p.head = append(p.head, c.text)
	}
}

// above puts the comments over a node, on top of those that it has.
func (p *pending) above(n *yaml.Node) {
	n.HeadComment = joined(lines(p.head), n.HeadComment)
	p.head = nil
}

// behind puts the comments behind a node.
func (p *pending) behind(n *yaml.Node) {
	n.LineComment = joined(n.LineComment, lines(p.inline))
	p.inline = nil
}

// end puts what is left below the last node, or over the collection when it is empty.
func (p *pending) end(collection, last *yaml.Node) {
	rest := lines(append(p.head, p.inline...))
	if last == nil {
		collection.HeadComment = joined(rest, collection.HeadComment)
		return
	}
	last.FootComment = joined(last.FootComment, rest)
}

func lines(comments []string) string {
	if len(comments) == 0 {
		return ""
	}
	return "#" + strings.Join(comments, "\n#")
}

func joined(above, below string) string {
	if above == "" || below == "" {
		return above + below
	}
	return above + "\n" + below
}

func branchNode(b branch, to *yaml.Node) {
	var waiting pending
	var last *yaml.Node
	for _, e := range b {
		if e.comment != nil {
			waiting.add(e.comment)
			continue
		}

		if last == nil {
			waiting.above(to)
		}

		key := nodeOf(e.key)
		waiting.above(key)
		value := nodeOf(e.value)
		waiting.behind(value)
		to.Content = append(to.Content, key, value)
		last = key
	}

	waiting.end(to, last)
}

func listNode(l list, to *yaml.Node) {
	var waiting pending
	var last *yaml.Node
	for _, item := range l {
		if c, is := item.(*comment); is {
			waiting.add(c)
			continue
		}

		if last == nil {
			waiting.above(to)
		}

		last = nodeOf(item)
		waiting.above(last)
		waiting.behind(last)
		to.Content = append(to.Content, last)
	}

	waiting.end(to, last)
}
