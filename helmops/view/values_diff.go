package view

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/sets"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/values"
)

// maxShownValue bounds a text among the values that is shown, in characters.
const maxShownValue = 200

// ValueDifference is one value given to the chart that differs.
type ValueDifference struct {
	// Path in the syntax of Helm's --set.
	Path string `json:"path"`
	// Change is changed, added or removed.
	Change string `json:"change"`
	// From and To are the values on either side, nil where there is none. A value that may come from a Secret is
	// masked.
	From any `json:"from,omitempty"`
	To   any `json:"to,omitempty"`
}

// GivenValues are the values that one side of a comparison gave to the chart, without those of the chart itself.
type GivenValues struct {
	values map[string]any
	secret func(path []string, value any) bool
}

// StoredValues are the values of a revision in storage, which does not say which of them came from Secrets. known are
// values that are no secret, or those on the other side of the comparison. A value that known does not set is masked,
// unless it is true, false or null. With takesSecrets, when the release takes any value from a Secret, a value that
// known sets in another way is masked, too.
func StoredValues(stored, known map[string]any, takesSecrets bool) GivenValues {
	given := GivenValues{values: plainValues(stored)}
	if takesSecrets {
		doubtful := values.Changed(given.values, plainValues(known))
		given.secret = func(path []string, _ any) bool { return isWithin(doubtful, path) }
		return given
	}

	given.secret = func(path []string, value any) bool { return canBeSecret(value) && !isSet(known, path) }
	return given
}

// WantedValues are the values that the chart is given now. The layers that they are merged from say which come from
// Secrets. What no layer sets was kept of a revision in storage: it is masked, unless it is true, false or null.
func WantedValues(wanted map[string]any, layers []values.Layer) GivenValues {
	origins := values.NewOrigins(layers)
	return GivenValues{values: plainValues(wanted), secret: func(path []string, value any) bool {
		layer, ok := origins.Of(path)
		return layer.Secret || !ok && canBeSecret(value)
	}}
}

// canBeSecret reports whether a value can hold a secret.
func canBeSecret(value any) bool {
	switch value.(type) {
	case nil, bool, map[string]any, []any: // maps and lists that are shown are empty
		return false
	}
	return true
}

// TakesSecretValues reports whether a release takes values from a Secret.
func TakesSecretValues(hr *v1beta1.HelmRelease) bool {
	return slices.ContainsFunc(hr.Spec.ValuesFrom, func(r v1beta1.ValuesReference) bool { return r.Kind == "Secret" })
}

// InlineValues are those of spec.values, which is no secret; nil where it has none.
func InlineValues(hr *v1beta1.HelmRelease) map[string]any {
	var inline map[string]any
	if hr.Spec.Values != nil {
		_ = json.Unmarshal(hr.Spec.Values.Raw, &inline) // what cannot be read is not known
	}
	return inline
}

// ValueDifferences are the values that differ, sorted by path; never nil. mask hides secrets in texts; nil hides none.
func ValueDifferences(from, to GivenValues, mask func(string) string) []ValueDifference {
	w := valuesDiffer{from: from, to: to, mask: mask, rows: []ValueDifference{}}
	w.compare(nil, "", optional{from.values, true}, optional{to.values, true})
	return w.rows
}

// optional is a value that may not be set.
type optional struct {
	value any
	set   bool
}

// below are the values of a map or a list by their key; nil for any other value.
func (o optional) below() map[string]any {
	switch v := o.value.(type) {
	case map[string]any:
		return v
	case []any:
		items := make(map[string]any, len(v))
		for i, item := range v {
			items[strconv.Itoa(i)] = item
		}

		return items
	}

	return nil
}

func at(below map[string]any, key string) optional {
	value, set := below[key]
	return optional{value, set}
}

// isList distinguishes lists from maps.
func (o optional) isList() bool {
	_, ok := o.value.([]any)
	return ok
}

type valuesDiffer struct {
	from, to GivenValues
	mask     func(string) string
	rows     []ValueDifference
}

// compare adds a row for each value that differs and has none below it.
func (w *valuesDiffer) compare(path []string, text string, from, to optional) {
	if from.set == to.set && reflect.DeepEqual(from.value, to.value) {
		return
	}

	belowFrom := from.below()
	belowTo := to.below()
	hasBelow := len(belowFrom) > 0 || len(belowTo) > 0
	alike := from.isList() == to.isList() && (belowFrom != nil) == (belowTo != nil)
	switch {
	case hasBelow && (alike || !from.set || !to.set):
		w.compareBelow(path, text, belowFrom, belowTo, from.isList() || to.isList())
	case hasBelow: // a map becomes a text, for example
		w.compare(path, text, from, optional{})
		w.compare(path, text, optional{}, to)
	default:
		w.add(path, text, from, to)
	}
}

func (w *valuesDiffer) compareBelow(path []string, text string, from, to map[string]any, list bool) {
	keys := sets.KeySet(from).Union(sets.KeySet(to)).UnsortedList()
	slices.SortFunc(keys, func(a, b string) int {
		if list && len(a) != len(b) {
			return len(a) - len(b) // as numbers
		}
		return strings.Compare(a, b)
	})

	for _, key := range keys {
		below := values.PathText(text, key)
		if list {
			below = fmt.Sprintf("%s[%s]", text, key)
		}

		w.compare(append(slices.Clone(path), key), below, at(from, key), at(to, key))
	}
}

func (w *valuesDiffer) add(path []string, text string, from, to optional) {
	row := ValueDifference{Path: text, Change: diff.Changed}
	if from.set {
		row.From = w.shown(w.from, path, from.value)
	} else {
		row.Change = diff.Added
	}

	if to.set {
		row.To = w.shown(w.to, path, to.value)
	} else {
		row.Change = diff.Removed
	}

	w.rows = append(w.rows, row)
}

// shown masks a value before it cuts it: half a secret would not be recognised.
func (w *valuesDiffer) shown(side GivenValues, path []string, value any) any {
	if side.secret(path, value) {
		return Masked
	}

	text, ok := value.(string)
	if !ok {
		return value
	}

	return cutText(text, w.mask)
}

// cutText masks a text, and cuts it.
func cutText(text string, mask func(string) string) string {
	if mask != nil {
		text = mask(text)
	}

	runes := []rune(text)
	for i, r := range runes {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			runes[i] = unicode.ReplacementChar
		}
	}

	if len(runes) > maxShownValue {
		return string(runes[:maxShownValue]) + "…"
	}

	return string(runes)
}

// plainValues returns values as a record gives them back, whose numbers are all floating point; never nil.
func plainValues(in map[string]any) map[string]any {
	out := make(map[string]any, len(in))
	for key, value := range in {
		out[key] = plainValue(value)
	}
	return out
}

func plainValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return plainValues(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = plainValue(item)
		}

		return out
	case int64:
		return float64(v)
	case int:
		return float64(v)
	default:
		return value
	}
}

// isWithin reports whether values have the value at a path, or a list above it.
func isWithin(in map[string]any, path []string) bool {
	for i, key := range path {
		value, ok := in[key]
		if !ok {
			return false
		}

		below, isMap := value.(map[string]any)
		if !isMap || i == len(path)-1 {
			return true
		}

		in = below
	}
	return false
}

// isSet reports whether values have the value at a path; list items are numbers.
func isSet(in any, path []string) bool {
	for _, key := range path {
		next := at(optional{value: in}.below(), key)
		if !next.set {
			return false
		}

		in = next.value
	}
	return true
}
