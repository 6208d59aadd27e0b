package engine

import (
	"context"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"

	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/preview"
)

// Content is what a revision is made of: one in storage, or one that an action would make.
type Content struct {
	// Revision is 0 when it is not in storage.
	Revision     int
	ChartName    string
	ChartVersion string
	// Values that were given to the chart, without its own. They may hold secrets.
	Values map[string]any
	// Defaults are the chart's own values, those of its subcharts among them. They are for reading.
	Defaults map[string]any
	// Manifest is all objects but the hooks, as YAML documents. It may hold secrets.
	Manifest string
	// Hooks in Helm's order.
	Hooks []ContentHook
}

// AllValues are the values that the chart got: those that were given to it over its own.
func (c *Content) AllValues() (map[string]any, error) {
	own := &chart.Chart{Metadata: &chart.Metadata{Name: c.ChartName}, Values: c.Defaults}
	return chartutil.CoalesceValues(own, c.Values)
}

// ContentHook is one hook of a revision.
type ContentHook struct {
	Kind, Name string
	// Events at which it runs, such as pre-upgrade.
	Events []string
	// Manifest of the hook. It may hold secrets.
	Manifest string
}

// Stored reads one revision of a release from storage; nil when there is none.
func (e *Engine) Stored(ctx context.Context, access cluster.Access, target plan.Target, version int) (*Content, error) {
	at, as, err := e.sites.Get(access) //nolint:contextcheck // a site outlives who asks for it first
	if err != nil {
		return nil, err
	}
	found, err := at.records.One(ctx, reader(as, access, target), key(target), version)
	if err != nil || found == nil || found.Release == nil {
		return nil, err
	}
	return contentOf(found.Release), nil
}

// Render returns what an install or an upgrade, whichever it would be, makes of the chart and the values of the action.
// The API server is asked as the action would ask it, and nothing is changed. The engine may change Chart.
func (e *Engine) Render(ctx context.Context, a Action) (*Content, error) {
	at, as, err := e.sites.Get(a.Access) //nolint:contextcheck // a site outlives who asks for it first
	if err != nil {
		return nil, err
	}

	r := &run{Action: a, ctx: ctx, site: at, as: as, engine: e, reader: reader(as, a.Access, a.Target), key: key(a.Target)}
	var would *release.Release
	err = r.hold(func() error {
		history, err := at.records.History(ctx, r.reader, r.key)
		if err != nil {
			return err
		}

		would, err = r.foreseen(newestOf(history), len(history) == 0 || history[0].Status == plan.StatusUninstalled)
		return err
	})
	if err != nil {
		return nil, err
	}

	out := contentOf(would)
	out.Revision = 0
	return out, nil
}

func contentOf(rel *release.Release) *Content {
	out := &Content{Revision: rel.Version, Values: rel.Config, Manifest: rel.Manifest}
	if rel.Chart != nil {
		out.Defaults = rel.Chart.Values
	}
	if rel.Chart != nil && rel.Chart.Metadata != nil {
		out.ChartName = rel.Chart.Metadata.Name
		out.ChartVersion = rel.Chart.Metadata.Version
	}

	for _, hook := range rel.Hooks {
		h := ContentHook{Kind: hook.Kind, Name: hook.Name, Manifest: hook.Manifest}
		for _, event := range hook.Events {
			h.Events = append(h.Events, event.String())
		}

		out.Hooks = append(out.Hooks, h)
	}

	return out
}

// Rendering is the manifests of the content.
func (c *Content) Rendering() preview.Rendering {
	out := preview.Rendering{Manifest: c.Manifest}
	for _, hook := range c.Hooks {
		out.Hooks = append(out.Hooks, hook.Manifest)
	}
	return out
}
