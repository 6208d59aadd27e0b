package v1beta1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Values of fields that switch something on or off.
const (
	Enabled  = "enabled"
	Disabled = "disabled"
)

// HealthCheckExpr judges the objects of a kind by CEL expressions over the object, with its fields as variables:
// metadata, spec, status, data and so on. They are asked in the order inProgress, failed, current; when none holds, the
// object is in progress.
type HealthCheckExpr struct {
	// APIVersion of the objects; its version does not matter.
	// +kubebuilder:validation:MaxLength=317
	// +required
	APIVersion string `json:"apiVersion"`
	// Kind of the objects.
	// +kubebuilder:validation:MaxLength=63
	// +required
	Kind string `json:"kind"`
	// Current tells that the object has reached what it asks for.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Current string `json:"current"`
	// InProgress tells that the object is on the way.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	InProgress string `json:"inProgress,omitempty"`
	// Failed tells that the object will not get there by itself.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Failed string `json:"failed,omitempty"`
}

// AutoRollback says how a release recovers from a revision that fails or does not stay healthy.
type AutoRollback struct {
	// Mode is enabled, the default, or disabled, which leaves a failed revision as it is.
	// +kubebuilder:validation:Enum=enabled;disabled
	// +optional
	Mode string `json:"mode,omitempty"`
	// Budget bounds how often the controller rolls a release back; 3 times in 24h when left out.
	// +optional
	Budget *RollbackBudget `json:"budget,omitempty"`
	// Protect names kinds, as Kind or Kind.group, whose objects a rollback never deletes, besides PersistentVolumeClaim,
	// CustomResourceDefinition and Namespace, which it never does.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=317
	// +listType=atomic
	// +optional
	Protect []string `json:"protect,omitempty"`
}

// RollbackBudget is a number of rollbacks in a time.
type RollbackBudget struct {
	// Count of rollbacks; 3 when left out.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=20
	// +optional
	Count *int32 `json:"count,omitempty"`
	// Per is the time; 24h when left out.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Per *metav1.Duration `json:"per,omitempty"`
}

// GetBake is how long a revision has to stay healthy after its rollout to count as verified; 0 is not at all.
func (in *HelmRelease) GetBake() time.Duration {
	if in.Spec.Bake == nil {
		return DefaultBake
	}
	return max(0, in.Spec.Bake.Duration)
}

// WaitsAsHelm reports whether objects are judged by the rules of Helm 3.
func (in *HelmRelease) WaitsAsHelm() bool {
	return in.Spec.WaitStrategy != nil && in.Spec.WaitStrategy.Name == WaitStrategyLegacy
}

// PreflightEnabled reports whether upgrades are tried on the API server before they begin.
func (in *HelmRelease) PreflightEnabled() bool { return in.Spec.Preflight != Disabled }

// AutoRollbackEnabled reports whether a revision that fails may be rolled back.
func (in *HelmRelease) AutoRollbackEnabled() bool {
	return in.Spec.AutoRollback == nil || in.Spec.AutoRollback.Mode != Disabled
}

// GetRollbackBudget is how many rollbacks may happen in which time.
func (in *HelmRelease) GetRollbackBudget() (count int, per time.Duration) {
	count = DefaultRollbackCount
	per = DefaultRollbackPer
	if in.Spec.AutoRollback == nil || in.Spec.AutoRollback.Budget == nil {
		return count, per
	}

	budget := in.Spec.AutoRollback.Budget
	if budget.Count != nil {
		count = int(*budget.Count)
	}

	return count, durationOr(budget.Per, per)
}

// GetProtected names the kinds that a rollback does not delete, besides those it never does.
func (in *HelmRelease) GetProtected() []string {
	if in.Spec.AutoRollback == nil {
		return nil
	}
	return in.Spec.AutoRollback.Protect
}

// ObjectHealth is an object that is not healthy.
type ObjectHealth struct {
	// Kind of the object.
	// +kubebuilder:validation:MaxLength=253
	// +required
	Kind string `json:"kind"`
	// Group of its API.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Group string `json:"group,omitempty"`
	// Namespace of the object, empty when its kind has none.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Name of the object.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Name string `json:"name"`
	// State is InProgress or Failed.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	State string `json:"state"`
	// Message says what is missing, and the cause where it is known: an image that cannot be pulled, a crash with its exit
	// code, a quota.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	Message string `json:"message,omitempty"`
}

// Classes of failures, which decide what follows.
const (
	// FailureRejected: the chart does not render, or the API server would refuse it. Nothing was changed.
	FailureRejected = "Rejected"
	// FailureTransient: the API server, a webhook or the network was away. It is tried again and not counted.
	FailureTransient = "Transient"
	// FailureApply: an object was refused, or a hook failed, in the middle of the rollout.
	FailureApply = "ApplyFailed"
	// FailureHealth: an object or a test failed permanently.
	FailureHealth = "Failed"
	// FailureTimeout: objects were not ready in time.
	FailureTimeout = "TimedOut"
	// FailureDegraded: the revision was healthy and did not stay so in the bake time.
	FailureDegraded = "Degraded"
)

// Phases in which a release can fail.
const (
	PhasePreflight = "Preflight"
	PhaseRollout   = "Rollout"
	PhaseTest      = "Test"
	PhaseBake      = "Bake"
	PhaseRollback  = "Rollback"
)

// LastFailure is the last failure of a release.
type LastFailure struct {
	// Class decides what follows: Rejected, Transient, ApplyFailed, Failed, TimedOut or Degraded.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Class string `json:"class"`
	// Phase in which it failed: Preflight, Rollout, Test, Bake or Rollback.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Phase string `json:"phase"`
	// Reason as in the conditions.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Reason string `json:"reason"`
	// Message of the failure.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	Message string `json:"message,omitempty"`
	// Revision that failed, 0 when none was made.
	// +optional
	Revision int32 `json:"revision,omitempty"`
	// ChartVersion that failed.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	ChartVersion string `json:"chartVersion,omitempty"`
	// ChartDigest that failed.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ChartDigest string `json:"chartDigest,omitempty"`
	// ConfigDigest of the values that failed.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ConfigDigest string `json:"configDigest,omitempty"`
	// Objects that were not healthy, at most 10.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	Objects []ObjectHealth `json:"objects,omitempty"`
	// Inconclusive says why the failure was not held against the revision; empty when it was.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	Inconclusive string `json:"inconclusive,omitempty"`
	// At is when it failed.
	// +required
	At metav1.Time `json:"at"`
}

// Adoption is the comparison of the live objects of an adopted release with its record, before the first upgrade.
type Adoption struct {
	// Revision that the objects were compared with.
	// +required
	Revision int32 `json:"revision"`
	// RecordDigest is the digest of the record of the revision.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	RecordDigest string `json:"recordDigest,omitempty"`
	// ObservedGeneration is the generation of the object that the comparison was made for.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// ChartDigest is the digest of the chart of the upgrade.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ChartDigest string `json:"chartDigest,omitempty"`
	// ConfigDigest is the digest of the values of the upgrade.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ConfigDigest string `json:"configDigest,omitempty"`
	// Until is when the controller upgrades a release whose objects differ in what the upgrade would overwrite; absent
	// when the upgrade does not wait.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// KnownBad is an input that has failed and is not tried again.
type KnownBad struct {
	// ChartVersion of the chart.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	ChartVersion string `json:"chartVersion,omitempty"`
	// ChartDigest is the exact chart.
	// +kubebuilder:validation:MaxLength=256
	// +required
	ChartDigest string `json:"chartDigest"`
	// ConfigDigest is the digest of the values.
	// +kubebuilder:validation:MaxLength=256
	// +required
	ConfigDigest string `json:"configDigest"`
	// RenderDigest is the digest of post renderers and common metadata; empty when there are none.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	RenderDigest string `json:"renderDigest,omitempty"`
	// SettingsDigest is the digest of the settings it failed under: timeouts, waits, tests, health checks and remediation.
	// With others it is tried again.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	SettingsDigest string `json:"settingsDigest,omitempty"`
	// Reason in the words of the conditions.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Reason string `json:"reason"`
	// Since is when it was found to be bad.
	// +required
	Since metav1.Time `json:"since"`
}

// SkippedChart is a chart that a release does not take, because it failed with the present values.
type SkippedChart struct {
	// ChartVersion of the chart.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	ChartVersion string `json:"chartVersion"`
	// ChartDigest is the exact chart.
	// +kubebuilder:validation:MaxLength=256
	// +required
	ChartDigest string `json:"chartDigest"`
	// Reason in the words of the conditions.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Reason string `json:"reason"`
	// Since is when it was found to be bad.
	// +required
	Since metav1.Time `json:"since"`
}

// Reasons why a release does not take a chart that its source has.
const (
	// HeldByFreeze: a ReleaseFreeze applies.
	HeldByFreeze = "Frozen"
	// HeldByWave: the wave of the release in a stage of a pipeline is not open.
	HeldByWave = "Wave"
	// HeldByWindow: no window of spec.sync is open.
	HeldByWindow = "SyncWindow"
	// HeldByValues: the chart and the shared values that the stage of a pipeline has are not there together yet.
	HeldByValues = "SharedValues"
)

// HeldChart is a chart that the source of a release has, and that the release does not take for now. With the reason
// SyncWindow it can be the chart that the release has, which the controller would upgrade to other values.
type HeldChart struct {
	// ChartVersion of the chart.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	ChartVersion string `json:"chartVersion"`
	// ChartDigest is the exact chart.
	// +kubebuilder:validation:MaxLength=256
	// +required
	ChartDigest string `json:"chartDigest"`
	// Reason is Frozen, Wave, SharedValues or SyncWindow.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Reason string `json:"reason"`
	// Message says what the release waits for.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	Message string `json:"message"`
	// Until is when the release looks again without an event; absent when only an event helps.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// Bake is the watch over a revision that has rolled out and is not verified yet.
type Bake struct {
	// Revision that is watched.
	// +required
	Revision int32 `json:"revision"`
	// Until is when it is verified if it stays healthy. While the object is suspended the time does not pass.
	// +required
	Until metav1.Time `json:"until"`
	// BadSince is since when it has not been healthy, without a break; empty while it is.
	// +optional
	BadSince *metav1.Time `json:"badSince,omitempty"`
	// SuspendedAt is when the object was suspended; empty when it is not.
	// +optional
	SuspendedAt *metav1.Time `json:"suspendedAt,omitempty"`
}

// AutomaticRollback is one rollback that was not asked for by a user.
type AutomaticRollback struct {
	// At is when it ended.
	// +required
	At metav1.Time `json:"at"`
	// From is the revision that was bad.
	// +required
	From int32 `json:"from"`
	// To is the revision that it went back to.
	// +required
	To int32 `json:"to"`
	// Reason in the words of the conditions.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Reason string `json:"reason"`
}

// RollbackRequestAnnotation asks to go back to a revision and to stay there, as a JSON object RollbackRequest.
const RollbackRequestAnnotation = "fairlead.dev/rollback"

// RollbackRequest is the content of RollbackRequestAnnotation. It holds as long as the desired input is the one it was
// made against: a new chart, other values or other post renderers end it.
// +kubebuilder:object:generate=false
type RollbackRequest struct {
	// Revision to go back to.
	Revision int `json:"revision"`
	// Reason in the words of the user.
	Reason string `json:"reason,omitempty"`
	// InputDigest is status.inputDigest at the time of the request.
	InputDigest string `json:"inputDigest"`
}

// Verified names the last revision that rolled out, passed its tests where it has any, and stayed healthy while it
// baked.
type Verified struct {
	// Revision of the Helm release.
	// +required
	Revision int32 `json:"revision"`
	// ChartDigest is the exact chart; empty when another Helm client made the revision.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ChartDigest string `json:"chartDigest,omitempty"`
	// ConfigDigest is the digest of the values.
	// +kubebuilder:validation:MaxLength=256
	// +required
	ConfigDigest string `json:"configDigest"`
	// At is when the revision was verified.
	// +required
	At metav1.Time `json:"at"`
}
