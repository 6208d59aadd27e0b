package view

import (
	"maps"
	"slices"
	"strconv"

	"fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/values"
)

// Value is one value that a chart gets.
type Value struct {
	// Path in the syntax of Helm's --set.
	Path string `json:"path"`
	// Value is masked when it comes from a Secret. It is null where a release drops a default of the chart.
	Value any `json:"value"`
	// From is the ConfigMap or Secret with its key and targetPath, spec.values, or the chart.
	From string `json:"from"`
	// Overrides are the values that do not count because of this one, the strongest first; it is never nil.
	Overrides []Overridden `json:"overrides"`
	// SinceRevision is the first revision of an unbroken row up to the deployed one in which the chart got this value.
	// It is 0 when the value is not deployed, or the records do not say.
	SinceRevision int `json:"sinceRevision,omitempty"`
	// Unknown is set when the chart does not use the value; see chart.Unknown.
	Unknown bool `json:"unknown,omitempty"`

	// Next is set when the value is wanted and not deployed.
	Next bool `json:"-"`
	path []string
}

// Overridden is a value that another one overrides.
type Overridden struct {
	From string `json:"from"`
	// Value is masked like that of Value.
	Value any `json:"value"`
}

// UnknownValue is a key that a release sets and that its chart does not know.
type UnknownValue struct {
	Path string
	// From names the layer that sets it.
	From string
	// Near are known keys that may be meant, the nearest first, as paths.
	Near []string
}

// Values are the values that a chart gets, without secrets.
type Values struct {
	// Tree is all of them, or what is at the wanted key. It is never nil, but for a key whose value is null.
	Tree any
	// Items is sorted by path; it is never nil.
	Items []Value
	// Unknown is sorted by path.
	Unknown []UnknownValue
	// Missing is set when there is nothing at the wanted key. Near are then paths that there are, the nearest first.
	Missing bool
	Near    []string
}

// ValuesRevision is what the chart got in a revision.
type ValuesRevision struct {
	Revision int
	Values   map[string]any
}

// ValuesInput is what Values are made of.
type ValuesInput struct {
	Composition *chart.Composition
	// Merged are the values of the release alone.
	Merged map[string]any
	// Mask hides secrets in values that do not come from a Secret.
	Mask func(string) string
	// All wants the chart's own values too, Changed only what the release sets to something else than the chart.
	All, Changed bool
	// Key limits the values to what is at and below a path; nil for no limit.
	Key []string
	// Unknown are the keys that the chart does not know.
	Unknown []chart.UnknownKey
	// Revisions are the deployed revision and those before it, the newest first; nil when they could not be read.
	Revisions []ValuesRevision
}

// maxNear bounds the paths that a message offers.
const maxNear = 3

// NewValues masks the values and says where each comes from.
func NewValues(in ValuesInput) Values {
	tree := in.Merged
	if in.All {
		tree = withNulls(in.Composition.Values(), in.Merged)
	}

	w := valuesWalk{ValuesInput: in, since: newValuesHistory(in.Revisions), rows: []Value{}}
	shown, has := w.walk(tree, nil, "", !in.Changed)
	if !has {
		shown = map[string]any{}
	}

	out := Values{Tree: shown, Items: w.rows, Unknown: unknownValues(in)}
	if in.Key == nil {
		return out
	}

	below, found := values.At(shown, in.Key)
	out.Tree = below
	out.Items = slices.DeleteFunc(out.Items, func(v Value) bool { return !isBelow(v.path, in.Key) })
	if !found {
		out.Missing = true
		out.Near = Similar(pathText(in.Key), w.paths, maxNear)
	}

	return out
}

// withNulls adds the nulls of a release with which Helm drops defaults of the chart.
func withNulls(all, merged map[string]any) map[string]any {
	out := maps.Clone(all)
	if out == nil {
		out = map[string]any{}
	}

	for key, value := range merged {
		below, isMap := value.(map[string]any)
		here, alsoMap := out[key].(map[string]any)
		_, has := out[key]
		switch {
		case isMap && (alsoMap || !has):
			if withThem := withNulls(here, below); has || len(withThem) > 0 {
				out[key] = withThem
			}
		case value == nil && !has:
			out[key] = nil
		}
	}

	return out
}

type valuesWalk struct {
	ValuesInput
	since valuesHistory
	rows  []Value
	// paths are those of all maps, lists and values.
	paths []string
}

// walk returns the value as it may be shown, and adds a row for each value that has none below it. wanted is set when
// all that is below is; else only what the release changes is. It returns false when nothing is wanted.
func (w *valuesWalk) walk(value any, path []string, text string, wanted bool) (any, bool) {
	if text != "" {
		w.paths = append(w.paths, text)
	}

	all, isMap := value.(map[string]any)
	if !isMap && !wanted {
		own, has := w.Composition.Own(path)
		wanted = !has && value != nil || has && !sameValue(own, value)
	}

	list, _ := value.([]any)
	switch {
	case len(all) > 0:
		return w.walkMap(all, path, text, wanted)
	case len(list) > 0 && wanted:
		out := make([]any, 0, len(list))
		for i, item := range list {
			shown, _ := w.walk(item, append(slices.Clone(path), strconv.Itoa(i)), values.ItemText(text, i), true)
			out = append(out, shown)
		}

		return out, true
	case len(path) == 0 || !wanted:
		return value, false
	}

	return w.leaf(value, path, text), true
}

func (w *valuesWalk) walkMap(all map[string]any, path []string, text string, wanted bool) (any, bool) {
	out := make(map[string]any, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		shown, has := w.walk(all[key], append(slices.Clone(path), key), values.PathText(text, key), wanted)
		if has {
			out[key] = shown
		}
	}

	if len(out) == 0 {
		return map[string]any{}, false
	}

	return out, true
}

// leaf adds the row of a value and returns the value as it may be shown.
func (w *valuesWalk) leaf(value any, path []string, text string) any {
	sources := w.Composition.Of(path)
	if empty, is := value.(map[string]any); is && len(empty) == 0 {
		// A map without keys changes nothing of what the chart has in its place.
		sources = sources[:min(1, len(sources))]
	}

	row := Value{Path: text, Value: w.shown(value, false), Overrides: []Overridden{}, path: path}
	if len(sources) > 0 {
		row.From = sources[0].From
		row.Value = w.shown(value, sources[0].Secret)
		for _, s := range sources[1:] {
			row.Overrides = append(row.Overrides, Overridden{From: s.From, Value: w.shown(s.Value, s.Secret)})
		}
	}

	_, isOwn := values.At(w.Merged, path)
	if row.From == "" || !isOwn && w.Composition.IsCopy(path) {
		return row.Value // an empty map that Helm adds for a subchart, or what the chart above has
	}

	row.SinceRevision, row.Next = w.since.of(w.Composition.Values(), path, len(sources) > 0 && sources[0].Subchart)
	row.Unknown = slices.ContainsFunc(w.Unknown, func(u chart.UnknownKey) bool { return isBelow(path, u.Path) })
	w.rows = append(w.rows, row)
	return row.Value
}

// shown is a value without secrets.
func (w *valuesWalk) shown(value any, secret bool) any {
	if secret {
		return Masked
	}

	switch v := value.(type) {
	case string:
		return w.Mask(v)
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, below := range v {
			out[key] = w.shown(below, false)
		}

		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			out = append(out, w.shown(item, false))
		}

		return out
	}

	return value
}

// isBelow reports whether a path is another one or leads below it.
func isBelow(path, top []string) bool {
	return len(path) >= len(top) && slices.Equal(path[:len(top)], top)
}

// pathText is a path without list items in the syntax of Helm's --set.
func pathText(path []string) (text string) {
	for _, key := range path {
		text = values.PathText(text, key)
	}
	return text
}

// unknownValues are the unknown keys with what may be meant.
func unknownValues(in ValuesInput) []UnknownValue {
	out := make([]UnknownValue, 0, len(in.Unknown))
	for _, u := range in.Unknown {
		found := UnknownValue{Path: pathText(u.Path)}
		if sources := in.Composition.Of(u.Path); len(sources) > 0 {
			found.From = sources[0].From
		}

		above := pathText(u.Path[:len(u.Path)-1])
		for _, near := range Similar(u.Path[len(u.Path)-1], u.Siblings, maxNear) {
			found.Near = append(found.Near, values.PathText(above, near))
		}

		out = append(out, found)
	}

	return out
}
