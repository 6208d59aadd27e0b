package plan

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/approval"
	"fairlead.dev/fairlead/helmops/window"
)

// Departure stands for the digest of the inputs of a Kustomization that is being deleted.
const Departure = "deleted"

// Desired is what a Kustomization asks for.
type Desired struct {
	Generation int64
	// Source names the source in messages.
	Source    string
	Suspended bool
	// DeletedAt is when the Kustomization was deleted; zero while it is not. Leaves is set when its objects stay then.
	DeletedAt time.Time
	Leaves    bool
	// Asked is set when the user has asked for an attempt since the last one, Cancel when the user asked to end the one
	// that is being made, or the wait for health.
	Asked, Cancel bool
	// Interval of audits, RetryInterval after failures, zero when it is left to the plan, and Timeout of attempts and
	// of waiting for health.
	Interval, RetryInterval, Timeout time.Duration
	// Audit is when to look again although nothing happened: the interval with its jitter.
	Audit time.Duration
	// AwaitsHealth is set when Ready depends on the health of objects.
	AwaitsHealth bool
	// Windows are the times in which something new is applied, and Freezes those in which no new revision of the source
	// is. Override is set when a user asked, with a reason, for one attempt in spite of windows that let users do so.
	Windows  window.Calendar
	Freezes  []Freeze
	Override bool
	// Remote is set when the objects are on the cluster of a kubeconfig.
	Remote bool
	// Sync says which plans wait for an approval. Its approvals also confirm deletions.
	Sync approval.Sync
}

// DesiredOf reads what a Kustomization asks for. audit is its interval with the jitter.
func DesiredOf(k *v1beta1.Kustomization, audit time.Duration) Desired {
	d := Desired{
		Generation:    k.Generation,
		Source:        k.Spec.SourceRef.Kind + " " + k.GetSourceKey().String(),
		Suspended:     k.Spec.Suspend,
		Leaves:        k.Spec.Suspend || k.GetDeletionPolicy() == v1beta1.DeletionPolicyOrphan,
		Asked:         askedFor(k),
		Interval:      k.GetInterval(),
		RetryInterval: k.GetRetryInterval(),
		Timeout:       k.GetTimeout(),
		Audit:         audit,
		AwaitsHealth:  k.Spec.Wait || len(k.Spec.HealthChecks) > 0,
		Remote:        k.Spec.KubeConfig != nil,
		Sync:          approval.SyncOf(k.Spec.Sync),
	}
	d.Sync.Preview = v1beta1.IsPreviewed(k)
	if token, _ := v1beta1.WindowOverride(k, k.Status.LastHandledOverrideAt); token != "" {
		d.Override = true
	}
	if token, _ := v1beta1.CancelRequest(k, k.Status.LastHandledCancelAt); token != "" {
		d.Cancel = true
	}
	if k.DeletionTimestamp != nil {
		d.DeletedAt = k.DeletionTimestamp.Time
	}

	return d
}

// askedFor reports whether the user has asked for an attempt since the last one.
func askedFor(k *v1beta1.Kustomization) bool {
	return k.Annotations[v1beta1.ReconcileRequestAnnotation] != k.Status.LastHandledReconcileAt && !v1beta1.OnlyCancels(k)
}

func (d Desired) deleting() bool { return !d.DeletedAt.IsZero() }

// Observed is what is known. A nil fact was not looked up yet.
type Observed struct {
	Attempt Attempt
	// Ready is set when the Kustomization is Ready at its present generation.
	Ready bool
	// Awaiting is set when the Kustomization says that it waits for an approval.
	Awaiting bool
	// Unconfirmed is the digest of the objects that are not deleted before a user confirms it; empty for none.
	Unconfirmed string
	// Planned is the plan of the next attempt; nil when there is none.
	Planned *Planned
	// Inventory is how many objects it has.
	Inventory int
	// Released are objects that others may take over; nil when there are none.
	Released *v1beta1.ReleasedObjects
	// Running is the attempt that is being made; nil when there is none.
	Running *Running
	// News is set when objects have just been changed.
	News bool
	// Awaited is set when what the last attempt waited for has come.
	Awaited bool
	// Freed is set when what kept the last attempt from deleting something is gone. It is known with the identity.
	Freed bool
	// Audited is when an attempt was made last, as far as this process knows.
	Audited time.Time
	// Truce is until when objects that others change again and again are left alone; zero when there are none.
	Truce time.Time
	// Repairs is from when on objects are corrected again while a plan waits; zero is now.
	Repairs time.Time
	// Replans is from when on a plan is computed again that had changed by the time of its attempt; zero is now.
	Replans time.Time

	// Approvals are the decisions of users about plans. They are looked up only while a plan waits for them.
	Approvals    *approval.Plans
	Inputs       *Inputs
	Objects      *Objects
	Takers       *Takers
	Dependencies *Dependencies
	Identity     *Identity
	Namespace    *Namespace
}

// Running is an attempt that is being made.
type Running struct {
	Elapsed time.Duration
	// Generation that it was begun with.
	Generation int64
	// Preview is set when it only finds out what applying would do, Repair when it corrects what is applied.
	Preview, Repair bool
}

// Inputs are what the objects are made from.
type Inputs struct {
	// Digest identifies them, and Revision is that of the source.
	Digest, Revision string
	// Former is the digest of the same inputs with the artifact that was applied last; empty when they have that one, or
	// when it is not known.
	Former string
	// Obstacle is why they are not known; nil when they are.
	Obstacle *Obstacle
}

// Objects is how the objects are in the cluster.
type Objects struct {
	// Known is set once all of them were seen; Blind while they cannot be watched.
	Known, Blind bool
	// Unhealthy are those that are not healthy, the worst first, and Of is how many were looked at.
	Unhealthy []v1beta1.ObjectHealth
	Of        int
	// Differs names those that are not as they were left.
	Differs []string
	// Unseen is how many are of kinds that may not be watched.
	Unseen int
	// Awaited are objects that have to be healthy for Ready and are not.
	Awaited []v1beta1.ObjectHealth
}

// Takers are the Kustomizations that may still take over objects, named for people.
type Takers struct{ Names []string }

// Dependencies is what of spec.dependsOn is not ready; Obstacle is nil when all is.
type Dependencies struct{ Obstacle *Obstacle }

// Identity is why objects cannot be deleted; Obstacle is nil when they can be.
type Identity struct{ Obstacle *Obstacle }

// Namespace is that of the Kustomization.
type Namespace struct{ Terminating bool }

// Obstacle is why nothing can be done, in the words of a condition.
type Obstacle struct {
	Reason, Message string
	// Final is set when only a change of the spec removes it.
	Final bool
	// After is when to look again; zero is at the next audit.
	After time.Duration
	// Fetching is set while the source is fetched for the first time; a Kustomization that is Ready stays so meanwhile.
	Fetching bool
	// Reading is set while an object is being read for the first time, since Took.
	Reading bool
	Took    time.Duration
}

// Attempt is the last attempt.
type Attempt struct {
	// Digest of its inputs; empty when there was none.
	Digest string
	// Applied is the digest of the inputs that were applied last, and Revision theirs.
	Applied, Revision string
	// Failures in a row.
	Failures int64
	// At is when it ended; zero when there was none.
	At time.Time
	// Stalled is set when only another input can help.
	Stalled bool
	// Limit is the digest of inputs that exceed a bound of rendering; empty when there are none.
	Limit string
	// Kept is how many objects were kept that are not wanted any more.
	Kept int
	// Cancelled is the attempt, or the wait for health, that the user cancelled; nil for none.
	Cancelled *v1beta1.CancelledAttempt
}

// AttemptOf reads the last attempt from a status.
func AttemptOf(s *v1beta1.KustomizationStatus) Attempt {
	a := Attempt{
		Digest:   s.LastAttemptedDigest,
		Applied:  s.LastAppliedDigest,
		Revision: s.LastAppliedRevision,
		Failures: s.Failures,
		Stalled:  meta.IsStatusConditionTrue(s.Conditions, v1beta1.StalledCondition),
		Kept:     len(s.Kept),

		Cancelled: s.Cancelled,
	}
	if s.LastAttemptedAt != nil {
		a.At = s.LastAttemptedAt.Time
	}
	if s.LimitExceeded != nil {
		a.Limit = s.LimitExceeded.Digest
	}

	return a
}

// since is for how long the last attempt has ended; zero when there was none.
func (a Attempt) since(now time.Time) time.Duration {
	if a.At.IsZero() {
		return 0
	}
	return now.Sub(a.At)
}

// FailuresAfter is how many attempts in a row have failed once another one with these inputs fails.
func (a Attempt) FailuresAfter(digest string) int64 {
	if a.Digest != digest {
		return 1
	}
	return a.Failures + 1
}

// keyOf is the name of a Kustomization.
func keyOf(k *v1beta1.Kustomization) types.NamespacedName {
	return types.NamespacedName{Namespace: k.Namespace, Name: k.Name}
}
