package drift

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// maxValue bounds a value that is shown, in bytes.
const maxValue = 256

// masked is shown in place of a value of a Secret.
const masked = "***"

// lookup finds the value of a path.
func lookup(node any, path fieldpath.Path) (any, bool) {
	for _, element := range path {
		found, _, ok := child(node, element)
		if !ok {
			return nil, false
		}
		node = found
	}
	return node, true
}

// child finds the value of one step of a path, and the step as a JSON pointer has it.
func child(node any, element fieldpath.PathElement) (found any, step string, ok bool) {
	switch node := node.(type) {
	case map[string]any:
		if element.FieldName == nil {
			return nil, "", false
		}

		found, ok = node[*element.FieldName]
		return found, *element.FieldName, ok
	case []any:
		if i := indexOf(node, element); i >= 0 {
			return node[i], strconv.Itoa(i), true
		}
	}
	return nil, "", false
}

// indexOf finds the item of a list that an element names; -1 when there is none. Parts of a key that an item leaves to
// defaults are taken to fit, unless another item fits better.
func indexOf(list []any, element fieldpath.PathElement) int {
	switch {
	case element.Index != nil:
		if i := *element.Index; i >= 0 && i < len(list) {
			return i
		}
	case element.Value != nil:
		for i, item := range list {
			if value.Equals(value.NewValueInterface(item), *element.Value) {
				return i
			}
		}
	case element.Key != nil:
		best := -1
		for i, item := range list {
			switch complete, fits := hasKey(item, *element.Key); {
			case complete:
				return i
			case fits && best < 0:
				best = i
			}
		}

		return best
	}
	return -1
}

// hasKey reports whether an item has a key as far as it says, and whether it says all of it.
func hasKey(item any, key value.FieldList) (complete, fits bool) {
	fields, ok := item.(map[string]any)
	if !ok {
		return false, false
	}

	complete = true
	for _, part := range key {
		has, ok := fields[part.Name]
		switch {
		case !ok:
			complete = false
		case !value.Equals(value.NewValueInterface(has), part.Value):
			return false, false
		default:
			fits = true
		}
	}

	return complete, fits
}

func equal(a, b any) bool {
	return value.Equals(value.NewValueInterface(a), value.NewValueInterface(b))
}

// printer makes values and paths fit to be shown.
type printer struct {
	secret bool
	mask   func(string) string
}

func printerFor(object *unstructured.Unstructured, mask func(string) string) printer {
	kind := object.GroupVersionKind()
	return printer{secret: kind.Group == "" && kind.Kind == "Secret", mask: mask}
}

// value is masked before it is cut: half a secret would not be recognised.
func (p printer) value(of any) string {
	if p.secret {
		return masked
	}

	text, ok := of.(string)
	if !ok {
		encoded, err := json.Marshal(of)
		if err != nil {
			return ""
		}

		text = string(encoded)
	}

	return cut(printable(p.masked(text)), maxValue)
}

func (p printer) path(of fieldpath.Path) string {
	return cut(printable(p.masked(of.String())), maxPath)
}

func (p printer) masked(text string) string {
	if p.mask == nil {
		return text
	}
	return p.mask(text)
}

// printable replaces what a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' || r == '\t' {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
