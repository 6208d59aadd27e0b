package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

	helmchart "fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/engine/rendering"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/postrender"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/process/worker"
)

// Pool runs jobs in child processes that can be killed; worker.Pool is one.
type Pool interface {
	// Run has a child work on a task. Nothing is left of the task when it returns.
	Run(ctx context.Context, t worker.Task) ([]byte, error)
}

// rendered has a child process render the chart with what an install, or an upgrade from former, gives it. The share of
// the processor that the action holds is free meanwhile. It fails with kubeclient.ErrSuperseded when the result is not
// wanted any more.
func (r *run) rendered(former plan.Record, first bool) (*rendering.Result, error) {
	request, err := r.request(former, first)
	if err != nil {
		return nil, err
	}

	config, err := r.as.Getter(r.Target.Namespace).ToRESTConfig()
	if err != nil {
		return nil, err
	}

	var result rendering.Result
	err = r.waitFor(func(ctx context.Context) (err error) {
		result, err = rendering.Render(ctx, r.engine.pool, r.Access.Namespace, request, r.Chart, config)
		return err
	})
	return &result, err
}

// whileWanted does work with a context that ends when superseded is closed, and returns kubeclient.ErrSuperseded then.
// A nil channel is never closed.
func whileWanted(ctx context.Context, superseded <-chan struct{}, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	guard.Go("waiting for a newer desired state", func() {
		select {
		case <-superseded:
			cancel(kubeclient.ErrSuperseded)
		case <-ctx.Done():
		}
	})
	err := work(ctx)
	if errors.Is(context.Cause(ctx), kubeclient.ErrSuperseded) {
		return kubeclient.ErrSuperseded
	}

	return err
}

func (r *run) request(former plan.Record, first bool) (rendering.Request, error) {
	capabilities, err := r.capabilities()
	if err != nil {
		return rendering.Request{}, err
	}

	request := r.firstRequest(capabilities)
	if first {
		return request, nil
	}

	request.Upgrade = true
	request.Revision = former.Version + 1
	if !r.Options.PreserveValues {
		return request, nil
	}

	return request, r.preserve(&request)
}

// firstRequest is what an install renders.
func (a *Action) firstRequest(capabilities *chartutil.Capabilities) rendering.Request {
	return rendering.Request{
		Chart: a.Revision.Digest, Values: a.Values,
		Name: a.Target.Name, Namespace: a.Target.Namespace, Revision: 1,
		KubeVersion: capabilities.KubeVersion, APIVersions: capabilities.APIVersions,
		SkipSchema: a.Options.DisableSchemaValidation,
		PostRender: postrender.OptionsOf(a.PostRenderers, a.PostRenderStrategy, a.CommonMetadata),
	}
}

// preserve merges the values of the release that is upgraded into those of a request, as Helm does with --reuse-values.
func (r *run) preserve(request *rendering.Request) error {
	revisions, err := r.site.records.Revisions(r.ctx, r.reader, r.key)
	if err != nil || len(revisions) == 0 {
		return err
	}

	current := revisions[0].Release
	for _, revision := range revisions {
		if revision.Status == plan.StatusDeployed {
			current = revision.Release
			break
		}
	}

	if request.ChartValues, err = chartutil.CoalesceValues(current.Chart, current.Config); err != nil {
		return fmt.Errorf("merging the values of revision %d: %w", current.Version, err)
	}

	request.ReplaceValues = true
	request.Values = chartutil.CoalesceTables(maps.Clone(r.Values), current.Config)
	return nil
}

// standIn is a chart for Helm's actions whose templates are empty, for they were rendered elsewhere.
type standIn struct {
	chart    *chart.Chart
	result   *rendering.Result
	original map[*chart.File]*chart.File
}

func standInFor(c *chart.Chart, result *rendering.Result) *standIn {
	s := &standIn{chart: c, result: result, original: map[*chart.File]*chart.File{}}
	s.empty(c)
	return s
}

func (s *standIn) empty(c *chart.Chart) {
	templates := make([]*chart.File, len(c.Templates))
	for i, file := range c.Templates {
		templates[i] = &chart.File{Name: file.Name}
		s.original[templates[i]] = file
	}
	c.Templates = templates
	for _, sub := range c.Dependencies() {
		s.empty(sub)
	}
}

// Run implements postrender.PostRenderer: Helm takes what it returns for what the templates rendered.
func (s *standIn) Run(*bytes.Buffer) (*bytes.Buffer, error) {
	return bytes.NewBufferString(s.result.Manifest), nil
}

// complete puts into a release what was rendered elsewhere, and the templates. Helm may have copied subcharts that have
// an alias.
func (s *standIn) complete(rel *release.Release) {
	rel.Hooks = s.result.Hooks
	if s.result.Notes != "" {
		rel.Info.Notes = s.result.Notes
	}
	s.restore(rel.Chart)
}

func (s *standIn) restore(c *chart.Chart) {
	templates := make([]*chart.File, len(c.Templates))
	for i, file := range c.Templates {
		templates[i] = cmp.Or(s.original[file], file)
	}
	c.Templates = templates
	for _, sub := range c.Dependencies() {
		s.restore(sub)
	}
}

// completing completes a release at the moment its record is created. What Helm does with it comes after that.
type completing struct {
	driver.Driver
	standIn *standIn
}

// Create implements driver.Driver.
func (d *completing) Create(key string, rel *release.Release) error {
	d.standIn.complete(rel)
	return d.Driver.Create(key, rel)
}

// unrepeatable are what makes a template render differently each time, or on what it has rendered before.
var unrepeatable = regexp.MustCompile(`\b(lookup|rand[A-Z]\w+|randInt|gen[A-Z]\w+|uuidv4|now|bcrypt|htpasswd|` +
	`IsInstall|IsUpgrade|Revision)\b`)

// equal renders without changing anything, and compares with the newest revision. A chart that cannot render the same
// again is compared by its templates instead.
func (r *run) equal() (bool, error) {
	newest, err := r.site.records.Newest(r.ctx, r.reader, r.key)
	if err != nil || newest == nil {
		return false, err
	}

	had := newest.Release
	would, err := r.foreseen(plan.Record{Version: had.Version}, had.Version == 1)
	if err != nil || same(had, would) {
		return err == nil, err
	}

	repeatable := !slices.ContainsFunc(templatesOf(r.Chart), func(file *chart.File) bool {
		return unrepeatable.Match(file.Data)
	})
	if repeatable {
		return false, nil
	}

	return slices.EqualFunc(had.Chart.Templates, r.Chart.Templates, func(a, b *chart.File) bool {
		return a.Name == b.Name && bytes.Equal(a.Data, b.Data)
	}), nil
}

// templatesOf returns the templates of a chart and its subcharts.
func templatesOf(c *chart.Chart) []*chart.File {
	all := slices.Clone(c.Templates)
	for _, sub := range c.Dependencies() {
		all = append(all, templatesOf(sub)...)
	}
	return all
}

// foreseen is what an install, or an upgrade from the newest revision, would make.
func (r *run) foreseen(newest plan.Record, first bool) (*release.Release, error) {
	result, err := r.rendered(newest, first)
	if err != nil {
		return nil, err
	}

	copied := r.Action
	if copied.Chart, err = helmchart.Copy(r.Chart); err != nil {
		return nil, err
	}

	chart := standInFor(copied.Chart, result)
	cfg, err := r.configuration(nil, chart)
	if err != nil {
		return nil, err
	}

	var would *release.Release
	if first {
		helm := newInstall(cfg, copied, false)
		helm.DryRunOption = "server"
		helm.PostRenderer = chart
		would, err = helm.Run(copied.Chart, copied.Values)
	} else {
		helm := newUpgrade(cfg, copied)
		helm.DryRunOption = "server"
		helm.PostRenderer = chart
		would, err = helm.Run(copied.Target.Name, copied.Chart, copied.Values)
	}
	if err != nil {
		return nil, err
	}

	chart.complete(would)
	return would, nil
}

// same compares manifests and hooks.
func same(a, b *release.Release) bool {
	return a.Manifest == b.Manifest && slices.Equal(hooksOf(a), hooksOf(b))
}

func hooksOf(rel *release.Release) []string {
	manifests := make([]string, len(rel.Hooks))
	for i, hook := range rel.Hooks {
		manifests[i] = hook.Path + "\n" + hook.Manifest
	}
	slices.Sort(manifests)
	return manifests
}
