package postrender

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Strategy says what is done with the hooks of a chart.
type Strategy string

// The strategies. Objects are rendered one by one, so Combined and Separate give the same hooks; both exist because a
// release may ask for either.
const (
	// Combined renders templates and hooks together. It is the default.
	Combined Strategy = "combined"
	// Separate renders templates, then hooks.
	Separate Strategy = "separate"
	// NoHooks leaves hooks as the chart made them.
	NoHooks Strategy = "nohooks"
)

// Options are what a release asks to be done with its rendered objects.
type Options struct {
	// PostRenderers change the objects, in order.
	PostRenderers []PostRenderer `json:"postRenderers,omitempty"`
	// CommonMetadata is merged into the metadata of every object, after the post renderers.
	CommonMetadata CommonMetadata `json:"commonMetadata,omitzero"`
	// Strategy for hooks, Combined when empty.
	Strategy Strategy `json:"postRenderStrategy,omitempty"`
}

// The parts of the options are those of the API.
type (
	// PostRenderer is one step. One that is empty does nothing.
	PostRenderer = v1beta1.PostRenderer
	// Kustomize changes objects as a kustomization does: first the patches, in order, then the images.
	Kustomize = v1beta1.Kustomize
	// Patch is a strategic merge patch or a list of JSON 6902 operations. The latter needs a target; the former may hold
	// several documents without one, each for the object that it names, which has to exist.
	Patch = v1beta1.Patch
	// Selector selects the objects that match every field that is set. An object without a namespace counts as one of the
	// namespace "default".
	Selector = v1beta1.Selector
	// Image replaces parts of the reference of one container image.
	Image = v1beta1.Image
	// CommonMetadata must not hold annotations of Helm hooks.
	CommonMetadata = v1beta1.CommonMetadata
)

// OptionsOf takes the options over from a release.
func OptionsOf(renderers []PostRenderer, strategy string, metadata *CommonMetadata) Options {
	options := Options{PostRenderers: renderers, Strategy: Strategy(strategy)}
	if metadata != nil {
		options.CommonMetadata = *metadata
	}
	return options
}

// empty reports whether nothing is asked for.
func (o Options) empty() bool {
	return len(o.PostRenderers) == 0 && len(o.CommonMetadata.Labels) == 0 && len(o.CommonMetadata.Annotations) == 0
}

// Digest returns the sha256 of the options in canonical form, "" when there is nothing to do. Steps that do nothing and
// the default strategy do not count, so options that render alike by their wording have one digest.
func (o Options) Digest() string {
	var steps []PostRenderer
	for _, step := range o.PostRenderers {
		if step.Kustomize != nil && len(step.Kustomize.Patches)+len(step.Kustomize.Images) > 0 {
			steps = append(steps, step)
		}
	}

	o.PostRenderers = steps
	if o.empty() {
		return ""
	}
	if o.Strategy == "" {
		o.Strategy = Combined
	}

	// Texts and maps of texts have no form that JSON cannot express.
	canonical, _ := json.Marshal(o)
	sum := sha256.Sum256(canonical)
	return "sha256:" + hex.EncodeToString(sum[:])
}
