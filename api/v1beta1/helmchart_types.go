package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Values of reconcileStrategy, which say when a chart in a directory counts as new.
const (
	// ReconcileStrategyChartVersion: when the version in its Chart.yaml changes.
	ReconcileStrategyChartVersion = "ChartVersion"
	// ReconcileStrategyRevision: when anything in the chart's directory changes.
	ReconcileStrategyRevision = "Revision"
)

// HelmChartSpec picks one chart from a source.
// +kubebuilder:validation:XValidation:rule="!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",message="verify needs a HelmRepository"
// +kubebuilder:validation:XValidation:rule="!has(self.digest) || !has(self.valuesFiles)",message="digest is that of the chart with its own values; it does not go with valuesFiles"
// +kubebuilder:validation:XValidation:rule="has(self.digest) || !has(self.origin)",message="origin goes with digest"
type HelmChartSpec struct {
	// Chart is the name of the chart in a HelmRepository, or its path in a GitRepository or Bucket.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +required
	Chart string `json:"chart"`
	// Version is the range from which the newest version is taken, or one exact version. Ignored for a GitRepository and a
	// Bucket.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:default="*"
	// +optional
	Version string `json:"version,omitempty"`
	// Digest pins the chart: another one is refused, also under the same version. For a HelmRepository it is the digest
	// of the archive, or of the manifest with type oci; for a GitRepository and a Bucket that of the content of the
	// chart's directory, as status.chart has it.
	// +kubebuilder:validation:Pattern="^sha256:[a-f0-9]{64}$"
	// +optional
	Digest string `json:"digest,omitempty"`
	// Origin says where the chart with Digest is fetched from when the source no longer offers it: the revision of a
	// GitRepository, as "main@sha1:COMMIT", or the URL of the archive in a HelmRepository.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	Origin string `json:"origin,omitempty"`
	// SourceRef names the source, in the same namespace.
	// +required
	SourceRef LocalSourceReference `json:"sourceRef"`
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
	// for one of type oci.
	// +optional
	Verify *Verification `json:"verify,omitempty"`
	// ReconcileStrategy says when a chart from a GitRepository or Bucket counts as new: on a new ChartVersion, or on any
	// Revision of the chart's directory.
	// +kubebuilder:validation:Enum=ChartVersion;Revision
	// +kubebuilder:default=ChartVersion
	// +optional
	ReconcileStrategy string `json:"reconcileStrategy,omitempty"`
	// Interval at which the choice of version is made again. New content of the source is noticed at once and does not
	// wait for it.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +kubebuilder:default="5m"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
	// Suspend keeps the chart revision that was chosen last.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// HelmChartStatus is what the source controller knows about the chart.
type HelmChartStatus struct {
	ReconcileRequest `json:",inline"`
	// ObservedGeneration is the last generation that was handled.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions of the chart: Ready, Reconciling, Stalled, ArtifactInStorage.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Artifact is the chart archive in the cache; its revision is the chart version.
	// +optional
	Artifact *Artifact `json:"artifact,omitempty"`
	// Chart is the chart revision that was chosen.
	// +optional
	Chart *ChartRevision `json:"chart,omitempty"`
}

// HelmChart is one chart of a source, chosen once and shared by any number of releases.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=flhc;hc,categories=fairlead
// +kubebuilder:printcolumn:name="Chart",type="string",JSONPath=".spec.chart"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Version",type="string",JSONPath=".spec.version",priority=1
// +kubebuilder:printcolumn:name="Source Kind",type="string",JSONPath=".spec.sourceRef.kind",priority=1
// +kubebuilder:printcolumn:name="Source Name",type="string",JSONPath=".spec.sourceRef.name",priority=1
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message",priority=1
type HelmChart struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec HelmChartSpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status HelmChartStatus `json:"status,omitempty"`
}

// HelmChartList is a list of HelmChart.
// +kubebuilder:object:root=true
type HelmChartList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []HelmChart `json:"items"`
}
