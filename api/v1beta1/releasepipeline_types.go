package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// PipelineSubject is the chart that a pipeline promotes.
// +kubebuilder:validation:XValidation:rule="(self.sourceRef.kind == 'OCIRepository') != has(self.chart)",message="spec.subject.chart goes with a HelmRepository and a GitRepository, and an OCIRepository is one chart itself"
// +kubebuilder:validation:XValidation:rule="self.sourceRef.kind == 'HelmRepository' || !has(self.version)",message="spec.subject.version goes with a HelmRepository; the range of an OCIRepository is its own spec.ref.semver, and a directory has one version"
// +kubebuilder:validation:XValidation:rule="self.sourceRef.kind == 'HelmRepository' || !has(self.filter) && !has(self.prereleases) && !has(self.verify)",message="filter, prereleases and verify go with a HelmRepository; those of other sources are their own"
type PipelineSubject struct {
	// SourceRef names where the chart comes from, in the namespace of the pipeline.
	// +required
	SourceRef PipelineSourceReference `json:"sourceRef"`
	// Chart is the name of the chart in a HelmRepository, or its path in a GitRepository.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	Chart string `json:"chart,omitempty"`
	// Version is the range of versions of a chart in a HelmRepository, any release when left out.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Version string `json:"version,omitempty"`
	// Filter bounds the versions of a chart in a HelmRepository by their text.
	// +optional
	Filter *VersionFilter `json:"filter,omitempty"`
	// Prereleases lets the range of a chart in a HelmRepository take pre-releases.
	// +optional
	Prereleases bool `json:"prereleases,omitempty"`
	// Verify has the signatures of a chart in a HelmRepository checked before it becomes a candidate, and again in each
	// stage.
	// +optional
	Verify *Verification `json:"verify,omitempty"`
}

// PipelineSourceReference names a source of charts in the namespace of the pipeline.
type PipelineSourceReference struct {
	// Kind of the source.
	// +kubebuilder:validation:Enum=OCIRepository;HelmRepository;GitRepository
	// +required
	Kind string `json:"kind"`
	// Name of the source.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}

// PromotionWindow is a time that comes again, in which a stage gets candidates, or in which it gets none.
type PromotionWindow struct {
	// Kind is Allow, the default: candidates are promoted in such windows only; or Deny: none is promoted in the window.
	// +kubebuilder:validation:Enum=Allow;Deny
	// +kubebuilder:default=Allow
	// +optional
	Kind string `json:"kind,omitempty"`
	// Cron says when the window begins: minute, hour, day of the month, month and day of the week.
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=128
	// +required
	Cron string `json:"cron"`
	// Duration of the window, a week at most.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(s|m|h))+$"
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s') && duration(self) <= duration('168h')",message="a window lasts up to a week"
	// +required
	Duration metav1.Duration `json:"duration"`
	// TimeZone is the IANA name of the time zone of Cron, UTC when left out.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	TimeZone string `json:"timeZone,omitempty"`
}

// StageGates are conditions that a candidate has to meet.
type StageGates struct {
	// Range is a semver range that the version has to be in. Pre-releases are in it, too.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Range string `json:"range,omitempty"`
	// Prereleases is Allow, the default, or Deny.
	// +kubebuilder:validation:Enum=Allow;Deny
	// +optional
	Prereleases string `json:"prereleases,omitempty"`
	// Bump is the largest step of the version that needs no approval: Patch, Minor, or Major, the default.
	// +kubebuilder:validation:Enum=Patch;Minor;Major
	// +optional
	Bump string `json:"bump,omitempty"`
	// Downgrade lets the stage go to a lower version when its own gates no longer allow the version that it has.
	// +optional
	Downgrade bool `json:"downgrade,omitempty"`
	// Soak is how long the candidate has to stay verified, without a break, in the stages before.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(s|m|h))+$"
	// +optional
	Soak *metav1.Duration `json:"soak,omitempty"`
	// MinAge is how long ago the pipeline has to have seen the candidate first.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(s|m|h))+$"
	// +optional
	MinAge *metav1.Duration `json:"minAge,omitempty"`
	// Approval says which candidates need approvals, and which approvals count.
	// +optional
	Approval *StageApproval `json:"approval,omitempty"`
	// Windows are times in which candidates are promoted, or in which they are not.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Windows []PromotionWindow `json:"windows,omitempty"`
	// Verify says who has to have signed a candidate for this stage, beside what the source of the subject wants. The
	// Secrets are in the namespace of the pipeline.
	// +optional
	Verify *Verification `json:"verify,omitempty"`
	// Checks are CEL expressions that have to hold.
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=name
	// +optional
	Checks []StageCheck `json:"checks,omitempty"`
}

// PipelineStage is one environment: the HelmReleases whose chartRef is the source of the stage, which the controller
// writes and which has the name PIPELINE-STAGE: an OCIRepository, or a HelmChart where the chart is in no registry.
// +kubebuilder:validation:XValidation:rule="!has(self.promote) || self.promote != 'Manual' || !has(self.gates) || !has(self.gates.approval) || !has(self.gates.approval.when) || self.gates.approval.when == 'Always'",message="with promote Manual every candidate needs an approval; gates.approval.when goes with promote Auto"
type PipelineStage struct {
	// Name of the stage.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
	// +required
	Name string `json:"name"`
	// From are the stages that have to have verified a candidate, earlier ones of the list. Left out, it is the stage
	// before; the first stage gets its candidates from the subject.
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=32
	// +listType=set
	// +optional
	From []string `json:"from,omitempty"`
	// FromPolicy is All, the default, or Any: how many of the stages of From have to have verified a candidate.
	// +kubebuilder:validation:Enum=All;Any
	// +optional
	FromPolicy string `json:"fromPolicy,omitempty"`
	// Promote is Auto, the default: a candidate that passes the gates is promoted; or Manual: it needs an approval, too.
	// +kubebuilder:validation:Enum=Auto;Manual
	// +optional
	Promote string `json:"promote,omitempty"`
	// Approved are versions, and semver ranges, that need no other approval.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=512
	// +listType=set
	// +optional
	Approved []string `json:"approved,omitempty"`
	// Rejected are versions and digests that the stage does not get, and leaves when it has one of them.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=256
	// +listType=set
	// +optional
	Rejected []string `json:"rejected,omitempty"`
	// Pin is the version, or digest, that the stage has to have, whatever the gates say. A freeze holds it only when the
	// stage never had that version.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Pin string `json:"pin,omitempty"`
	// Hold is the reason why the stage gets nothing new; rollbacks are not held.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Hold string `json:"hold,omitempty"`
	// Gates of the stage.
	// +optional
	Gates *StageGates `json:"gates,omitempty"`
	// OnFailure is Reject, the default: a candidate that fails is rejected, and newer ones are promoted; or Hold: the
	// stage is held, too, until the pipeline is resumed.
	// +kubebuilder:validation:Enum=Reject;Hold
	// +optional
	OnFailure string `json:"onFailure,omitempty"`
	// Deliver says how the stage gets its candidates: through an OCIRepository that the controller writes when left out.
	// +optional
	Deliver *StageDeliver `json:"deliver,omitempty"`
	// Deadline is how long the HelmReleases may take to verify a candidate before it is rejected, 2h when left out. A
	// stage that copies has none when left out.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(s|m|h))+$"
	// +optional
	Deadline *metav1.Duration `json:"deadline,omitempty"`
	// Intake is Newest, the default: the stage takes the newest candidate although later stages still wait for the one
	// that it has; or Serial: it keeps a verified one until each stage after it has taken or rejected it. A stage waits
	// for a candidate while only soak, minAge, windows, freezes and approvals keep it out.
	// +kubebuilder:validation:Enum=Newest;Serial
	// +optional
	Intake string `json:"intake,omitempty"`
	// MinVerified is how many HelmReleases of the stage have to verify a candidate, as a count or as a percentage, which
	// is rounded up; all when left out. The candidate is rejected when so many of them failed that the others are too
	// few.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:Pattern="^(100|[1-9][0-9]?)%$"
	// +optional
	MinVerified *intstr.IntOrString `json:"minVerified,omitempty"`
	// Waves in which the HelmReleases of the stage take a candidate, one after the other. HelmReleases that no wave
	// selects are the last. A rollback is not limited by waves, nor is the first install of a HelmRelease.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Waves []StageWave `json:"waves,omitempty"`
}

// ReleasePipelineSpec says which chart goes through which stages.
type ReleasePipelineSpec struct {
	// Suspend stops everything that the pipeline would change, rollbacks included.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
	// Subject is the chart.
	// +required
	Subject PipelineSubject `json:"subject"`
	// Stages in their order.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +required
	Stages []PipelineStage `json:"stages"`
}

// PipelineCandidate is one exact chart.
type PipelineCandidate struct {
	// Version of the chart.
	// +required
	Version string `json:"version"`
	// Digest of its manifest in the registry, of its archive in a Helm repository, or of its directory in Git.
	// +required
	Digest string `json:"digest"`
	// Origin is where it was found first: the URL of the archive in a Helm repository, or the revision of a
	// GitRepository. It is left out for a registry.
	// +optional
	Origin string `json:"origin,omitempty"`
	// FirstSeen is when the pipeline first saw it.
	// +required
	FirstSeen metav1.Time `json:"firstSeen"`
}

// StageDelivery is the candidate that the source of a stage points to.
type StageDelivery struct {
	PipelineCandidate `json:",inline"`
	// Cause of the delivery: Auto, Approved, Pin, Rollback or Manual.
	// +required
	Cause string `json:"cause"`
	// At is when it was decided.
	// +required
	At metav1.Time `json:"at"`
	// Verified is set once all HelmReleases of the stage have verified it.
	// +optional
	Verified bool `json:"verified,omitempty"`
	// Promotion is the name of the Promotion that records it.
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
	// +optional
	Longest *metav1.Duration `json:"longest,omitempty"`
}

// StageRejection is a candidate that a stage does not get again.
type StageRejection struct {
	// Digest of the candidate.
	// +required
	Digest string `json:"digest"`
	// Reason of the rejection.
	// +required
	Reason string `json:"reason"`
}

// GateStatus is what a gate says of the candidate of a stage.
type GateStatus struct {
	// Name of the gate.
	// +required
	Name string `json:"name"`
	// Result is Pass, Wait or Fail.
	// +required
	Result string `json:"result"`
	// Message says why.
	// +required
	Message string `json:"message"`
	// Until is when a gate that waits is asked again without an event.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// StageStatus is what is known of a stage.
type StageStatus struct {
	// Name of the stage.
	// +required
	Name string `json:"name"`
	// Phase of the stage: Idle, Blocked, AwaitingApproval, Frozen, Verifying, Verified, Held, Pinned or Failed.
	// +optional
	Phase string `json:"phase,omitempty"`
	// Message says what the stage waits for, or what it has.
	// +optional
	Message string `json:"message,omitempty"`
	// Candidate that Gates are about.
	// +optional
	Candidate string `json:"candidate,omitempty"`
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
}

// ReleasePipeline promotes one chart, by its digest, from stage to stage.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=flpipe,categories=fairlead
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
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
