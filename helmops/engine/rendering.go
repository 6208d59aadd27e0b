package engine

import (
	"bytes"
	"regexp"
	"slices"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/postrender"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

	helmchart "fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/render"
)

// pass starts the post-rendering of the action, nil when there is nothing to do.
func (r *run) pass() (*render.Pass, error) {
	options := render.OptionsOf(r.PostRenderers, r.PostRenderStrategy, r.CommonMetadata)
	if options.Digest() == "" {
		return nil, nil
	}
	renderer, err := render.New(options)
	if err != nil {
		return nil, err
	}
	return renderer.Pass(), nil
}

// postRenderer is what Helm wants for templates; a nil interface when there is nothing to do.
func postRenderer(pass *render.Pass) postrender.PostRenderer {
	if pass == nil {
		return nil
	}
	return pass
}

// hookRenderer renders the hooks of a release at the moment its record is created. Helm splits hooks off before it runs the
// post renderer, and runs them as they are in the release after that.
type hookRenderer struct {
	driver.Driver
	pass *render.Pass
}

// Create implements driver.Driver.
func (d *hookRenderer) Create(key string, rel *release.Release) error {
	if err := renderHooks(d.pass, rel); err != nil {
		return err
	}
	return d.Driver.Create(key, rel)
}

func renderHooks(pass *render.Pass, rel *release.Release) error {
	if pass == nil {
		return nil
	}
	hooks := make([]render.Hook, len(rel.Hooks))
	for i, hook := range rel.Hooks {
		hooks[i] = render.Hook{Name: hook.Name, Kind: hook.Kind, Path: hook.Path, Manifest: hook.Manifest}
	}
	rendered, err := pass.Hooks(hooks)
	if err != nil {
		return err
	}
	for i := range rendered {
		rel.Hooks[i].Manifest = rendered[i].Manifest
	}
	return nil
}

// unrepeatable are what makes a template render differently each time, or on what it has rendered before.
var unrepeatable = regexp.MustCompile(`\b(lookup|rand[A-Z]\w+|randInt|gen[A-Z]\w+|uuidv4|now|bcrypt|htpasswd|IsInstall|IsUpgrade|Revision)\b`)

// equal renders without changing anything, and compares with the newest revision. A chart that cannot render the same again
// is compared by its templates instead.
func (r *run) equal() (bool, error) {
	newest, err := r.site.records.Newest(r.ctx, r.reader, r.key)
	if err != nil || newest == nil {
		return false, err
	}
	had := newest.Release
	would, err := r.rendered(had.Version == 1)
	if err != nil || same(had, would) {
		return err == nil, err
	}
	repeatable := !slices.ContainsFunc(templatesOf(r.Chart), func(file *chart.File) bool { return unrepeatable.Match(file.Data) })
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

// rendered is what an install, or an upgrade, would make.
func (r *run) rendered(first bool) (*release.Release, error) {
	pass, err := r.pass()
	if err != nil {
		return nil, err
	}
	cfg, err := r.configuration(nil, nil)
	if err != nil {
		return nil, err
	}
	copied := r.Action
	if copied.Chart, err = helmchart.Copy(r.Chart); err != nil {
		return nil, err
	}
	var would *release.Release
	if first {
		helm := newInstall(cfg, copied, false)
		helm.DryRunOption, helm.PostRenderer = "server", postRenderer(pass)
		would, err = helm.Run(copied.Chart, copied.Values)
	} else {
		helm := newUpgrade(cfg, copied)
		helm.DryRunOption, helm.PostRenderer = "server", postRenderer(pass)
		would, err = helm.Run(copied.Target.Name, copied.Chart, copied.Values)
	}
	if err != nil {
		return nil, err
	}
	return would, renderHooks(pass, would)
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
