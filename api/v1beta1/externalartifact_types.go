package v1beta1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ArtifactOriginReference names the object that an artifact is made for.
type ArtifactOriginReference struct {
	// APIVersion of the referent, fairlead.dev/v1beta1 when left out.
	// +kubebuilder:validation:MaxLength=317
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind of the referent.
	// +kubebuilder:validation:MaxLength=63
	// +required
	Kind string `json:"kind"`
	// Name of the referent.
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Namespace of the referent, that of the ExternalArtifact when left out.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// ExternalArtifactSpec says what the artifact is made by.
type ExternalArtifactSpec struct {
	// SourceRef names the ArtifactGenerator that declares the artifact, in the same namespace. The controller cannot
	// fetch artifacts that other programs make: an object with another reference, or with none, is Stalled.
	// +optional
	SourceRef *ArtifactOriginReference `json:"sourceRef,omitempty"`
}

// ExternalArtifactStatus is what the controller knows about the artifact.
type ExternalArtifactStatus struct {
	ReconcileRequest `json:",inline"`
	// ObservedGeneration is the last generation that was handled.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions of the artifact: Ready, Reconciling, Stalled, ArtifactInStorage.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Artifact is the archive of the copied files in the cache.
	// +optional
	Artifact *Artifact `json:"artifact,omitempty"`
	// Chart that the artifact holds, when there is a Chart.yaml at its root or in its only directory.
	// +optional
	Chart *ChartRevision `json:"chart,omitempty"`
	// OriginRevision is the revision of the source that originRevision of the ArtifactGenerator names.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	OriginRevision string `json:"originRevision,omitempty"`
	// ObservedRules is a digest of what the ArtifactGenerator said about the artifact when it was looked at last.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ObservedRules string `json:"observedRules,omitempty"`
}

// ExternalArtifact is an artifact that an ArtifactGenerator makes. Kustomizations and HelmReleases refer to it as to
// any other source.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=flea;ea,categories=fairlead
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Source",type="string",JSONPath=".spec.sourceRef.name",priority=1
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message",priority=1
type ExternalArtifact struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ExternalArtifactSpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status ExternalArtifactStatus `json:"status,omitempty"`
}

// ExternalArtifactList is a list of ExternalArtifact.
// +kubebuilder:object:root=true
type ExternalArtifactList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ExternalArtifact `json:"items"`
}

// GetGenerator returns the name of the ArtifactGenerator that the artifact is made by; false when its reference names
// none, or one of another namespace.
func (in *ExternalArtifact) GetGenerator() (name string, ok bool) {
	ref := in.Spec.SourceRef
	if ref == nil || ref.Kind != ArtifactGeneratorKind || ref.Namespace != "" && ref.Namespace != in.Namespace ||
		ref.APIVersion != "" && ref.APIVersion != GroupVersion.String() {
		return "", false
	}
	return ref.Name, true
}

// GetSecretRefs implements Source.
func (in *ExternalArtifact) GetSecretRefs() []*LocalObjectReference { return nil }

// GetInterval implements Source: it is how often the artifact is audited; everything else reaches it as an event.
func (in *ExternalArtifact) GetInterval() time.Duration { return DefaultArtifactInterval }

// GetTimeout implements Source.
func (in *ExternalArtifact) GetTimeout() time.Duration { return DefaultSourceTimeout }

// IsSuspended implements Source. The ArtifactGenerator is suspended, and no artifact of it alone.
func (in *ExternalArtifact) IsSuspended() bool { return false }

// GetArtifact implements Source.
func (in *ExternalArtifact) GetArtifact() *Artifact { return in.Status.Artifact }

// SetArtifact implements Source.
func (in *ExternalArtifact) SetArtifact(a *Artifact) { in.Status.Artifact = a }

// GetObservedGeneration implements Source.
func (in *ExternalArtifact) GetObservedGeneration() int64 { return in.Status.ObservedGeneration }

// SetObservedGeneration implements Source.
func (in *ExternalArtifact) SetObservedGeneration(g int64) { in.Status.ObservedGeneration = g }

// Request implements Source.
func (in *ExternalArtifact) Request() *ReconcileRequest { return &in.Status.ReconcileRequest }

// GetConditions implements Conditioned.
func (in *ExternalArtifact) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions implements Conditioned.
func (in *ExternalArtifact) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }
