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
	// +listType=atomic
	// +optional
	Patches []Patch `json:"patches,omitempty"`
	// Images changes names, tags and digests of container images.
	// +kubebuilder:validation:MaxItems=256
	// +listType=atomic
	// +optional
	Images []Image `json:"images,omitempty"`
}

// Patch changes the objects it targets.
type Patch struct {
	// Patch is a strategic merge patch or a list of JSON 6902 operations, as YAML.
	// +kubebuilder:validation:MaxLength=262144
	// +required
	Patch string `json:"patch"`
	// Target selects the objects. A strategic merge patch may name its object itself instead.
	// +optional
	Target *Selector `json:"target,omitempty"`
}

// Selector selects objects; what is left out selects all. Names are regular expressions that match as a whole.
type Selector struct {
	// Group of the API.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Group string `json:"group,omitempty"`
	// Version of the API.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Version string `json:"version,omitempty"`
	// Kind of the object.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Kind string `json:"kind,omitempty"`
	// Name of the object.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Name string `json:"name,omitempty"`
	// Namespace of the object.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// AnnotationSelector selects by annotations, in the syntax of label selectors.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	AnnotationSelector string `json:"annotationSelector,omitempty"`
	// LabelSelector selects by labels.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	LabelSelector string `json:"labelSelector,omitempty"`
}

// Image changes a container image.
type Image struct {
	// Name of the image, without a tag.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Name string `json:"name"`
	// NewName replaces the name.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	NewName string `json:"newName,omitempty"`
	// NewTag replaces the tag.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	NewTag string `json:"newTag,omitempty"`
	// Digest replaces the tag; NewTag is then ignored.
	// +kubebuilder:validation:MaxLength=1024
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
