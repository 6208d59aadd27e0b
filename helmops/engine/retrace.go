package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"

	helmchart "fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/engine/rendering"
	"fairlead.dev/fairlead/helmops/engine/storage"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/values"
)

// Retracing are the inputs in which two revisions of a release differ, and a way to take them back one by one. All may
// hold secrets.
type Retracing struct {
	// ChartChanged is set when the charts differ, FormerChart when that can be taken back. A record in storage has no
	// subcharts, so that a chart with some cannot be rendered from it.
	ChartChanged, FormerChart bool
	// RenderingChanged is set when post renderers or common metadata differ, which cannot be taken back: a record has
	// only their digest.
	RenderingChanged bool
	// Values that the charts get and that differ, those of the charts themselves among them.
	Values []values.Delta
	// Former are the values that were given to the chart formerly, without its own.
	Former map[string]any
	// TakeBack renders what is wanted with the former chart, or without some of the differences of values. It makes no
	// request to the API server beside the lookups of templates.
	TakeBack func(chart bool, back []values.Delta) (preview.Rendering, error)
}

// NotRetraceableError says why the inputs of a revision cannot be taken back.
type NotRetraceableError struct{ Cause string }

// Error implements error.
func (e *NotRetraceableError) Error() string { return e.Cause }

// Retrace compares the inputs of a revision in storage with those of the action or, where to is not 0, with those of
// another revision in storage. Nothing is changed. The Retracing is good as long as ctx is.
func (e *Engine) Retrace(ctx context.Context, a Action, from, to int) (*Retracing, error) {
	r, err := e.looking(ctx, a)
	if err != nil {
		return nil, err
	}

	var out *Retracing
	err = r.hold(func() (err error) { //nolint:contextcheck // the run carries it
		out, err = r.retrace(from, to)
		return err
	})
	return out, err
}

func (r *run) retrace(from, to int) (*Retracing, error) {
	former, err := r.inStorage(from)
	if err != nil {
		return nil, err
	}

	request, err := r.requestFor(to)
	if err != nil {
		return nil, err
	}

	t := &retrace{run: r, former: former, request: request}
	if err := t.compare(); err != nil {
		return nil, err
	}

	return &Retracing{
		ChartChanged: t.chartChanged, FormerChart: t.chartChanged && isWhole(former.Release, r.Chart),
		RenderingChanged: former.RenderDigest != r.RenderDigest,
		Values:           t.deltas, Former: former.Release.Config, TakeBack: t.takeBack,
	}, nil
}

// inStorage reads a revision, and fails when it is gone.
func (r *run) inStorage(version int) (*storage.Revision, error) {
	found, err := r.site.records.One(r.ctx, r.reader, r.key, version)
	if err != nil {
		return nil, err
	}
	if found == nil || found.Release == nil || found.Release.Chart == nil {
		return nil, &NotRetraceableError{fmt.Sprintf("revision %d is no longer in storage", version)}
	}
	return found, nil
}

// requestFor is how the action is rendered, or a revision in storage unless it is 0, whose inputs become those of the
// action.
func (r *run) requestFor(to int) (rendering.Request, error) {
	if to != 0 {
		found, err := r.inStorage(to)
		if err != nil {
			return rendering.Request{}, err
		}

		return r.requestForStored(found)
	}

	history, err := r.site.records.History(r.ctx, r.reader, r.key)
	if err != nil {
		return rendering.Request{}, err
	}
	if r.Afresh {
		history = nil
	}

	return r.request(newestOf(history), firstAfter(history))
}

func (r *run) requestForStored(found *storage.Revision) (rendering.Request, error) {
	cause := ""
	switch {
	case !isWhole(found.Release, nil):
		cause = "has subcharts, which Helm does not record"
	case found.RenderDigest != r.RenderDigest:
		cause = "was rendered with other post renderers or common metadata than the spec has now"
	}
	if cause != "" {
		return rendering.Request{}, &NotRetraceableError{fmt.Sprintf("revision %d %s", found.Version, cause)}
	}

	r.Chart = found.Release.Chart
	r.Values = found.Release.Config
	r.Revision = found.Chart
	r.Options.PreserveValues = false // the record has all of them
	return r.request(plan.Record{Version: found.Version - 1}, found.Version == 1)
}

// isWhole reports whether a chart can be rendered as a record has it. Of subcharts it has the names of those that
// Chart.yaml declares, and the objects that they made. with is the chart that it is compared with, nil for none.
func isWhole(rel *release.Release, with *chart.Chart) bool {
	if rel.Chart == nil || rel.Chart.Metadata == nil || len(rel.Chart.Metadata.Dependencies) > 0 {
		return false
	}
	if with != nil && len(with.Dependencies()) > 0 {
		return false
	}

	ofSubchart := "# Source: " + rel.Chart.Metadata.Name + "/charts/"
	return !strings.Contains(rel.Manifest, ofSubchart) && !slices.ContainsFunc(rel.Hooks, func(h *release.Hook) bool {
		return strings.HasPrefix(h.Path, rel.Chart.Metadata.Name+"/charts/")
	})
}

// retrace takes changes of the input back.
type retrace struct {
	*run
	former  *storage.Revision
	request rendering.Request
	// defaults are the values of the wanted chart and its subcharts, all is what that chart gets.
	defaults, all map[string]any
	deltas        []values.Delta
	chartChanged  bool
}

func (t *retrace) compare() error {
	wanted, err := helmchart.Copy(t.Chart)
	if err != nil {
		return err
	}
	if t.request.ReplaceValues {
		wanted.Values = t.request.ChartValues
	}

	if t.defaults, err = chartGets(wanted, nil); err != nil {
		return err
	}
	if t.all, err = chartGets(wanted, t.request.Values); err != nil {
		return err
	}

	had := t.former.Release
	before, err := chartutil.CoalesceValues(had.Chart, had.Config)
	if err != nil {
		return fmt.Errorf("reading the values of revision %d: %w", t.former.Version, err)
	}

	withDefaultsOf(wanted, had.Chart, before, t.defaults)
	t.deltas = withoutCopies(values.Deltas(before, t.all))
	t.chartChanged = had.Chart.Name() != t.Chart.Name() || had.Chart.Metadata.Version != t.Chart.Metadata.Version ||
		t.former.Chart.Digest != "" && t.former.Chart.Digest != t.Revision.Digest
	return nil
}

// chartGets is what a chart gets with the given values: its own and those of its subcharts below them.
func chartGets(c *chart.Chart, given map[string]any) (map[string]any, error) {
	copied, err := helmchart.Copy(c)
	if err != nil {
		return nil, err
	}
	if err := chartutil.ProcessDependenciesWithMerge(copied, given); err != nil {
		return nil, fmt.Errorf("finding the subcharts of %s that are enabled: %w", c.Name(), err)
	}
	return chartutil.CoalesceValues(copied, given)
}

// withDefaultsOf completes former values with those of subcharts of which the record has none: what they were is not
// known, and they are taken to be the same.
func withDefaultsOf(wanted, had *chart.Chart, before, defaults map[string]any) {
	for _, sub := range wanted.Dependencies() {
		own, _ := defaults[sub.Name()].(map[string]any)
		if _, recorded := had.Values[sub.Name()]; recorded || own == nil {
			continue
		}

		given, _ := before[sub.Name()].(map[string]any)
		before[sub.Name()] = chartutil.CoalesceTables(values.Exactly(given, nil), own)
	}
}

// withoutCopies drops global values that subcharts have from the chart above them.
func withoutCopies(deltas []values.Delta) []values.Delta {
	paths := map[string]bool{}
	for _, d := range deltas {
		paths[d.Text()] = true
	}
	return slices.DeleteFunc(deltas, func(d values.Delta) bool {
		i := slices.Index(d.Path, "global")
		return i > 0 && paths[values.Delta{Path: d.Path[i:]}.Text()]
	})
}

// takeBack renders with the former chart, or without some differences of values.
func (t *retrace) takeBack(former bool, back []values.Delta) (preview.Rendering, error) {
	request := t.request
	c := t.Chart
	request.Values = values.Restore(request.Values, t.defaults, back)
	if former {
		c = t.former.Release.Chart
		request.Chart = "" // no child keeps what is not the whole chart
		request.ReplaceValues = false
		request.Values = values.Exactly(values.Restore(t.all, nil, back), c.Values)
	}

	config, err := t.as.Getter(t.Target.Namespace).ToRESTConfig()
	if err != nil {
		return preview.Rendering{}, err
	}

	var result rendering.Result
	err = t.hold(func() error {
		return t.waitFor(func(ctx context.Context) (err error) {
			result, err = rendering.Render(ctx, t.engine.pool, t.Access.Namespace, request, c, config)
			return err
		})
	})
	if err != nil {
		return preview.Rendering{}, err
	}

	out := preview.Rendering{Manifest: result.Manifest}
	for _, hook := range result.Hooks {
		out.Hooks = append(out.Hooks, hook.Manifest)
	}

	return out, nil
}
