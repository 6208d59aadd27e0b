package chart

import (
	"strconv"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"

	"fairlead.dev/fairlead/helmops/values"
)

// numberKey is the annotation with which a chart is found again after Helm has copied it, renamed it or dropped it.
const numberKey = "fairlead.dev/number"

// charts are a chart with the subcharts that get values.
type charts struct {
	// root is nil when no chart is known. Its values, and those of its subcharts, are what Helm has made of them.
	root *chart.Chart
	// depth is how many levels of charts there are.
	depth   int
	entries []chartEntry
}

// chartEntry is one chart as it was before Helm processed it.
type chartEntry struct {
	name, version string
	// parent is the name of the chart above, empty for the root.
	parent string
	// subcharts are the keys under which its subcharts get their values.
	subcharts []string
	values    map[string]any
	// imports are the import-values by dependency.
	imports map[string][]any
	// from names the chart, marked are its values with marks.
	from   string
	marked map[string]any
}

// number gives each chart a number and takes its import-values away, which are processed with the marks.
func (c *charts) number(of, parent *chart.Chart) {
	e := chartEntry{name: of.Metadata.Name, version: of.Metadata.Version, values: of.Values, imports: map[string][]any{}}
	if parent != nil {
		e.parent = parent.Metadata.Name
	}
	if of.Metadata.Annotations == nil {
		of.Metadata.Annotations = map[string]string{}
	}

	of.Metadata.Annotations[numberKey] = strconv.Itoa(len(c.entries))
	for _, d := range of.Metadata.Dependencies {
		key := keyOf(d)
		e.subcharts = append(e.subcharts, key)
		e.imports[key] = d.ImportValues
		d.ImportValues = nil
	}

	for _, sub := range of.Dependencies() {
		e.subcharts = append(e.subcharts, sub.Name())
	}

	c.entries = append(c.entries, e)
	for _, sub := range of.Dependencies() {
		c.number(sub, of)
	}
}

// keyOf is the key under which a subchart gets its values.
func keyOf(d *chart.Dependency) string {
	if d.Alias != "" {
		return d.Alias
	}
	return d.Name
}

func (c *charts) entry(of *chart.Chart) chartEntry {
	number, err := strconv.Atoi(of.Metadata.Annotations[numberKey])
	if err != nil || number < 0 || number >= len(c.entries) {
		return chartEntry{} // every chart was numbered
	}
	return c.entries[number]
}

// coalesce has Helm put marked values over those of the charts of the given depth and below.
func (c *charts) coalesce(over map[string]any, depth int) (map[string]any, error) {
	root, err := Copy(c.root)
	if err != nil {
		return nil, err
	}

	c.restore(root, depth)
	if err := chartutil.ProcessDependenciesWithMerge(root, nil); err != nil {
		return nil, err
	}

	return chartutil.CoalesceValues(root, over)
}

// restore gives the charts of the given depth and below their marked values and the import-values. The subcharts that
// remain are enabled, whatever their conditions say of the marks.
func (c *charts) restore(of *chart.Chart, depth int) {
	e := c.entry(of)
	of.Values = map[string]any{}
	if depth <= 0 {
		of.Values = copyValues(e.marked)
	}

	for _, d := range of.Metadata.Dependencies {
		d.Condition = ""
		d.Tags = nil
		d.ImportValues = append([]any(nil), e.imports[keyOf(d)]...)
	}

	for _, sub := range of.Dependencies() {
		c.restore(sub, depth-1)
	}
}

// setting names the chart whose own values have something at a path. It is empty when none has.
func (c *charts) setting(path []string) (from string, subchart bool) {
	for of := c.root; of != nil; {
		e := c.entry(of)
		if _, found := values.At(e.values, path); found {
			return e.from, e.parent != ""
		}

		of, path = below(of, path)
	}
	return "", false
}

// below is the subchart that a path leads to, nil for none, with the rest of the path.
func below(of *chart.Chart, path []string) (*chart.Chart, []string) {
	if len(path) < 2 {
		return nil, nil
	}
	for _, sub := range of.Dependencies() {
		if sub.Name() == path[0] {
			return sub, path[1:]
		}
	}
	return nil, nil
}

// depthOf counts the levels of charts.
func depthOf(of *chart.Chart) int {
	deepest := 0
	for _, sub := range of.Dependencies() {
		deepest = max(deepest, depthOf(sub))
	}
	return deepest + 1
}
