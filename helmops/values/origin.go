package values

import (
	"slices"
	"strconv"
	"strings"
)

// Origins knows which layer sets a value.
type Origins struct {
	// layers in the order in which they win, the strongest first.
	layers []parsedLayer
}

type parsedLayer struct {
	Layer
	values map[string]any
}

// NewOrigins reads the layers once, in the order of Merge. A layer that cannot be used sets nothing.
func NewOrigins(layers []Layer) Origins {
	var out Origins
	for _, single := range []bool{true, false} { // what has a TargetPath wins over every document
		for i := len(layers) - 1; i >= 0; i-- {
			layer := layers[i]
			if (layer.TargetPath != "") != single {
				continue
			}
			if parsed, err := Merge(layer); err == nil {
				out.layers = append(out.layers, parsedLayer{layer, parsed})
			}
		}
	}

	return out
}

// Of returns the layer that sets the value at a path; list items are numbers. It is false when no layer does, so
// that the value is one of the chart.
func (o Origins) Of(path []string) (Layer, bool) {
	for _, layer := range o.layers {
		if sets(layer.values, path, layer.TargetPath != "") {
			return layer.Layer, true
		}
	}
	return Layer{}, false
}

// Name names the layer that sets the value at a path, for messages. It is empty when no layer does.
func (o Origins) Name(path []string) string {
	layer, _ := o.Of(path)
	return strings.TrimSuffix(layer.Origin, ",")
}

// Origin names the layer that sets the value at a path; see Origins.
func Origin(layers []Layer, path []string) string { return NewOrigins(layers).Name(path) }

// sets reports whether there is a value at a path. The items of a list before the one that a single value sets are
// not set by it.
func sets(value any, path []string, single bool) bool {
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
			if single && value == nil {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// Peel returns the layers, then the same without the strongest one, and so on; the last ones are none. The order of
// the layers that remain is theirs.
func Peel(layers []Layer) [][]Layer {
	out := [][]Layer{layers}
	for _, single := range []bool{true, false} { // what has a TargetPath wins over every document
		for {
			rest := out[len(out)-1]
			i := strongest(rest, single)
			if i < 0 {
				break
			}

			out = append(out, slices.Delete(slices.Clone(rest), i, i+1))
		}
	}

	return out
}

// strongest is the index of the last layer with a TargetPath, or without one; -1 for none.
func strongest(layers []Layer, single bool) int {
	for i := len(layers) - 1; i >= 0; i-- {
		if (layers[i].TargetPath != "") == single {
			return i
		}
	}
	return -1
}
