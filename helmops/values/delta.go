package values

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Delta is one value that differs between two sets of values. A list is one value, as Helm replaces lists as a whole.
type Delta struct {
	// Path of keys.
	Path []string
	// From and To are the values on either side; HasFrom and HasTo are unset where there is none.
	From, To       any
	HasFrom, HasTo bool
}

// Text is the path in the syntax of Helm's --set.
func (d Delta) Text() string {
	text := ""
	for _, key := range d.Path {
		text = PathText(text, key)
	}
	return text
}

// Deltas returns the values that differ between two sets, sorted by path. Values before and after they were stored in
// a Helm record are equal.
func Deltas(from, to map[string]any) []Delta {
	var out []Delta
	compare(nil, from, to, &out)
	slices.SortFunc(out, func(a, b Delta) int { return slices.Compare(a.Path, b.Path) })
	return out
}

func compare(path []string, from, to map[string]any, out *[]Delta) {
	for key, was := range from {
		is, still := to[key]
		compareAt(below(path, key), Delta{From: was, HasFrom: true, To: is, HasTo: still}, out)
	}
	for key, is := range to {
		if _, had := from[key]; !had {
			compareAt(below(path, key), Delta{To: is, HasTo: true}, out)
		}
	}
}

// compareAt adds what differs at a path. What a map has is compared value by value, also where the other side has none.
func compareAt(path []string, d Delta, out *[]Delta) {
	from, isFrom := d.From.(map[string]any)
	to, isTo := d.To.(map[string]any)
	comparable := (isFrom || !d.HasFrom) && (isTo || !d.HasTo)
	switch {
	case comparable && len(from)+len(to) > 0:
		compare(path, from, to, out)
	case d.HasFrom == d.HasTo && reflect.DeepEqual(stored(d.From), stored(d.To)):
	default:
		d.Path = path
		*out = append(*out, d)
	}
}

func below(path []string, key string) []string { return append(slices.Clone(path), key) }

// Restore returns values with which a chart gets what the deltas have on their first side, and everything else as with
// the given values. Where that side has none, the value is left out, or null where the defaults of the chart have one:
// Helm drops these then. The given values are not changed.
func Restore(given, defaults map[string]any, deltas []Delta) map[string]any {
	out := maps.Clone(given)
	if out == nil {
		out = map[string]any{}
	}

	copied := map[string]bool{}
	for _, d := range deltas {
		_, isDefault := At(defaults, d.Path)
		at := parentOf(out, d.Path, copied)
		last := d.Path[len(d.Path)-1]
		switch {
		case d.HasFrom:
			at[last] = d.From
		case isDefault:
			at[last] = nil
		default:
			delete(at, last)
		}
	}

	return out
}

// parentOf returns the map that has the last key of a path. The maps on the way are copied once.
func parentOf(root map[string]any, path []string, copied map[string]bool) map[string]any {
	at := root
	for i, key := range path[:len(path)-1] {
		next, _ := at[key].(map[string]any)
		way := strings.Join(path[:i+1], "\x00")
		if !copied[way] {
			copied[way] = true
			if next = maps.Clone(next); next == nil {
				next = map[string]any{}
			}

			at[key] = next
		}

		at = next
	}

	return at
}

// Exactly returns values with which a chart with these defaults gets the wanted values and nothing else: defaults that
// are not wanted are null.
func Exactly(wanted, defaults map[string]any) map[string]any {
	out := maps.Clone(wanted)
	if out == nil {
		out = map[string]any{}
	}

	for key, value := range defaults {
		is, has := wanted[key]
		below, isMap := value.(map[string]any)
		above, alsoMap := is.(map[string]any)
		switch {
		case !has:
			out[key] = nil
		case isMap && alsoMap:
			out[key] = Exactly(above, below)
		}
	}

	return out
}
