package v1beta1

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Modes of spec.sync.
const (
	// SyncAutomatic has the controller install and upgrade by itself.
	SyncAutomatic = "Automatic"
	// SyncManual has every install and upgrade wait until its plan is approved.
	SyncManual = "Manual"
)

// PruneConfirm is the value of spec.sync.prune that has deletions wait until a user confirms them.
const PruneConfirm = "Confirm"

// Classes of risk of a plan. A higher one is riskier.
const (
	// RiskNone is a change that neither restarts nor removes anything.
	RiskNone = "None"
	// RiskRestart is a change that replaces pods.
	RiskRestart = "Restart"
	// RiskRecreate is a change of a field that cannot be changed in place.
	RiskRecreate = "Recreate"
	// RiskDataLoss is a change that deletes volumes, namespaces or custom resources.
	RiskDataLoss = "DataLoss"
	// RiskEscalation is a change that gives rights to workloads or subjects which they do not have.
	RiskEscalation = "Escalation"
)

// Risks are the classes of risk, from the lowest to the highest.
func Risks() []string {
	return []string{RiskNone, RiskRestart, RiskRecreate, RiskDataLoss, RiskEscalation}
}

// RiskReaches reports whether a risk is at least as high as another one. A risk that is not known reaches every other.
func RiskReaches(risk, least string) bool {
	all := Risks()
	at := slices.Index(all, risk)
	return at < 0 || at >= slices.Index(all, least)
}

// PlanValidity is how long a plan that waits for an approval stands before the controller computes it again.
const PlanValidity = time.Hour

// Kinds of windows of spec.sync.
const (
	// WindowAllow lets the controller apply what is new in the window only.
	WindowAllow = "Allow"
	// WindowDeny keeps the controller from applying what is new in the window.
	WindowDeny = "Deny"
)

// Values of repairs of a window.
const (
	// RepairsContinue lets the controller repair drift and roll back while the window holds what is new.
	RepairsContinue = "Continue"
	// RepairsHold keeps the controller from that as well.
	RepairsHold = "Hold"
)

// Sync says when, and with whose consent, the controller applies what is new. Rollbacks and the repair of drift do not
// wait for it, except in windows that say so.
// +kubebuilder:validation:XValidation:rule="!has(self.approval) || (has(self.mode) && self.mode == 'Manual') != has(self.approval.minRisk)",message="approval.minRisk goes with mode Automatic, which needs it; with mode Manual every plan waits"
type Sync struct {
	// Mode is Automatic, the default, or Manual: every install and upgrade waits until its plan is approved.
	// +kubebuilder:validation:Enum=Automatic;Manual
	// +optional
	Mode string `json:"mode,omitempty"`
	// Approval says which plans wait with mode Automatic, none when left out, and which approvals count.
	// +optional
	Approval *SyncApproval `json:"approval,omitempty"`
	// Approved is the digest of the plan that may run, as status.plan.digest has it, whatever Approvals there are: the
	// approval is the review of this change. Any other plan waits for Approvals.
	// +kubebuilder:validation:Pattern="^sha256:[0-9a-f]{64}$"
	// +kubebuilder:validation:MaxLength=71
	// +optional
	Approved string `json:"approved,omitempty"`
	// Prune is Confirm to have the deletion of objects that are no longer wanted wait until a user confirms it, while
	// the controller applies the rest; it deletes them by itself when left out. For Kustomizations with spec.prune only.
	// +kubebuilder:validation:Enum=Confirm
	// +optional
	Prune string `json:"prune,omitempty"`
	// Windows are times in which the controller applies what is new, or in which it does not; any time when left out.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Windows []SyncWindow `json:"windows,omitempty"`
}

// SyncWindow is a time that comes again, in which the controller applies what is new, or in which it does not. New is
// another chart, other values, another post-rendering, another revision of a source, or a change of the spec, and each
// repetition of an attempt with it that failed.
type SyncWindow struct {
	// Kind is Allow, the default: what is new is applied in such windows only; or Deny: it is not applied in the window.
	// Deny wins over Allow.
	// +kubebuilder:validation:Enum=Allow;Deny
	// +kubebuilder:default=Allow
	// +optional
	Kind string `json:"kind,omitempty"`
	// Cron says when the window begins: minute, hour, day of the month, month and day of the week.
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern="^[^ =@]+( +[^ =@]+){4}$"
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
	// Overrun lets an action that begins while it may end later: after the end of an Allow window, or in a Deny window.
	// Without it none begins whose timeout reaches so far. An action that has begun is never interrupted.
	// +optional
	Overrun bool `json:"overrun,omitempty"`
	// Manual lets a person override the window, for one attempt and with a reason, by fairlead sync --override-window.
	// +optional
	Manual bool `json:"manual,omitempty"`
	// Repairs is Continue, the default, or Hold: what the window keeps from being applied, it also keeps from being
	// repaired and rolled back.
	// +kubebuilder:validation:Enum=Continue;Hold
	// +optional
	Repairs string `json:"repairs,omitempty"`
}

// SyncApproval says which plans wait for approvals, and which approvals count.
type SyncApproval struct {
	// MinRisk is the lowest risk that waits with mode Automatic: None, Restart, Recreate, DataLoss or Escalation. Plans
	// of a lower risk run by themselves.
	// +kubebuilder:validation:Enum=None;Restart;Recreate;DataLoss;Escalation
	// +optional
	MinRisk string `json:"minRisk,omitempty"`
	// Count is how many users have to approve a plan, 1 when left out. More than one needs the ValidatingAdmissionPolicy
	// of Fairlead that checks who approves.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	// +optional
	Count int32 `json:"count,omitempty"`
	// Groups are those whose users approve and reject; one of them is enough. Any user does when left out. They need the
	// ValidatingAdmissionPolicy of Fairlead that checks who approves.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +listType=set
	// +optional
	Groups []string `json:"groups,omitempty"`
	// Expires is how long after its creation an Approval counts, for ever when left out. An upgrade that began stays.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(s|m|h))+$"
	// +optional
	Expires *metav1.Duration `json:"expires,omitempty"`
}

// PlanStatus is the plan of the next install or upgrade.
type PlanStatus struct {
	// Digest identifies the plan. It is the same as long as the same inputs make the same objects from the same
	// revision.
	// +kubebuilder:validation:MaxLength=71
	// +required
	Digest string `json:"digest"`
	// Risk is the highest class of risk among the objects.
	// +kubebuilder:validation:MaxLength=32
	// +required
	Risk string `json:"risk"`
	// Summary counts the objects that would be created, changed, deleted and kept, in words.
	// +kubebuilder:validation:MaxLength=256
	// +required
	Summary string `json:"summary"`
	// Replaces is the digest of the plan that waited, or was approved, before this one took its place; empty when this
	// one took the place of none.
	// +kubebuilder:validation:MaxLength=71
	// +optional
	Replaces string `json:"replaces,omitempty"`
	// Moved says in words what is different from the plan that this one replaces; empty when it replaces none.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Moved string `json:"moved,omitempty"`
	// Objects are the riskiest objects, at most 10.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	Objects []PlannedObject `json:"objects,omitempty"`
	// FromRevision is the revision that runs, 0 for none.
	// +required
	FromRevision int32 `json:"fromRevision"`
	// ChartVersion and ChartDigest are the chart, ConfigDigest the values, RenderDigest the post-rendering, KubeVersion
	// the version of the API server and RenderedDigest the objects that the plan was made of.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	ChartVersion string `json:"chartVersion"`
	// ChartDigest is the exact chart.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ChartDigest string `json:"chartDigest,omitempty"`
	// ConfigDigest is the digest of the values.
	// +kubebuilder:validation:MaxLength=256
	// +required
	ConfigDigest string `json:"configDigest"`
	// RenderDigest is the digest of the post renderers and the common metadata; empty when there are none.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	RenderDigest string `json:"renderDigest,omitempty"`
	// KubeVersion is the version of the API server.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	KubeVersion string `json:"kubeVersion,omitempty"`
	// RenderedDigest is the digest of the objects, without the fields that change with each rendering.
	// +kubebuilder:validation:MaxLength=71
	// +required
	RenderedDigest string `json:"renderedDigest"`
	// ObservedGeneration is the generation of the object that the plan was made for.
	// +required
	ObservedGeneration int64 `json:"observedGeneration"`
	// ExpiresAt is when the controller computes the plan again, if it waits for so long.
	// +required
	ExpiresAt metav1.Time `json:"expiresAt"`
}

// PlannedObject is one object that a plan changes.
type PlannedObject struct {
	// Kind of the object.
	// +kubebuilder:validation:MaxLength=63
	// +required
	Kind string `json:"kind"`
	// Namespace of the object, empty in that of the release and for objects that have none.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Name of the object.
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Change is created, changed, deleted or kept.
	// +kubebuilder:validation:MaxLength=32
	// +required
	Change string `json:"change"`
	// Risk is the highest class of risk of the change.
	// +kubebuilder:validation:MaxLength=32
	// +required
	Risk string `json:"risk"`
	// Why the change is risky; empty when it is not.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Why string `json:"why,omitempty"`
}
