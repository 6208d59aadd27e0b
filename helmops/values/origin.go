package values

import (
	"strconv"
	"strings"
)

// Origin names the layer that sets the value at a path; list items are numbers. It is empty when no layer does, so that the value is
// one of the chart.
func Origin(layers []Layer, path []string) string {
	for _, single := range []bool{true, false} { // what has a TargetPath wins over every document
		for i := len(layers) - 1; i >= 0; i-- {
			layer := layers[i]
			if (layer.TargetPath != "") != single {
				continue
			}
			parsed, err := Merge(layer)
			if err == nil && sets(parsed, path) {
				return strings.TrimSuffix(layer.Origin, ",")
			}
		}
	}
	return ""
}

// sets reports whether there is a value at a path.
func sets(value any, path []string) bool {
	for _, key := range path {
		switch v := value.(type) {
		case map[string]any:
			below, is := v[key]
			if !is {
				return false
			}
			value = below
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(v) {
				return false
			}
			value = v[i]
		default:
			return false
		}
	}
	return true
}
