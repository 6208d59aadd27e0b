package diff

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	// maxValue bounds a value that is shown, in characters.
	maxValue = 200
	// masked stands for what is secret.
	masked = "***"
)

// differ collects the fields in which two objects differ.
type differ struct {
	secret bool
	mask   func(string) string
	fields []Field
}

func (d *differ) sum(id identity) Change {
	slices.SortFunc(d.fields, func(a, b Field) int { return strings.Compare(a.Path, b.Path) })
	out := id.change(Changed)
	out.Fields = d.fields[:min(len(d.fields), maxFields)]
	out.More = len(d.fields) - len(out.Fields)
	return out
}

func (d *differ) maps(path string, a, b map[string]any) {
	for name, was := range a {
		at := path + key(name)
		if becomes, still := b[name]; still {
			d.values(at, was, becomes)
		} else {
			d.add(at, Removed, was, nil)
		}
	}
	for name, becomes := range b {
		if _, had := a[name]; !had {
			d.add(path+key(name), Added, nil, becomes)
		}
	}
}

func (d *differ) values(path string, a, b any) {
	if reflect.DeepEqual(a, b) {
		return
	}

	mapA, isA := a.(map[string]any)
	mapB, isB := b.(map[string]any)
	if isA && isB {
		d.maps(path, mapA, mapB)
		return
	}

	listA, isA := a.([]any)
	listB, isB := b.([]any)
	if isA && isB {
		d.lists(path, listA, listB)
		return
	}

	d.add(path, Changed, a, b)
}

// lists are compared by the names of their items where these have some, else item by item.
func (d *differ) lists(path string, a, b []any) {
	namedA, okA := byName(a)
	namedB, okB := byName(b)
	if okA && okB {
		before := len(d.fields)
		d.maps(path, namedA, namedB)
		if len(d.fields) == before {
			d.add(path, Changed, a, b) // only the order differs
		}

		return
	}

	for i := range max(len(a), len(b)) {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case i >= len(a):
			d.add(at, Added, nil, b[i])
		case i >= len(b):
			d.add(at, Removed, a[i], nil)
		default:
			d.values(at, a[i], b[i])
		}
	}
}

// itemKey begins the key of an item of a list among those of maps.
const itemKey = "\x00"

func byName(list []any) (map[string]any, bool) {
	out := make(map[string]any, len(list))
	for _, item := range list {
		content, _ := item.(map[string]any)
		name, named := content["name"].(string)
		if _, twice := out[itemKey+name]; !named || twice {
			return nil, false
		}

		out[itemKey+name] = content
	}

	return out, true
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// key is a step of a path.
func key(name string) string {
	if item, is := strings.CutPrefix(name, itemKey); is {
		return fmt.Sprintf("[name=%q]", item)
	}
	if plain.MatchString(name) {
		return "." + name
	}
	return fmt.Sprintf("[%q]", name)
}

func (d *differ) add(path, change string, was, becomes any) {
	field := Field{Path: path, Change: change}
	if change != Added {
		field.Was = d.show(was)
	}
	if change != Removed {
		field.Becomes = d.show(becomes)
	}
	d.fields = append(d.fields, field)
}

// Text is a value in one text: a text as it is, anything else as JSON, and what has no JSON is empty.
func Text(value any) string {
	if text, is := value.(string); is {
		return text
	}

	encoded, err := json.Marshal(value)
	if err != nil {
		return ""
	}

	return string(encoded)
}

// show masks before it cuts: half a secret would not be recognised.
func (d *differ) show(value any) string {
	if d.secret {
		return masked
	}

	text := Text(value)
	if d.mask != nil {
		text = d.mask(text)
	}

	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' || r == '\t' {
			return r
		}
		return unicode.ReplacementChar
	}, text))
	if len(runes) > maxValue {
		return string(runes[:maxValue]) + "…"
	}

	return string(runes)
}
