package view

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"fairlead.dev/fairlead/helmops/values"
)

// Value is one value that a chart is given.
type Value struct {
	// Path in the syntax of Helm's --set.
	Path string `json:"path"`
	// Value is masked when it comes from a Secret.
	Value any `json:"value"`
	// From is the ConfigMap or Secret with its key, or spec.values.
	From string `json:"from"`
}

// Values are the values that a chart is given, without secrets.
type Values struct {
	// Merged is never nil.
	Merged map[string]any
	// Sources is sorted by path; it is never nil.
	Sources []Value
}

// NewValues masks the merged values of the layers and says where each comes from. mask hides secrets in other values.
func NewValues(merged map[string]any, layers []values.Layer, mask func(string) string) Values {
	v := valuesWalk{origins: values.NewOrigins(layers), mask: mask, rows: []Value{}}
	shown, _ := v.walk(merged, nil, "").(map[string]any)
	if shown == nil {
		shown = map[string]any{}
	}
	return Values{Merged: shown, Sources: v.rows}
}

type valuesWalk struct {
	origins values.Origins
	mask    func(string) string
	rows    []Value
}

// walk returns the value as it may be shown, and adds a row for each value that has none below it.
func (w *valuesWalk) walk(value any, path []string, text string) any {
	below := func(key, text string, value any) any { return w.walk(value, append(slices.Clone(path), key), text) }
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 0 {
			break
		}

		out := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out[key] = below(key, joined(text, key), v[key])
		}

		return out
	case []any:
		if len(v) == 0 {
			break
		}

		out := make([]any, 0, len(v))
		for i, item := range v {
			out = append(out, below(strconv.Itoa(i), fmt.Sprintf("%s[%d]", text, i), item))
		}

		return out
	}

	if len(path) == 0 {
		return value
	}

	layer, _ := w.origins.Of(path)
	if layer.Secret {
		value = Masked
	} else if plain, ok := value.(string); ok {
		value = w.mask(plain)
	}

	w.rows = append(w.rows, Value{Path: text, Value: value, From: w.origins.Name(path)})
	return value
}

// joined is the path of a key, in which dots and brackets of the key are escaped.
func joined(path, key string) string {
	key = strings.NewReplacer(`\`, `\\`, ".", `\.`, "[", `\[`, "]", `\]`, ",", `\,`, "=", `\=`).Replace(key)
	if path == "" {
		return key
	}
	return path + "." + key
}
