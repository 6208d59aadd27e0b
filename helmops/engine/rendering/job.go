// Package rendering renders charts in child processes: templates, the schema of values, and post renderers.
//
//	Renderer.Render ─► worker.Pool ─► Job: dependencies ─► values, schema ─► templates ─► hooks, manifests ─► patches
//	      ▲                              │ lookup
//	      └── API server, as identity ◄──┘
//
// The job does with a chart what Helm's actions do before they touch the cluster, with Helm's own packages. The actions
// get what it rendered.
package rendering

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"path"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"

	helmchart "fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/postrender"
	"fairlead.dev/fairlead/helmops/process/worker"
)

// Names of the jobs.
const (
	// JobRender renders a chart.
	JobRender = "chart"
	// JobLocate renders a chart one template after the other, to find the one that exceeds a bound.
	JobLocate = "locate"
)

const (
	// MaxManifest bounds the objects that a chart renders, hooks included, in bytes: Helm keeps them in one Secret of 1
	// MiB, compressed.
	MaxManifest = 16 << 20
	// maxCharts bounds a chart with its subcharts once aliases are copied.
	maxCharts = 1000
	// maxLocated is how many templates are looked at one by one.
	maxLocated = 500
)

// Jobs are those of a child that renders charts.
func Jobs() worker.Jobs {
	keeper := newKeeper()
	return worker.Jobs{
		JobRender: func(ctx context.Context, input []byte, host worker.Host) ([]byte, error) {
			work, err := begin(ctx, keeper, input, host)
			if err != nil {
				return nil, err
			}

			result, err := work.result()
			if err != nil {
				return nil, err
			}

			return result.encode()
		},
		JobLocate: func(ctx context.Context, input []byte, host worker.Host) ([]byte, error) {
			work, err := begin(ctx, keeper, input, host)
			if err != nil {
				return nil, err
			}

			return nil, work.locate()
		},
	}
}

// work is the rendering of one chart.
type work struct {
	ctx     context.Context //nolint:containedctx // a work lives no longer than the call of its job
	request Request
	chart   *chart.Chart
	values  chartutil.Values
	engine  engine.Engine
}

// begin has the values of a chart ready.
func begin(ctx context.Context, keeper *keeper, input []byte, host worker.Host) (*work, error) {
	log.SetOutput(io.Discard) // Helm logs what it looks up
	request, err := decodeRequest(input)
	if err != nil {
		return nil, err
	}

	own, err := keeper.chart(ctx, request.Chart, host)
	if err != nil {
		return nil, err
	}
	if request.ReplaceValues {
		own.Values = request.ChartValues
	}

	w := &work{ctx: ctx, request: request, chart: own}
	if !request.Offline {
		w.engine = engine.New(lookupConfig(ctx, host))
	}

	return w, w.prepare()
}

// prepare does what Helm's install and upgrade do before they render, in their order.
func (w *work) prepare() error {
	if err := chartutil.ProcessDependenciesWithMerge(w.chart, w.request.Values); err != nil {
		return err
	}
	if n := count(w.chart, maxCharts+1); n > maxCharts {
		return &worker.LimitError{Limit: "charts", Bound: fmt.Sprintf("%d with the copies that aliases make", maxCharts)}
	}

	options := chartutil.ReleaseOptions{
		Name: w.request.Name, Namespace: w.request.Namespace, Revision: w.request.Revision,
		IsInstall: !w.request.Upgrade, IsUpgrade: w.request.Upgrade,
	}
	capabilities := &chartutil.Capabilities{
		KubeVersion: w.request.KubeVersion, APIVersions: w.request.APIVersions,
		HelmVersion: chartutil.DefaultCapabilities.HelmVersion,
	}
	values, err := chartutil.ToRenderValuesWithSchemaValidation(w.chart, w.request.Values, options, capabilities, true)
	if err != nil {
		return err
	}

	w.values = values
	if !w.request.SkipSchema {
		coalesced, _ := values["Values"].(chartutil.Values)
		if err := checkSchemas(w.chart, coalesced); err != nil {
			return err
		}
	}

	wanted := w.chart.Metadata.KubeVersion
	if has := capabilities.KubeVersion.String(); wanted != "" && !chartutil.IsCompatibleRange(wanted, has) {
		return &unfitError{
			cause: fmt.Errorf("chart requires kubeVersion: %s which is incompatible with Kubernetes %s", wanted, has),
		}
	}

	return nil
}

// count returns how many charts there are, most at the most.
func count(c *chart.Chart, most int) int {
	n := 1
	for _, sub := range c.Dependencies() {
		if n >= most {
			break
		}
		n += count(sub, most-n)
	}
	return n
}

// result renders the templates and what follows them.
func (w *work) result() (Result, error) {
	files, err := w.engine.Render(w.chart, w.values)
	if err != nil {
		return Result{}, &nestedError{err}
	}

	notes := w.notes(files)
	size := 0
	for _, content := range files {
		size += len(content)
	}
	if size > MaxManifest {
		return Result{}, tooLarge()
	}

	hooks, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return Result{}, err
	}

	var all bytes.Buffer
	for _, m := range manifests {
		fmt.Fprintf(&all, "---\n# Source: %s\n%s\n", m.Name, m.Content)
	}

	return w.postRendered(Result{Manifest: all.String(), Hooks: hooks, Notes: notes})
}

func tooLarge() error {
	return &worker.LimitError{Limit: worker.LimitOutput, Bound: fmt.Sprintf("%d MiB of objects", MaxManifest>>20)}
}

// notes takes the notes of the chart out of what was rendered, and drops those of its subcharts.
func (w *work) notes(files map[string]string) string {
	const suffix = "NOTES.txt"
	notes := files[path.Join(w.chart.Name(), "templates", suffix)]
	for name := range files {
		if strings.HasSuffix(name, suffix) {
			delete(files, name)
		}
	}
	return notes
}

// postRendered runs the post renderers. Helm splits hooks off before that, so they are rendered by themselves.
func (w *work) postRendered(in Result) (Result, error) {
	if w.request.PostRender.Digest() == "" {
		return in, nil
	}

	renderer, err := postrender.New(w.request.PostRender)
	if err != nil {
		return Result{}, err
	}

	pass := renderer.Pass()
	manifest, err := pass.Run(bytes.NewBufferString(in.Manifest))
	if err != nil {
		return Result{}, fmt.Errorf("error while running post render on files: %w", err)
	}
	if manifest.Len() > MaxManifest {
		return Result{}, tooLarge()
	}

	in.Manifest = manifest.String()
	return in, renderHooks(pass, in.Hooks)
}

func renderHooks(pass *postrender.Pass, hooks []*release.Hook) error {
	in := make([]postrender.Hook, len(hooks))
	for i, hook := range hooks {
		in[i] = postrender.Hook{Name: hook.Name, Kind: hook.Kind, Path: hook.Path, Manifest: hook.Manifest}
	}

	rendered, err := pass.Hooks(in)
	if err != nil {
		return err
	}

	for i := range rendered {
		hooks[i].Manifest = rendered[i].Manifest
	}

	return nil
}

// locate renders one template after the other and reports each before. It returns when none exceeds a bound.
func (w *work) locate() error {
	for i, file := range executed(w.chart, "") {
		if i >= maxLocated {
			break
		}

		worker.WorkingOn(w.ctx, file)
		alone, err := helmchart.Copy(w.chart)
		if err != nil {
			return err
		}

		only(alone, "", file)
		_, _ = w.engine.Render(alone, w.values) // a template that lacks another one fails; that is not what is looked for
	}
	return nil
}

// executed lists the templates of a chart and its subcharts that Helm executes, as Helm names them.
func executed(c *chart.Chart, parent string) []string {
	base := path.Join(parent, c.Name())
	var out []string
	for _, file := range c.Templates {
		if !strings.HasPrefix(path.Base(file.Name), "_") {
			out = append(out, path.Join(base, file.Name))
		}
	}

	for _, sub := range c.Dependencies() {
		out = append(out, executed(sub, path.Join(base, "charts"))...)
	}

	return out
}

// only makes partial templates of all but one, so that Helm executes no other. They can still be included by their
// paths, but for those that define templates of their own.
func only(c *chart.Chart, parent, wanted string) {
	base := path.Join(parent, c.Name())
	templates := make([]*chart.File, 0, len(c.Templates))
	for _, file := range c.Templates {
		name := path.Join(base, file.Name)
		if name == wanted || strings.HasPrefix(path.Base(file.Name), "_") {
			templates = append(templates, file)
			continue
		}

		data := file.Data
		if !bytes.Contains(data, []byte("define")) {
			data = fmt.Appendf(nil, "{{define %q}}%s{{end}}", name, data)
		}

		templates = append(templates, &chart.File{Name: path.Join(path.Dir(file.Name), "_"+path.Base(file.Name)), Data: data})
	}

	c.Templates = templates
	for _, sub := range c.Dependencies() {
		only(sub, path.Join(base, "charts"), wanted)
	}
}

var errNoHost = errors.New("nothing may be looked up")
