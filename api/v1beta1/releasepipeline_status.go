package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PipelineCandidate is one exact chart, with shared values where the pipeline has them.
type PipelineCandidate struct {
	// Version of the chart.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	Version string `json:"version"`
	// Digest of its manifest in the registry, of its archive in a Helm repository, or of its directory in Git.
	// +kubebuilder:validation:MaxLength=256
	// +required
	Digest string `json:"digest"`
	// ValuesDigest is the digest of the shared values; left out without them.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ValuesDigest string `json:"valuesDigest,omitempty"`
	// Origin is where it was found first: the URL of the archive in a Helm repository, or the revision of a
	// GitRepository. It is left out for a registry.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Origin string `json:"origin,omitempty"`
	// FirstSeen is when the pipeline first saw it, or saw it again after other shared values.
	// +required
	FirstSeen metav1.Time `json:"firstSeen"`
}

// StageDelivery is the candidate that the source of a stage points to.
type StageDelivery struct {
	PipelineCandidate `json:",inline"`
	// Cause of the delivery: Auto, Approved, Pin, Rollback or Manual.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Cause string `json:"cause"`
	// At is when it was decided.
	// +required
	At metav1.Time `json:"at"`
	// Verified is set once all HelmReleases of the stage have verified it.
	// +optional
	Verified bool `json:"verified,omitempty"`
	// Promotion is the name of the Promotion that records it.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Promotion string `json:"promotion"`
	// Request is the Promotion of a user that it carries out.
	// +optional
	Request *DeliveryRequest `json:"request,omitempty"`
}

// StageVerification is how long a candidate was verified in a stage.
type StageVerification struct {
	PipelineCandidate `json:",inline"`
	// At is when it was verified first.
	// +required
	At metav1.Time `json:"at"`
	// Since is when the time began in which it is verified without a break; left out when it is not verified now.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// Longest is the longest such time that has ended.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Longest *metav1.Duration `json:"longest,omitempty"`
}

// StageRejection is a candidate that a stage does not get again.
type StageRejection struct {
	// Digest of the chart of the candidate.
	// +kubebuilder:validation:MaxLength=256
	// +required
	Digest string `json:"digest"`
	// ValuesDigest is the digest of the shared values; left out without them.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ValuesDigest string `json:"valuesDigest,omitempty"`
	// Reason of the rejection.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Reason string `json:"reason"`
}

// GateStatus is what a gate says of the candidate of a stage.
type GateStatus struct {
	// Name of the gate.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Name string `json:"name"`
	// Result is Pass, Wait or Fail.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Result string `json:"result"`
	// Message says why.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	Message string `json:"message"`
	// Until is when a gate that waits is asked again without an event.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// StageStatus is what is known of a stage.
type StageStatus struct {
	// Name of the stage.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Name string `json:"name"`
	// Phase of the stage: Idle, Blocked, AwaitingApproval, Frozen, Verifying, Verified, Held, Pinned or Failed.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Phase string `json:"phase,omitempty"`
	// Message says what the stage waits for, or what it has.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	Message string `json:"message,omitempty"`
	// Candidate is the version of the candidate that Gates are about.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	Candidate string `json:"candidate,omitempty"`
	// CandidateValues is the digest of its shared values; left out without them.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	CandidateValues string `json:"candidateValues,omitempty"`
	// Gates of the newest candidate that the stage does not have.
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +optional
	Gates []GateStatus `json:"gates,omitempty"`
	// Delivery is what the stage has.
	// +optional
	Delivery *StageDelivery `json:"delivery,omitempty"`
	// Copy is how the copy goes, in a stage that copies.
	// +optional
	Copy *StageCopyStatus `json:"copy,omitempty"`
	// Held is the reason of a failure that holds the stage.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Held string `json:"held,omitempty"`
	// Verified are the candidates that the stage verified, the last one at the end, at most 20.
	// +kubebuilder:validation:MaxItems=20
	// +listType=atomic
	// +optional
	Verified []StageVerification `json:"verified,omitempty"`
	// Rejected are the candidates that failed in the stage, the last one at the end, at most 20.
	// +kubebuilder:validation:MaxItems=20
	// +listType=atomic
	// +optional
	Rejected []StageRejection `json:"rejected,omitempty"`
	// Wave says which HelmReleases of the stage may take the candidate of Delivery; absent when the stage has no waves.
	// +optional
	Wave *StageWaveStatus `json:"wave,omitempty"`
	// Promotions is how many Promotions the stage has had.
	// +optional
	Promotions int64 `json:"promotions,omitempty"`
	// Displaced is how many candidates were replaced while a later stage only waited for them, since it took one.
	// +optional
	Displaced int64 `json:"displaced,omitempty"`
	// Requests are what became of the Promotions of users, the last one at the end, at most 20.
	// +kubebuilder:validation:MaxItems=20
	// +listType=atomic
	// +optional
	Requests []StageRequest `json:"requests,omitempty"`
}

// ReleasePipelineStatus is what the controller knows of a pipeline.
type ReleasePipelineStatus struct {
	ReconcileRequest `json:",inline"`
	// ObservedGeneration is the last generation that was handled.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// LastHandledResetAt is the value of the annotation fairlead.dev/resetAt that was handled last.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	LastHandledResetAt string `json:"lastHandledResetAt,omitempty"`
	// Conditions of the pipeline: Ready, Reconciling, Stalled.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Candidates that the subject had, the last one first, at most 20.
	// +kubebuilder:validation:MaxItems=20
	// +listType=atomic
	// +optional
	Candidates []PipelineCandidate `json:"candidates,omitempty"`
	// Stages of the pipeline, in its order.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Stages []StageStatus `json:"stages,omitempty"`
	// Charts are those of a pipeline with spec.subject.charts; candidates and stages are in their own pipelines.
	// +optional
	Charts *PipelineChartsStatus `json:"charts,omitempty"`
}

// ReleasePipeline promotes one chart, by its digest, from stage to stage, or several charts, each on its own.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=flpipe,categories=fairlead
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message",priority=1
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 200",message="the name of a pipeline has up to 200 characters"
type ReleasePipeline struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ReleasePipelineSpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status ReleasePipelineStatus `json:"status,omitempty"`
}

// ReleasePipelineList is a list of ReleasePipeline.
// +kubebuilder:object:root=true
type ReleasePipelineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ReleasePipeline `json:"items"`
}

// GetConditions implements Conditioned.
func (in *ReleasePipeline) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions implements Conditioned.
func (in *ReleasePipeline) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }

// SourceName is the name of the source of a stage.
func (in *ReleasePipeline) SourceName(stage string) string { return in.Name + "-" + stage }
