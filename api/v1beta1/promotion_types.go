package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Labels of what a pipeline makes: its name, and the name of the stage.
const (
	PipelineLabel = "fairlead.dev/pipeline"
	StageLabel    = "fairlead.dev/stage"
)

// PromotionSpec says what was promoted, or what a user wants to be promoted. It never changes.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a Promotion cannot be changed; make another one"
// +kubebuilder:validation:XValidation:rule="has(self.version) || has(self.digest)",message="spec.version or spec.digest names the candidate"
// +kubebuilder:validation:XValidation:rule="!has(self.bypass) || self.cause == 'Manual'",message="spec.bypass goes with the cause Manual"
// +kubebuilder:validation:XValidation:rule="!has(self.bypass) || !('signature' in self.bypass)",message="the gate signature cannot be bypassed"
type PromotionSpec struct {
	// Pipeline is the name of the ReleasePipeline.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Pipeline string `json:"pipeline"`
	// Stage of the pipeline.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +required
	Stage string `json:"stage"`
	// Version of the chart.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Version string `json:"version,omitempty"`
	// Digest of the chart.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Digest string `json:"digest,omitempty"`
	// ValuesDigest is the digest of the shared values. A request that leaves it out takes the newest candidate with the
	// chart.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ValuesDigest string `json:"valuesDigest,omitempty"`
	// Cause is Auto, Approved, Pin, Rollback or Manual. A user writes Manual: the stage gets the candidate when it
	// passes the gates; or Rollback: the stage goes back to a candidate that it verified before, and is held.
	// +kubebuilder:validation:Enum=Auto;Approved;Pin;Rollback;Manual
	// +required
	Cause string `json:"cause"`
	// Reason says more about the cause: who approved, which candidate failed, why a user wants it.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Reason string `json:"reason,omitempty"`
	// Bypass are the gates that the candidate does not have to pass, with the cause Manual.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=64
	// +listType=set
	// +optional
	Bypass []string `json:"bypass,omitempty"`
	// RequestedBy is the user who makes the Promotion. The ValidatingAdmissionPolicy of Fairlead refuses any name
	// but that of the user who makes the request.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	RequestedBy string `json:"requestedBy,omitempty"`
	// Request is the name of the Promotion of a user that the controller carried out.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Request string `json:"request,omitempty"`
}

// Phases of a Promotion.
const (
	PromotionVerifying  = "Verifying"
	PromotionVerified   = "Verified"
	PromotionRejected   = "Rejected"
	PromotionSuperseded = "Superseded"
)

// PromotionStatus is how a promotion ended.
type PromotionStatus struct {
	// Conditions of the promotion: Ready, Reconciling, Stalled.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Phase is Verifying, Verified, Rejected, or Superseded when another candidate came before there was a verdict.
	// One that a user made is Waiting before, or Failed when it cannot be carried out.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Phase string `json:"phase,omitempty"`
	// StartedAt is when the stage got the candidate.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// FinishedAt is when there was a verdict.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Gates as they were when the candidate passed them.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Gates []GateStatus `json:"gates,omitempty"`
	// ApprovedBy are the users who had approved the candidate then.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=set
	// +optional
	ApprovedBy []string `json:"approvedBy,omitempty"`
}

// Promotion records that a stage of a pipeline got a candidate. The controller creates it, and keeps the last 10 of a
// stage. One that a user creates asks for that.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=flpromo,categories=fairlead
// +kubebuilder:printcolumn:name="Stage",type="string",JSONPath=".spec.stage"
// +kubebuilder:printcolumn:name="Version",type="string",JSONPath=".spec.version"
// +kubebuilder:printcolumn:name="Phase",type="string",JSONPath=".status.phase"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Cause",type="string",JSONPath=".spec.cause",priority=1
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message",priority=1
type Promotion struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   PromotionSpec   `json:"spec,omitempty"`
	Status PromotionStatus `json:"status,omitempty"`
}

// PromotionList is a list of Promotion.
// +kubebuilder:object:root=true
type PromotionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Promotion `json:"items"`
}

// GetConditions implements Conditioned.
func (in *Promotion) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions implements Conditioned.
func (in *Promotion) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }

// PromotionApprovalSpec says what is approved, and by whom. It never changes.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an approval cannot be changed; delete it and make another one"
type PromotionApprovalSpec struct {
	// Pipeline is the name of the ReleasePipeline.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Pipeline string `json:"pipeline"`
	// Stage that the candidate is approved for.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +required
	Stage string `json:"stage"`
	// Digest of the chart of the candidate.
	// +kubebuilder:validation:Pattern=`^sha256:[a-f0-9]{64}$`
	// +required
	Digest string `json:"digest"`
	// ValuesDigest is the digest of the shared values of the candidate. An approval without it does not count for a
	// candidate with shared values; a rejection without it is for the chart with any values.
	// +kubebuilder:validation:Pattern=`^sha256:[a-f0-9]{64}$`
	// +optional
	ValuesDigest string `json:"valuesDigest,omitempty"`
	// User who decides. The ValidatingAdmissionPolicy of Fairlead refuses any name but that of the user who makes
	// the request.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +required
	User string `json:"user"`
	// Groups of the user that gates.approval.groups of the stage asks for. The ValidatingAdmissionPolicy of Fairlead
	// refuses a group that the user is not in.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +listType=set
	// +optional
	Groups []string `json:"groups,omitempty"`
	// Decision is Approve, the default, or Reject: the stage, and all stages after it, do not get the candidate. A
	// rejection does not expire; it ends when the object is deleted.
	// +kubebuilder:validation:Enum=Approve;Reject
	// +kubebuilder:default=Approve
	// +optional
	Decision string `json:"decision,omitempty"`
	// Comment says why.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Comment string `json:"comment,omitempty"`
}

// PromotionApproval is one user's decision about one candidate for one stage.
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=flapproval,categories=fairlead
// +kubebuilder:printcolumn:name="Pipeline",type="string",JSONPath=".spec.pipeline"
// +kubebuilder:printcolumn:name="Stage",type="string",JSONPath=".spec.stage"
// +kubebuilder:printcolumn:name="Decision",type="string",JSONPath=".spec.decision"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="User",type="string",JSONPath=".spec.user",priority=1
// +kubebuilder:printcolumn:name="Comment",type="string",JSONPath=".spec.comment",priority=1
type PromotionApproval struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec PromotionApprovalSpec `json:"spec,omitempty"`
}

// PromotionApprovalList is a list of PromotionApproval.
// +kubebuilder:object:root=true
type PromotionApprovalList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PromotionApproval `json:"items"`
}

// ReleaseFreezeSpec says which pipelines promote nothing, which HelmReleases take no new chart, which Kustomizations
// apply no new revision of their source, and when.
type ReleaseFreezeSpec struct {
	// Reason of the freeze.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +required
	Reason string `json:"reason"`
	// Namespaces whose pipelines, HelmReleases and Kustomizations are frozen, all when left out.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=63
	// +listType=set
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`
	// Selector chooses pipelines, HelmReleases and Kustomizations by their labels, in those namespaces; all when left out.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
	// From is when the freeze begins, as soon as it exists when left out.
	// +optional
	From *metav1.Time `json:"from,omitempty"`
	// Until is when the freeze ends, when it is deleted when left out.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// ReleaseFreeze keeps pipelines from promoting anything, HelmReleases from taking a new chart of their range, and
// Kustomizations from applying a new revision of their source, for a time. It never holds a rollback, a repair, or a
// change of the spec.
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=flfreeze,categories=fairlead
// +kubebuilder:printcolumn:name="From",type="string",JSONPath=".spec.from"
// +kubebuilder:printcolumn:name="Until",type="string",JSONPath=".spec.until"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".spec.reason",priority=1
type ReleaseFreeze struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ReleaseFreezeSpec `json:"spec,omitempty"`
}

// ReleaseFreezeList is a list of ReleaseFreeze.
// +kubebuilder:object:root=true
type ReleaseFreezeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ReleaseFreeze `json:"items"`
}
