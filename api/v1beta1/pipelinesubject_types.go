package v1beta1

// VersionFilter bounds versions by their text. A regular expression is as in Go, and matches any part of the text.
type VersionFilter struct {
	// Include is a regular expression that a version has to match.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Include string `json:"include,omitempty"`
	// Exclude is a regular expression that a version must not match.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Exclude string `json:"exclude,omitempty"`
}

// Annotations of a pipeline that the controller makes for one chart of a pipeline with spec.subject.charts.
const (
	// ChartAnnotation is the name of the chart.
	ChartAnnotation = "fairlead.dev/chart"
	// AppliedSpecAnnotation is a digest of what the controller applied last.
	AppliedSpecAnnotation = "fairlead.dev/appliedSpec"
)

// PipelineCharts are charts of one source, each of which goes through the stages on its own. Up to 100 are promoted.
// +kubebuilder:validation:XValidation:rule="has(self.names) || has(self.include)",message="spec.subject.charts needs names or include"
// +kubebuilder:validation:XValidation:rule="has(self.include) || !has(self.exclude)",message="spec.subject.charts.exclude goes with include"
type PipelineCharts struct {
	// Names of the charts in a HelmRepository, or of their directories in a GitRepository.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:Pattern="^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"
	// +listType=set
	// +optional
	Names []string `json:"names,omitempty"`
	// Include is a regular expression, as in Go, that the names of charts in the index of a HelmRepository have to
	// match in any part. A registry has no index.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Include string `json:"include,omitempty"`
	// Exclude is a regular expression that the names that Include finds must not match.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Exclude string `json:"exclude,omitempty"`
	// Path of the directory in a GitRepository that the directories of the charts are in, its root when left out.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Path string `json:"path,omitempty"`
}

// PipelineChartsStatus is how the charts of a pipeline with spec.subject.charts are.
type PipelineChartsStatus struct {
	// Total is how many charts the pipeline has now.
	// +required
	Total int32 `json:"total"`
	// Ready is how many have nothing that waits or fails.
	// +required
	Ready int32 `json:"ready"`
	// Waiting is how many wait for a gate, an approval or their HelmReleases, or are suspended.
	// +required
	Waiting int32 `json:"waiting"`
	// Failed is how many failed, or have no pipeline.
	// +required
	Failed int32 `json:"failed"`
	// Items are the charts, sorted by their names, and then those that the pipeline no longer has, at most 150.
	// +kubebuilder:validation:MaxItems=150
	// +listType=atomic
	// +optional
	Items []PipelineChartStatus `json:"items,omitempty"`
}

// PipelineChartStatus is how one chart of a pipeline is.
type PipelineChartStatus struct {
	// Chart is its name.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Chart string `json:"chart"`
	// Pipeline is the name of the ReleasePipeline of the chart.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Pipeline string `json:"pipeline,omitempty"`
	// Phase is Ready, Waiting, Failed, Suspended, or Kept: the pipeline no longer has the chart, and HelmReleases still
	// refer to its sources.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Phase string `json:"phase"`
	// Message says why.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	Message string `json:"message,omitempty"`
}
