// Package postrender changes what a chart rendered before Helm applies it: post renderers, then common metadata.
//
//	templates ─┐            ┌─ patches ─ images ─┐  (one step per post renderer)
//	hooks ─────┴─ objects ──┴────────────────────┴─ common metadata ─► templates, hooks
//
// Every object is rendered on its own, so templates and hooks with one name do not collide, and the outcome is
// identified by position. A document that is not changed keeps its bytes and its place. No error quotes a manifest,
// because manifests hold Secrets.
package postrender

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/resource"

	"fairlead.dev/fairlead/helmops/kustomize"
	"fairlead.dev/fairlead/helmops/process/worker"
)

const (
	// MaxSize bounds what is rendered in one call, before and after, in bytes.
	MaxSize = 32 << 20
	// MaxPatches bounds the sum of all patches of a release, in bytes.
	MaxPatches = 1 << 20
	// maxWork bounds how often a patch or an image is tried on a document, in one pass.
	maxWork = 20_000
)

var errTooLarge = fmt.Errorf("it becomes larger than %d bytes", MaxSize)

// Hook is what a release record holds of a hook.
type Hook struct {
	// Name and Kind of the object. A post renderer cannot change them.
	Name, Kind string
	// Path of the template within the chart, for messages.
	Path string
	// Manifest of the object.
	Manifest string
}

// Renderer renders the objects of one release. It holds no state and may be used by several goroutines.
type Renderer struct {
	options Options
	steps   []step
}

// New reads the options. An error names the post renderer that cannot be used; only other options help.
func New(options Options) (r *Renderer, err error) {
	r = &Renderer{options: options}
	if !slices.Contains([]Strategy{"", Combined, Separate, NoHooks}, options.Strategy) {
		return nil, fmt.Errorf("spec.postRenderStrategy %q is not known", options.Strategy)
	}
	if err := checkMetadata(options.CommonMetadata); err != nil {
		return nil, err
	}

	size := 0
	for _, p := range options.PostRenderers {
		if p.Kustomize != nil {
			for _, patch := range p.Kustomize.Patches {
				size += len(patch.Patch)
			}
		}
	}

	if size > MaxPatches {
		return nil, fmt.Errorf("the patches of spec.postRenderers have %d bytes, at most %d are allowed", size, MaxPatches)
	}

	defer kustomize.Exclusive()()
	place := ""
	defer recovered(&err, func() string { return place + " cannot be read" })
	for i, p := range options.PostRenderers {
		if p.Kustomize == nil {
			continue
		}

		place = fmt.Sprintf("spec.postRenderers[%d]", i)
		s, err := newStep(place, p.Kustomize)
		if err != nil {
			return nil, &StepError{cause: err}
		}

		r.steps = append(r.steps, s)
	}

	return r, nil
}

// Digest returns the digest of the options, "" when there is nothing to do.
func (r *Renderer) Digest() string { return r.options.Digest() }

// Pass starts the rendering of one release whose templates and hooks come one after the other, as they do within a Helm
// action.
func (r *Renderer) Pass() *Pass { return &Pass{r: r, named: map[*resource.Resource]bool{}} }

// Manifests renders the templates of a release.
func (r *Renderer) Manifests(manifests []byte) ([]byte, error) { return r.Pass().manifests(manifests) }

// Run renders the templates, in the shape of Helm's post renderer.
func (r *Renderer) Run(rendered *bytes.Buffer) (*bytes.Buffer, error) { return r.Pass().Run(rendered) }

// Hooks renders hooks, unless the strategy is NoHooks. Patches that name an object that is none of the hooks are for
// the templates then, and no error.
func (r *Renderer) Hooks(hooks []Hook) ([]Hook, error) {
	return r.Pass().hooks(hooks)
}

// Both renders templates and hooks. It is an error when a patch names an object that is neither.
func (r *Renderer) Both(manifest string, hooks []Hook) (string, []Hook, error) {
	pass := r.Pass()
	rendered, err := pass.manifests([]byte(manifest))
	if err != nil {
		return "", nil, err
	}

	changed, err := pass.Hooks(hooks)
	if err != nil {
		return "", nil, err
	}

	return string(rendered), changed, nil
}

// Pass is the rendering of one release: Run once, then Hooks once. The hooks that Helm splits off before it runs the
// post renderer are rendered with what Run learned.
type Pass struct {
	r     *Renderer
	named map[*resource.Resource]bool
	// work is how often a patch or an image was tried on a document.
	work int
}

// Run renders the templates, in the shape of Helm's post renderer.
func (p *Pass) Run(rendered *bytes.Buffer) (*bytes.Buffer, error) {
	out, err := p.manifests(rendered.Bytes())
	if err != nil {
		return nil, err
	}
	return bytes.NewBuffer(out), nil
}

// Hooks renders the hooks, unless the strategy is NoHooks. It is an error when a patch names an object that is neither
// a template nor a hook, or when a post renderer removes a hook or changes its kind, name or namespace.
func (p *Pass) Hooks(hooks []Hook) ([]Hook, error) {
	out, err := p.hooks(hooks)
	if err != nil {
		return nil, err
	}
	return out, p.unmatched()
}

func (p *Pass) manifests(manifests []byte) ([]byte, error) {
	if p.r.nothing() {
		return manifests, nil
	}

	out, err := p.render(manifests, nil)
	if err == nil && p.r.options.Strategy == NoHooks {
		err = p.unmatched()
	}
	if err != nil {
		return nil, err
	}

	return out, nil
}

func (p *Pass) hooks(hooks []Hook) ([]Hook, error) {
	if p.r.nothing() || p.r.options.Strategy == NoHooks {
		return hooks, nil
	}
	if err := p.charge(len(hooks)); err != nil {
		return nil, err
	}

	out := slices.Clone(hooks)
	size := 0
	for i := range out {
		rendered, err := p.render([]byte(out[i].Manifest), &out[i])
		if err != nil {
			return nil, err
		}
		if size += len(rendered); size > MaxSize {
			return nil, fmt.Errorf("post-rendering hooks up to %s %s: %w", out[i].Kind, out[i].Name, errTooLarge)
		}

		out[i].Manifest = string(rendered)
	}

	return out, nil
}

// changes is how many patches and images there are.
func (r *Renderer) changes() int {
	count := 0
	for _, s := range r.steps {
		count += len(s.images)
		for _, p := range s.patches {
			count += max(len(p.merges), 1)
		}
	}
	return count
}

// charge counts objects that all patches and images are tried on.
func (p *Pass) charge(objects int) error {
	if p.work += objects * p.r.changes(); p.work <= maxWork {
		return nil
	}
	return &worker.LimitError{Limit: "changes by post renderers", Bound: fmt.Sprintf(
		"%d, reckoned as %d patches and images times the objects of the chart", maxWork, p.r.changes())}
}

// nothing reports whether there is nothing to do.
func (r *Renderer) nothing() bool { return r.Digest() == "" }

// unmatched names the first patch without a target whose object does not exist.
func (p *Pass) unmatched() error {
	for _, s := range p.r.steps {
		for _, patch := range s.patches {
			if patch.target != nil {
				continue
			}
			for _, merge := range patch.merges {
				if !p.named[merge] {
					return &StepError{
						cause: fmt.Errorf("%s is for %s, which the chart does not render", patch.place, identityOf(merge)),
					}
				}
			}
		}
	}
	return nil
}

// render renders every document of a manifest. With a hook, the manifest is the hook's.
func (p *Pass) render(manifest []byte, hook *Hook) (out []byte, err error) {
	if len(manifest) > MaxSize {
		return nil, fmt.Errorf("post-rendering: the manifests have %d bytes, at most %d are allowed", len(manifest), MaxSize)
	}

	defer kustomize.Exclusive()()
	at := ""
	defer recovered(&err, func() string { return "post-rendering " + at + " failed within kustomize" })
	var buffer bytes.Buffer
	documents := split(manifest)
	if hook != nil {
		err = p.charge(len(documents) - 1) // the first was charged with all hooks
	} else {
		err = p.charge(len(documents))
	}
	if err != nil {
		return nil, err
	}

	for i, d := range documents {
		at = fmt.Sprintf("document %d%s", i, d.source())
		if hook != nil {
			at = fmt.Sprintf("hook %s %s (%s)", hook.Kind, hook.Name, hook.Path)
		}

		text, err := p.document(d, hook)
		if err != nil {
			return nil, fmt.Errorf("post-rendering %s: %w", at, err)
		}
		if buffer.Len()+len(text) > MaxSize {
			return nil, fmt.Errorf("post-rendering %s: %w", at, errTooLarge)
		}
		// A document that lacks its last line end must not run into the next one.
		if b := buffer.Bytes(); len(b) > 0 && b[len(b)-1] != '\n' && len(text) > 0 {
			buffer.WriteByte('\n')
		}

		buffer.Write(text)
	}

	return buffer.Bytes(), nil
}

// document renders one document.
func (p *Pass) document(d document, hook *Hook) ([]byte, error) {
	tree, err := parse(d.content)
	if err != nil {
		return nil, err
	}
	if tree == nil {
		return slices.Concat(d.head, d.content), nil
	}
	if err := p.charge(max(len(tree.objects)-1, 0)); err != nil { // the first was charged with all documents
		return nil, err
	}

	for _, o := range tree.objects {
		if removed(o) {
			continue
		}
		if err := p.object(o, hook); err != nil {
			return nil, err
		}
	}

	return tree.write(d)
}

// object renders one object.
func (p *Pass) object(o *resource.Resource, hook *Hook) error {
	first := identityOf(o)
	own := hookAnnotations(o)
	for i := range p.r.steps {
		s := &p.r.steps[i]
		if err := s.apply(o, p.named); err != nil {
			return &StepError{cause: fmt.Errorf("%s: %w", first, err)}
		}

		switch {
		case hook == nil && removed(o):
			return nil
		case hook == nil:
		case removed(o):
			return &StepError{cause: fmt.Errorf("%s removes %s; a hook cannot be removed", s.place, first)}
		case !identityOf(o).Equals(first.ResId):
			cause := fmt.Errorf("%s makes %s of %s; a hook keeps its kind, name and namespace", s.place, identityOf(o), first)
			return &StepError{cause: cause}
		}
	}

	if err := merge(o, p.r.options.CommonMetadata); err != nil {
		return fmt.Errorf("%s: spec.commonMetadata: %w", first, err)
	}
	if hook == nil {
		return nil
	}
	if err := restore(o, own); err != nil {
		return fmt.Errorf("%s: %w", first, err)
	}

	return nil
}

// recovered turns a panic of the library into an error; what it says may quote a manifest.
func recovered(err *error, message func() string) {
	if recover() != nil {
		*err = worker.Panicked(message())
	}
}

// source is the template that a document is from, as Helm notes it in a comment.
func (d document) source() string {
	for line := range strings.Lines(string(d.head)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "# Source: "); ok && len(path) < 512 {
			return " (" + path + ")"
		}
	}
	return ""
}
