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

// Sync says which installs and upgrades the controller makes by itself. Rollbacks and the repair of drift never wait.
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Manual' || !has(self.approval)",message="with mode Manual every plan waits; leave out approval.minRisk"
type Sync struct {
	// Mode is Automatic, the default, or Manual: every install and upgrade waits until its plan is approved.
	// +kubebuilder:validation:Enum=Automatic;Manual
	// +optional
	Mode string `json:"mode,omitempty"`
	// Approval says which plans wait with mode Automatic; none when left out.
	// +optional
	Approval *SyncApproval `json:"approval,omitempty"`
	// Approved is the digest of the plan that may run, as status.plan.digest has it. Any other plan waits.
	// +kubebuilder:validation:Pattern="^sha256:[0-9a-f]{64}$"
	// +kubebuilder:validation:MaxLength=71
	// +optional
	Approved string `json:"approved,omitempty"`
}

// SyncApproval says which plans wait for an approval.
type SyncApproval struct {
	// MinRisk is the lowest risk that waits: None, Restart, Recreate, DataLoss or Escalation. Plans of a lower risk run
	// by themselves.
	// +kubebuilder:validation:Enum=None;Restart;Recreate;DataLoss;Escalation
	// +required
	MinRisk string `json:"minRisk"`
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
	// Moved says in words what is different from the plan that was approved; empty when none was, or nothing is.
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
