package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HelmChartTemplate wraps the choice of a chart, in the shape of the Flux API.
type HelmChartTemplate struct {
	// Metadata has no effect: there is no HelmChart object that could have it.
	// +optional
	Metadata *HelmChartTemplateMetadata `json:"metadata,omitempty"`
	// Spec of the chart.
	// +required
	Spec HelmChartTemplateSpec `json:"spec"`
}

// HelmChartTemplateMetadata are labels and annotations of a HelmChart.
type HelmChartTemplateMetadata struct {
	// Labels of the HelmChart.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations of the HelmChart.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// HelmChartTemplateSpec picks one chart from a source.
// +kubebuilder:validation:XValidation:rule="!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",message="verify needs a HelmRepository"
type HelmChartTemplateSpec struct {
	// Chart is the name of the chart in a HelmRepository, or its path in a GitRepository or Bucket.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +required
	Chart string `json:"chart"`
	// Version is the range from which the newest version is taken, or one exact version. Ignored for a GitRepository
	// and a Bucket.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:default="*"
	// +optional
	Version string `json:"version,omitempty"`
	// SourceRef names the source.
	// +required
	SourceRef SourceReference `json:"sourceRef"`
	// ValuesFiles are files whose merged content is the chart's values instead of its values.yaml, in order: what comes
	// later counts. Their paths count from the root of a GitRepository or Bucket, or from that of the chart in a
	// HelmRepository.
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=atomic
	// +optional
	ValuesFiles []string `json:"valuesFiles,omitempty"`
	// IgnoreMissingValuesFiles leaves out files of ValuesFiles that are not there.
	// +optional
	IgnoreMissingValuesFiles bool `json:"ignoreMissingValuesFiles,omitempty"`
	// Verify has the signatures of the chart checked before it is taken over. For a HelmRepository; the provider cosign
	// for one of type oci. Its Secret is in the namespace of the HelmRelease.
	// +optional
	Verify *Verification `json:"verify,omitempty"`
	// Interval at which the controller asks the source for the chart, when that is more often than at the interval of
	// the source. An interval below the least one of the controller, 10s by default, counts as that.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
	// ReconcileStrategy says when a chart from a GitRepository or Bucket counts as new: on a new ChartVersion, or on
	// any Revision of the chart's directory.
	// +kubebuilder:validation:Enum=ChartVersion;Revision
	// +kubebuilder:default=ChartVersion
	// +optional
	ReconcileStrategy string `json:"reconcileStrategy,omitempty"`
}
