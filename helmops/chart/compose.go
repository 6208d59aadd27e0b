package chart

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"

	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/values"
)

// Composition is what a chart gets: the values of a release over those of the chart and of its subcharts. It knows
// where each value comes from.
//
// Helm itself coalesces: it gets a mark in place of each value, and where the mark is afterwards, the value is. That
// is repeated without the strongest layer, and again until none is left. What a layer hides shows up when it is gone.
type Composition struct {
	charts *charts
	// leaves are the values behind the marks.
	leaves []leaf
	stages []stage
	values map[string]any
}

// Source is one layer that sets a value.
type Source struct {
	// From names the layer: "spec.values", "Secret web/db, key values.yaml", "chart shop 1.9.1".
	From string
	// Value that it sets. It is a secret where Secret is set.
	Value any
	// Secret is set when the value, or something in it, comes from a Secret.
	Secret bool
	// Release is set for a layer of the release, and unset for what a chart has itself.
	Release bool
	// Subchart is set for a default of a subchart.
	Subchart bool
}

// same reports whether two sources are one layer.
func (s Source) same(other Source) bool {
	return s.From == other.From && reflect.DeepEqual(s.Value, other.Value)
}

// mark stands for a value while Helm coalesces. It is an index into the leaves.
type mark int

// leaf is a value that Helm takes as a whole: no map, and not null.
type leaf struct {
	value any
	// path of a value of the release; nil for one of a chart.
	path []string
	// from names the chart, subchart is set for a subchart.
	from     string
	subchart bool
}

// stage is what is left when some layers are gone.
type stage struct {
	marked  map[string]any
	origins values.Origins
}

// Compose coalesces the layers of a release over the values of a chart, as an install or an upgrade does. The chart is
// not changed; it is one from Load, or nil when only the layers of the release are known. The text own, when it is not
// empty, names what the chart's own values come from in place of the chart.
func Compose(c *chart.Chart, own string, layers []values.Layer) (*Composition, error) {
	out := &Composition{}
	err := guard.Do("composing values", func() error { return out.compose(c, own, layers) })
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (c *Composition) compose(from *chart.Chart, own string, layers []values.Layer) error {
	merged, err := values.Merge(layers...)
	if err != nil {
		return err
	}
	if c.charts, err = c.enabled(from, own, merged); err != nil {
		return err
	}

	peeled := values.Peel(layers)
	for _, left := range peeled {
		if err := c.stage(left, 0); err != nil {
			return err
		}
	}
	for depth := range c.charts.depth {
		if err := c.stage(nil, depth+1); err != nil {
			return err
		}
	}

	c.values, _ = c.plain(c.stages[0].marked).(map[string]any)
	return nil
}

// stage adds what the layers make over the charts of the given depth and below: 0 is all of them, 1 the subcharts.
func (c *Composition) stage(layers []values.Layer, depth int) error {
	merged, err := values.Merge(layers...)
	if err != nil {
		return err
	}

	marked, _ := c.marked(merged, func(path []string, value any) leaf {
		return leaf{value: value, path: path}
	}, nil).(map[string]any)
	if c.charts.root != nil {
		if marked, err = c.charts.coalesce(marked, depth); err != nil {
			return err
		}
	}

	c.stages = append(c.stages, stage{marked, values.NewOrigins(layers)})
	return nil
}

// marked returns the value with a mark in place of each leaf.
func (c *Composition) marked(value any, newLeaf func(path []string, value any) leaf, path []string) any {
	switch v := value.(type) {
	case nil:
		return nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, below := range v {
			out[key] = c.marked(below, newLeaf, append(slices.Clone(path), key))
		}

		return out
	}

	c.leaves = append(c.leaves, newLeaf(path, value))
	return mark(len(c.leaves) - 1)
}

// plain returns the value with what the marks stand for.
func (c *Composition) plain(value any) any {
	switch v := value.(type) {
	case mark:
		return c.leaves[v].value
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, below := range v {
			out[key] = c.plain(below)
		}

		return out
	}
	return value
}

// Values is all that the chart gets, those of its subcharts included. It is for reading.
func (c *Composition) Values() map[string]any { return c.values }

// Own returns the value that the chart alone has at a path; it is false when it has none.
func (c *Composition) Own(path []string) (any, bool) {
	alone := len(c.stages) - 1 - c.charts.depth
	source, found := c.at(c.stages[alone], path)
	return source.Value, found
}

// Of returns the layers that set a value at a path, the one that counts first. It is empty when the chart gets nothing
// there.
func (c *Composition) Of(path []string) []Source {
	var out []Source
	for i, s := range c.stages {
		source, found := c.at(s, path)
		if i == 0 && !found {
			source, found = c.dropped(s, path)
		}
		if found && (len(out) == 0 || !out[len(out)-1].same(source)) {
			out = append(out, source)
		}
	}

	return out
}

// IsCopy reports whether the value at a path is a global value that a subchart has from the chart above it.
func (c *Composition) IsCopy(path []string) bool {
	of := c.charts.root
	for i := 0; of != nil && i+1 < len(path); i++ {
		if of, _ = below(of, path[i:]); of == nil || path[i+1] != globalKey {
			continue
		}

		above := slices.Concat(path[:i], path[i+1:])
		here, found := c.at(c.stages[0], path)
		there, also := c.at(c.stages[0], above)
		return found && also && here.same(there)
	}

	return false
}

// dropped is a null of the release, with which Helm drops the chart's default.
func (c *Composition) dropped(s stage, path []string) (Source, bool) {
	layer, found := s.origins.Of(path)
	if !found {
		return Source{}, false
	}
	return Source{From: nameOf(layer), Secret: layer.Secret, Release: true}, true
}

// at finds the value at a path of a stage.
func (c *Composition) at(s stage, path []string) (Source, bool) {
	var value any = s.marked
	for i, key := range path {
		if m, is := value.(mark); is {
			return c.within(s, c.leaves[m], path[i:])
		}

		all, _ := value.(map[string]any)
		below, found := all[key]
		if !found {
			return Source{}, false
		}

		value = below
	}

	if m, is := value.(mark); is {
		return c.within(s, c.leaves[m], nil)
	}

	return c.outside(s, value, path), true
}

// within is what a leaf has at a path below it.
func (c *Composition) within(s stage, l leaf, below []string) (Source, bool) {
	value, found := values.At(l.value, below)
	if !found {
		return Source{}, false
	}
	if l.path == nil {
		return Source{From: l.from, Value: value, Subchart: l.subchart}, true
	}

	path := append(slices.Clone(l.path), below...)
	layer, _ := s.origins.Of(path)
	return Source{From: nameOf(layer), Value: value, Secret: isSecret(s.origins, path, value), Release: true}, true
}

// outside is a value that is no leaf: a map, or a null that Helm keeps. It is named after the first leaf in a map.
func (c *Composition) outside(s stage, value any, path []string) Source {
	out := Source{Value: c.plain(value)}
	all, _ := value.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		below, found := c.at(s, append(slices.Clone(path), key))
		if !found {
			continue
		}

		out.Secret = out.Secret || below.Secret
		if out.From == "" {
			out.From = below.From
			out.Release = below.Release
			out.Subchart = below.Subchart
		}
	}

	if out.From != "" {
		return out
	}
	if layer, found := s.origins.Of(path); found {
		out.From = nameOf(layer)
		out.Secret = layer.Secret
		out.Release = true
		return out
	}

	out.From, out.Subchart = c.charts.setting(path)
	return out
}

// isSecret reports whether a value of the release, or something in it, comes from a Secret.
func isSecret(origins values.Origins, path []string, value any) bool {
	if layer, found := origins.Of(path); found && layer.Secret {
		return true
	}

	switch v := value.(type) {
	case map[string]any:
		for key, below := range v {
			if isSecret(origins, append(slices.Clone(path), key), below) {
				return true
			}
		}
	case []any:
		for i, item := range v {
			if isSecret(origins, append(slices.Clone(path), strconv.Itoa(i)), item) {
				return true
			}
		}
	}

	return false
}

// nameOf names a layer of a release.
func nameOf(layer values.Layer) string {
	name := strings.TrimSuffix(layer.Origin, ",")
	if layer.TargetPath != "" {
		name += ", targetPath " + layer.TargetPath
	}
	return name
}

// enabled finds the charts that get values: the chart, and the subcharts that no condition and no tag disables.
func (c *Composition) enabled(from *chart.Chart, own string, merged map[string]any) (*charts, error) {
	out := &charts{}
	if from == nil {
		return out, nil
	}

	root, err := Copy(from)
	if err != nil {
		return nil, err
	}

	out.number(root, nil)
	if err := chartutil.ProcessDependenciesWithMerge(root, merged); err != nil {
		return nil, fmt.Errorf("finding the subcharts of %s that are enabled: %w", from.Name(), err)
	}

	out.root = root
	for i := range out.entries {
		entry := &out.entries[i]
		c.name(entry, own)
	}

	out.depth = depthOf(root)
	return out, nil
}

// name marks the values of a chart.
func (c *Composition) name(entry *chartEntry, own string) {
	entry.from = fmt.Sprintf("chart %s %s", entry.name, entry.version)
	switch {
	case entry.parent != "":
		entry.from += ", subchart of " + entry.parent
	case own != "":
		entry.from = own
	}

	entry.marked, _ = c.marked(entry.values, func(path []string, value any) leaf {
		from := entry.from
		if slices.Contains(entry.subcharts, path[0]) && len(path) > 1 {
			from += " for subchart " + path[0]
		}

		return leaf{value: value, from: from, subchart: entry.parent != ""}
	}, nil).(map[string]any)
}
