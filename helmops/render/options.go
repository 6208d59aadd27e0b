package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// PostRenderer is one step. One that is empty does nothing.
type PostRenderer struct {
	Kustomize *Kustomize `json:"kustomize,omitempty"`
}

// Kustomize changes objects as a kustomization does: first the patches, in order, then the images.
type Kustomize struct {
	Patches []Patch `json:"patches,omitempty"`
	Images  []Image `json:"images,omitempty"`
}

// Patch is a strategic merge patch or a list of JSON 6902 operations, as YAML or JSON.
type Patch struct {
	Patch string `json:"patch"`
	// Target selects the objects. JSON 6902 operations need it. A strategic merge patch without it is for the object that it
	// names, which has to exist; it may hold several documents.
	Target *Selector `json:"target,omitempty"`
}

// Selector selects the objects that match every field that is set. Group to Namespace are anchored regular expressions, the
// others are label selectors. An object without a namespace counts as one of the namespace "default".
type Selector struct {
	Group              string `json:"group,omitempty"`
	Version            string `json:"version,omitempty"`
	Kind               string `json:"kind,omitempty"`
	Name               string `json:"name,omitempty"`
	Namespace          string `json:"namespace,omitempty"`
	LabelSelector      string `json:"labelSelector,omitempty"`
	AnnotationSelector string `json:"annotationSelector,omitempty"`
}

// Image replaces parts of the reference of one container image.
type Image struct {
	// Name of the image, without tag and digest.
	Name string `json:"name"`
	// NewName replaces the name.
	NewName string `json:"newName,omitempty"`
	// NewTag replaces the tag.
	NewTag string `json:"newTag,omitempty"`
	// Digest replaces the tag, and wins over NewTag.
	Digest string `json:"digest,omitempty"`
}

// CommonMetadata is metadata for all objects.
type CommonMetadata struct {
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations must not be those of Helm hooks.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// empty tells whether nothing is asked for.
func (o Options) empty() bool {
	return len(o.PostRenderers) == 0 && len(o.CommonMetadata.Labels) == 0 && len(o.CommonMetadata.Annotations) == 0
}

// Digest returns the sha256 of the options in canonical form, "" when there is nothing to do. Steps that do nothing and the
// default strategy do not count, so options that render alike by their wording have one digest.
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
