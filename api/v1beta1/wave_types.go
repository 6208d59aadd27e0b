package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// StageWave is a part of the HelmReleases of a stage.
type StageWave struct {
	// Name of the wave.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
	// +required
	Name string `json:"name"`
	// Selector chooses the HelmReleases of the wave by their labels. A HelmRelease belongs to the first wave that
	// selects it.
	// +required
	Selector metav1.LabelSelector `json:"selector"`
	// MaxUnavailable is how many HelmReleases of the wave may be on their way to the candidate at the same time, a
	// number up to 100 or a percentage of the wave, at least one; all of the wave when left out.
	// +kubebuilder:validation:XIntOrString
	// +optional
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
}

// StageWaveStatus says how far a candidate is on its way through the waves of a stage.
type StageWaveStatus struct {
	// Digest of the chart of the candidate.
	// +kubebuilder:validation:MaxLength=256
	// +required
	Digest string `json:"digest"`
	// ValuesDigest is the digest of the shared values; left out without them.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ValuesDigest string `json:"valuesDigest,omitempty"`
	// Open is the name of the wave whose HelmReleases take the candidate; empty for those of no wave, and when Done.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Open string `json:"open,omitempty"`
	// Index of that wave, that after the last for the HelmReleases of no wave.
	// +optional
	Index int32 `json:"index,omitempty"`
	// All is set when all HelmReleases of the open wave may take the candidate.
	// +optional
	All bool `json:"all,omitempty"`
	// Admitted are those HelmReleases of the open wave, with their namespaces, that may take the candidate and have not
	// verified it.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=set
	// +optional
	Admitted []string `json:"admitted,omitempty"`
	// Done is set when every HelmRelease may take the candidate: all waves have verified it, or it is a rollback.
	// +optional
	Done bool `json:"done,omitempty"`
}
