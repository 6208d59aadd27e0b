package build

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Quotes in the values of a HelmRelease say that a variable is a text there, whatever its value looks like. The way
// through kustomize loses them, so a variable in quotes is marked in the files that are read, by a second variable
// that is always empty: one of two variables is a text. The mark is gone with the substitution; where none is made it
// is removed.

// quotedMark is the variable that is always empty: no characters of whatever value it has.
const quotedMark = "${_fairlead_quoted_:0:0}"

// releaseKind is the kind whose values are those of a chart, which have no schema that would tell texts from numbers.
const releaseKind = "HelmRelease"

// markQuoted marks the variables in quotes below spec.values in the objects, strategic merge patches and JSON patches
// of a file. What is not YAML stays as it is; the build says so.
func markQuoted(content []byte) []byte {
	if !bytes.Contains(content, []byte("${")) || !bytes.Contains(content, []byte("values")) {
		return content
	}

	var found []*yaml.Node
	keys := map[*yaml.Node]bool{}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return content
		}

		namedInKeys(&document, false, keys)
		for _, root := range document.Content {
			found = append(found, valuesIn(root)...)
		}
	}

	var ends []int
	starts := lineStarts(content)
	for _, values := range found {
		for _, n := range quotedVariables(values) {
			if end := endOf(content, starts, n); end >= 0 && !keys[n] {
				ends = append(ends, end)
			}
		}
	}

	slices.Sort(ends)

	out := make([]byte, 0, len(content)+len(ends)*len(quotedMark))
	last := 0
	for _, end := range slices.Compact(ends) {
		out = append(append(out, content[last:end]...), quotedMark...)
		last = end
	}

	return append(out, content[last:]...)
}

// namedInKeys adds the values to keys that an alias repeats as a key, or as a part of one: a mark would change the key,
// too. inKey is set for a node of a key.
func namedInKeys(n *yaml.Node, inKey bool, keys map[*yaml.Node]bool) {
	if n.Kind == yaml.AliasNode && inKey {
		keys[n.Alias] = true
	}
	for i, below := range n.Content {
		namedInKeys(below, inKey || n.Kind == yaml.MappingNode && i%2 == 0, keys)
	}
}

// valuesIn returns the values of releases in an object, a list of objects or a patch.
func valuesIn(root *yaml.Node) []*yaml.Node {
	var out []*yaml.Node
	switch root.Kind {
	case yaml.SequenceNode:
		for _, operation := range root.Content {
			path := child(operation, "path")
			value := child(operation, "value")
			if path == nil || value == nil {
				continue
			}
			if path.Value == "/spec/values" || strings.HasPrefix(path.Value, "/spec/values/") {
				out = append(out, value)
			}
		}
	case yaml.MappingNode:
		if values := child(child(root, "spec"), "values"); values != nil {
			out = append(out, values)
		}
		if items := child(root, "items"); items != nil && items.Kind == yaml.SequenceNode {
			for _, item := range items.Content {
				if values := child(child(item, "spec"), "values"); values != nil {
					out = append(out, values)
				}
			}
		}
	case yaml.DocumentNode, yaml.ScalarNode, yaml.AliasNode: // are no objects
	}

	return out
}

// child returns the value of a key, nil when there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// quotedVariables returns the texts in a value that are one variable, and of which the file says that they are texts.
// Aliases are not followed: what they name is looked at where it is.
func quotedVariables(n *yaml.Node) []*yaml.Node {
	const quotes, block = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle, yaml.LiteralStyle | yaml.FoldedStyle
	switch n.Kind {
	case yaml.MappingNode:
		var out []*yaml.Node
		for i := 1; i < len(n.Content); i += 2 {
			out = append(out, quotedVariables(n.Content[i])...)
		}

		return out
	case yaml.SequenceNode:
		var out []*yaml.Node
		for _, item := range n.Content {
			out = append(out, quotedVariables(item)...)
		}

		return out
	case yaml.ScalarNode:
		if n.Style&(quotes|block|yaml.TaggedStyle) != 0 && n.ShortTag() == "!!str" && isVariable(n.Value) {
			return []*yaml.Node{n}
		}
	case yaml.DocumentNode, yaml.AliasNode: // see above
	}

	return nil
}

// endOf is where the text of a scalar ends in a file: before the closing quote. It is negative when that is not
// known.
func endOf(content []byte, starts []int, n *yaml.Node) int {
	at := len(content)
	if n.Line <= len(starts) {
		at = starts[n.Line-1]
	}

	for column := n.Column; column > 1 && at < len(content); column-- { // columns are characters
		_, size := utf8.DecodeRune(content[at:])
		at += size
	}

	for at < len(content) && (content[at] == '&' || content[at] == '!') { // an anchor, a tag
		at += len(content[at:]) - len(bytes.TrimLeftFunc(content[at:], notSpace))
		at += len(content[at:]) - len(bytes.TrimLeft(content[at:], " \t\r\n"))
	}

	if at >= len(content) {
		return -1
	}

	switch rest := content[at:]; rest[0] {
	case '"', '\'':
		return closing(content, at)
	case '|', '>':
		_, below, _ := bytes.Cut(rest, []byte("\n"))
		text := bytes.TrimSpace(below)
		if !bytes.HasPrefix(text, []byte(n.Value)) {
			return -1
		}

		return len(content) - len(below) + bytes.Index(below, text) + len(n.Value)
	default:
		if !bytes.HasPrefix(rest, []byte(n.Value)) {
			return -1
		}
		return at + len(n.Value)
	}
}

func notSpace(r rune) bool { return !strings.ContainsRune(" \t\r\n", r) }

// closing is where the quote is that closes the one at a position, negative when there is none.
func closing(content []byte, at int) int {
	quote := content[at]
	for at++; at < len(content); at++ {
		isQuote := content[at] == quote
		switch {
		case quote == '"' && content[at] == '\\':
			at++
		case isQuote && quote == '\'' && at+1 < len(content) && content[at+1] == quote:
			at++ // two of them are one in the text
		case isQuote:
			return at
		}
	}

	return -1
}

// lineStarts is where the lines of a file begin, as the parser counts them.
func lineStarts(content []byte) []int {
	first := len(content) - len(bytes.TrimPrefix(content, []byte("\ufeff")))
	starts := []int{first}
	for at := first; at < len(content); at++ {
		switch rest := content[at:]; {
		case bytes.HasPrefix(rest, []byte("\r\n")):
			at++
		case rest[0] == '\n', rest[0] == '\r':
		case bytes.HasPrefix(rest, []byte("\u0085")):
			at++
		case bytes.HasPrefix(rest, []byte("\u2028")), bytes.HasPrefix(rest, []byte("\u2029")):
			at += 2
		default:
			continue
		}
		starts = append(starts, at+1)
	}

	return starts
}

// unmarked removes the marks from an object.
func unmarked(o Object) Object {
	fields, _ := withoutMarks(o.Object).(map[string]any)
	return Object{&unstructured.Unstructured{Object: fields}, o.Origin}
}

func withoutMarks(value any) any {
	switch value := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(value))
		for key, field := range value {
			out[key] = withoutMarks(field)
		}

		return out
	case []any:
		out := make([]any, 0, len(value))
		for _, item := range value {
			out = append(out, withoutMarks(item))
		}

		return out
	case string:
		return strings.ReplaceAll(value, quotedMark, "")
	default:
		return value
	}
}
