package engine

import (
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/postrender"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

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

// equal renders without changing anything, and compares with the newest revision.
func (r *run) equal() (bool, error) {
	newest, err := r.site.records.Revisions(r.ctx, r.reader, r.key)
	if err != nil || len(newest) == 0 {
		return false, err
	}
	had := newest[0].Release
	pass, err := r.pass()
	if err != nil {
		return false, err
	}
	cfg, err := r.configuration(nil, nil)
	if err != nil {
		return false, err
	}
	would, err := r.dryRun(cfg, postRenderer(pass), had.Version == 1)
	if err != nil {
		return false, err
	}
	if err := renderHooks(pass, would); err != nil {
		return false, err
	}
	return same(had, would), nil
}

func (r *run) dryRun(cfg *action.Configuration, with postrender.PostRenderer, first bool) (*release.Release, error) {
	if first {
		helm := newInstall(cfg, r.Action, false)
		helm.DryRunOption, helm.PostRenderer = "server", with
		return helm.Run(r.Chart, r.Values)
	}
	helm := newUpgrade(cfg, r.Action)
	helm.DryRunOption, helm.PostRenderer = "server", with
	return helm.Run(r.Target.Name, r.Chart, r.Values)
}

// same compares manifests and hooks, and of hooks what runs.
func same(a, b *release.Release) bool {
	if a.Manifest != b.Manifest || len(a.Hooks) != len(b.Hooks) {
		return false
	}
	for i := range a.Hooks {
		if a.Hooks[i].Manifest != b.Hooks[i].Manifest || a.Hooks[i].Path != b.Hooks[i].Path {
			return false
		}
	}
	return true
}
