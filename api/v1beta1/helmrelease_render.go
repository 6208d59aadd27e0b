package v1beta1

// Strategies of spec.postRenderStrategy.
const (
	PostRenderNoHooks  = "nohooks"
	PostRenderCombined = "combined"
	PostRenderSeparate = "separate"
)

// PostRenderer changes what a chart renders.
type PostRenderer struct {
	// Kustomize changes objects with patches and images.
	// +optional
	Kustomize *Kustomize `json:"kustomize,omitempty"`
}

// Kustomize holds the parts of a kustomization that make sense for rendered manifests.
type Kustomize struct {
	// Patches to objects, strategic merge or JSON 6902, applied in this order.
	// +kubebuilder:validation:MaxItems=256
	// +optional
	Patches []Patch `json:"patches,omitempty"`
	// Images changes names, tags and digests of container images.
	// +kubebuilder:validation:MaxItems=256
	// +optional
	Images []Image `json:"images,omitempty"`
}

// Patch changes the objects it targets.
type Patch struct {
	// Patch is a strategic merge patch or a list of JSON 6902 operations, as YAML.
	// +required
	Patch string `json:"patch"`
	// Target selects the objects. A strategic merge patch may name its object itself instead.
	// +optional
	Target *Selector `json:"target,omitempty"`
}

// Selector selects objects; what is left out selects all. Names are regular expressions that match as a whole.
type Selector struct {
	// Group of the API.
	// +optional
	Group string `json:"group,omitempty"`
	// Version of the API.
	// +optional
	Version string `json:"version,omitempty"`
	// Kind of the object.
	// +optional
	Kind string `json:"kind,omitempty"`
	// Name of the object.
	// +optional
	Name string `json:"name,omitempty"`
	// Namespace of the object.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// AnnotationSelector selects by annotations, in the syntax of label selectors.
	// +optional
	AnnotationSelector string `json:"annotationSelector,omitempty"`
	// LabelSelector selects by labels.
	// +optional
	LabelSelector string `json:"labelSelector,omitempty"`
}

// Image changes a container image.
type Image struct {
	// Name of the image, without a tag.
	// +required
	Name string `json:"name"`
	// NewName replaces the name.
	// +optional
	NewName string `json:"newName,omitempty"`
	// NewTag replaces the tag.
	// +optional
	NewTag string `json:"newTag,omitempty"`
	// Digest replaces the tag; NewTag is then ignored.
	// +optional
	Digest string `json:"digest,omitempty"`
}

// CommonMetadata is put on every object of a release.
type CommonMetadata struct {
	// Annotations to add; those of the chart lose.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
	// Labels to add; those of the chart lose.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
}
