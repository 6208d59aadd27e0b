package chart

import (
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"

	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/values"
)

// UnknownKey is a key that a release sets and that its chart does not know.
type UnknownKey struct {
	// Path of the topmost key that is not known, as keys.
	Path []string
	// Siblings are the keys that the chart knows in its place, sorted.
	Siblings []string
}

// Unknown returns the keys of a release that are in no default values and no schema of the chart or the subchart that
// they are for, and that no template reads, sorted by path. It returns no key of which that is not certain: nothing for
// a chart that hands all its values to a function, or that has a template which cannot be parsed. The chart is one from
// Load and is not changed.
func Unknown(c *chart.Chart, set map[string]any) ([]UnknownKey, error) {
	var out []UnknownKey
	err := guard.Do("looking for unknown values", func() error {
		k := newKnowledge(c, set)
		out = k.unknown(set, nil)
		return nil
	})
	return out, err
}

// knowledge is what a chart and its subcharts know of values.
type knowledge struct {
	root *known
	// shared is what named templates of any chart read.
	shared *reads
	// tags are the tags of all dependencies.
	tags []string
	// all are all charts.
	all []*known
}

// known is what one chart knows.
type known struct {
	chart  *chart.Chart
	reads  reads
	schema schema
	// subcharts by the key under which they get their values. A chart may be there several times, by its aliases.
	subcharts map[string][]*known
}

func newKnowledge(c *chart.Chart, set map[string]any) *knowledge {
	k := &knowledge{shared: &reads{}}
	k.root = k.chart(c)
	left := maxRead
	usesTpl := false
	dumps := map[string]bool{}
	given := map[string]bool{}
	for _, of := range k.all {
		r := reader{own: &of.reads, shared: k.shared, dumps: dumps, given: given}
		for _, file := range of.chart.Templates {
			left -= len(file.Data)
			if left < 0 {
				k.shared.all = true
			}
			if k.shared.all {
				return k // nothing is unknown for certain
			}

			r.template(file.Name, string(file.Data))
		}

		usesTpl = usesTpl || r.usesTpl
	}

	for name := range given {
		if dumps[name] {
			k.shared.all = true
		}
	}

	if usesTpl {
		k.texts(set, left)
	}

	return k
}

// texts reads the values and files that templates may render.
func (k *knowledge) texts(set map[string]any, left int) {
	var all []string
	collectTexts(set, &all)
	for _, of := range k.all {
		collectTexts(of.chart.Values, &all)
		for _, file := range of.chart.Files {
			all = append(all, string(file.Data))
		}
	}

	r := reader{own: k.shared, shared: k.shared, dumps: map[string]bool{}, given: map[string]bool{}}
	for _, text := range all {
		if !looksLikeTemplate(text) {
			continue
		}
		if left -= len(text); left < 0 {
			k.shared.all = true
			return
		}

		r.text(text)
	}
}

func collectTexts(value any, into *[]string) {
	switch v := value.(type) {
	case string:
		*into = append(*into, v)
	case map[string]any:
		for _, below := range v {
			collectTexts(below, into)
		}
	case []any:
		for _, item := range v {
			collectTexts(item, into)
		}
	}
}

// chart notes what a chart knows without its templates.
func (k *knowledge) chart(c *chart.Chart) *known {
	out := &known{chart: c, schema: newSchema(c.Schema), subcharts: map[string][]*known{}}
	k.all = append(k.all, out)
	for _, sub := range c.Dependencies() {
		below := k.chart(sub)
		for _, key := range keysOf(c, sub) {
			out.subcharts[key] = append(out.subcharts[key], below)
		}
	}

	for _, d := range c.Metadata.Dependencies {
		k.tags = append(k.tags, d.Tags...)
		for condition := range strings.SplitSeq(d.Condition, ",") {
			if condition = strings.TrimSpace(condition); condition != "" {
				out.reads.add(strings.Split(condition, "."))
			}
		}

		out.imports(d)
	}

	return out
}

// imports notes what import-values reads of a subchart, and what the chart gets of it.
func (k *known) imports(d *chart.Dependency) {
	for _, one := range d.ImportValues {
		switch v := one.(type) {
		case string:
			k.reads.add([]string{keyOf(d), "exports", v})
			for _, sub := range k.subcharts[keyOf(d)] {
				exported, _ := values.At(sub.chart.Values, []string{"exports", v})
				keys, _ := exported.(map[string]any)
				for key := range keys {
					k.reads.add([]string{key})
				}
			}
		case map[string]any:
			child, _ := v["child"].(string)
			parent, _ := v["parent"].(string)
			k.reads.add(append([]string{keyOf(d)}, strings.Split(child, ".")...))
			if parent == "." {
				k.reads.all = true
				continue
			}

			k.reads.add(strings.Split(parent, "."))
		}
	}
}

// keysOf are the keys under which a subchart may get its values.
func keysOf(c, sub *chart.Chart) []string {
	keys := []string{sub.Name()}
	for _, d := range c.Metadata.Dependencies {
		if d.Name == sub.Name() && d.Alias != "" {
			keys = append(keys, d.Alias)
		}
	}
	return keys
}

// unknown goes through the values below a path.
func (k *knowledge) unknown(set map[string]any, path []string) (out []UnknownKey) {
	for _, key := range slices.Sorted(maps.Keys(set)) {
		at := append(slices.Clone(path), key)
		if !k.knows(at) {
			out = append(out, UnknownKey{Path: at, Siblings: k.siblings(path)})
			continue
		}
		if below, is := set[key].(map[string]any); is {
			out = append(out, k.unknown(below, at)...)
		}
	}

	return out
}

// knows reports whether some chart may use the value at a path, or one below it.
func (k *knowledge) knows(path []string) bool {
	switch {
	case k.shared.all:
		return true
	case path[0] == "tags" && len(k.tags) > 0:
		return len(path) == 1 || slices.Contains(k.tags, path[1])
	}
	return k.root.knows(path, k)
}

func (k *known) knows(path []string, in *knowledge) bool {
	if path[0] == globalKey {
		// Every chart gets the globals of the ones above it.
		return len(path) == 1 || slices.ContainsFunc(in.all, func(of *known) bool { return of.has(path, in) })
	}
	if k.has(path, in) {
		return true
	}

	subcharts := k.subcharts[path[0]]
	return len(subcharts) > 0 && (len(path) == 1 ||
		slices.ContainsFunc(subcharts, func(of *known) bool { return of.knows(path[1:], in) }))
}

// globalKey is where values for all charts are.
const globalKey = "global"

// has reports whether the chart itself may use the value at a path.
func (k *known) has(path []string, in *knowledge) bool {
	if _, found := values.At(k.chart.Values, path); found {
		return true
	}
	return k.reads.knows(path) || in.shared.knows(path) || k.schema.knows(path)
}

// siblings are the keys that are known below a path.
func (k *knowledge) siblings(path []string) []string {
	keys := map[string]bool{}
	k.root.below(path, k, keys)
	if len(path) > 0 && path[0] == globalKey {
		for _, of := range k.all {
			of.own(path, k, keys)
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

func (k *known) below(path []string, in *knowledge, into map[string]bool) {
	k.own(path, in, into)
	if len(path) == 0 {
		for key := range k.subcharts {
			into[key] = true
		}
		return
	}
	for _, sub := range k.subcharts[path[0]] {
		sub.below(path[1:], in, into)
	}
}

// own are the keys below a path that the chart itself may use.
func (k *known) own(path []string, in *knowledge, into map[string]bool) {
	value, _ := values.At(k.chart.Values, path)
	if len(path) == 0 {
		value = k.chart.Values
	}

	defaults, _ := value.(map[string]any)
	for key := range defaults {
		into[key] = true
	}
	for _, key := range slices.Concat(k.reads.next(path), in.shared.next(path), k.schema.next(path)) {
		into[key] = true
	}
}
