package status

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// outcomes are the reasons of Ready=False that say how an action ended. Any other is about what was missing before one.
var outcomes = map[string]bool{
	v1beta1.InstallFailedReason: true, v1beta1.UpgradeFailedReason: true, v1beta1.TestFailedReason: true,
	v1beta1.RollbackSucceededReason: true, v1beta1.RollbackFailedReason: true,
	v1beta1.UninstallSucceededReason: true, v1beta1.UninstallFailedReason: true,
	v1beta1.RenderFailedReason: true, v1beta1.SchemaFailedReason: true, v1beta1.ArtifactFailedReason: true,
	v1beta1.StorageErrorReason: true, v1beta1.CRDsFailedReason: true, v1beta1.AccessDeniedReason: true,
	v1beta1.PreflightRejectedReason: true, v1beta1.ClusterUnreachableReason: true,
	v1beta1.RenderingLimitExceededReason: true, v1beta1.InternalErrorReason: true, v1beta1.CancelledReason: true,
}

// ReleaseSettled records a plan that leaves nothing to do, or nothing for now.
func ReleaseSettled(hr *v1beta1.HelmRelease, p plan.Plan, history []plan.Record, now time.Time) {
	hr.Status.ObservedGeneration = hr.Generation
	windowHolds(hr, p)
	if p.Step == plan.Wait {
		waits(hr, p, now)
		return
	}

	if p.Held == nil {
		hr.Status.Adoption = nil // there is no upgrade that it would precede
		hr.Status.Plan = nil
	}
	if record(hr, p.Target, history, "") {
		hr.Status.Inventory = nil // another Helm client made the revision
	}

	newest := hr.Status.Latest()
	if newest == nil {
		return
	}

	w := current(hr, now)
	if p.Reason == v1beta1.RolledBackReason {
		keepRequested(hr, p, w)
		return
	}

	if p.Baking {
		bakes(hr, p, w)
	} else {
		markGood(hr, w)
	}

	reason := succeeded(*newest)
	message := describeRecorded(*newest, history)
	w.set(v1beta1.ReleasedCondition, metav1.ConditionTrue, reason, message)
	message += testResult(w, p.Tested, *newest)
	if p.Reason == plan.ReasonWithdrawn {
		message += "; " + p.Message
	}
	if p.Note != "" {
		message += "; " + p.Note
	}

	w.ready(reason, message)
}

// testResult sets the condition TestSuccess of a release that is Ready, and returns what to add to the message.
func testResult(w writer, t plan.Tested, newest v1beta1.Snapshot) string {
	switch t {
	case plan.TestsPassed:
		w.set(v1beta1.TestSuccessCondition, metav1.ConditionTrue, v1beta1.TestSucceededReason, fmt.Sprintf("the tests of revision %d passed", newest.Version))
		return "; its tests passed"
	case plan.TestsFailed:
		had := meta.FindStatusCondition(w.object.GetConditions(), v1beta1.TestSuccessCondition)
		if had == nil || had.Status != metav1.ConditionFalse {
			w.set(v1beta1.TestSuccessCondition, metav1.ConditionFalse, v1beta1.TestFailedReason, fmt.Sprintf("the tests of revision %d failed", newest.Version))
		} else {
			w.set(v1beta1.TestSuccessCondition, metav1.ConditionFalse, v1beta1.TestFailedReason, had.Message)
		}

		return "; its tests failed, which is ignored"
	default:
		w.unset(v1beta1.TestSuccessCondition)
		return ""
	}
}

// waits records that nothing is done for now, or until a user helps. The failure behind it was reported when it
// happened; it is reported again when something else has been said in between.
func waits(hr *v1beta1.HelmRelease, p plan.Plan, now time.Time) {
	if p.Reason == v1beta1.PendingReleaseReason || p.Reason == v1beta1.AdoptionHeldReason {
		Retrying(hr, p.Reason, p.Message, now)
		return
	}

	if p.Reason == v1beta1.AwaitingApprovalReason {
		awaits(hr, p, current(hr, now))
		return
	}

	if p.Held != nil {
		waitsForWindow(hr, p, current(hr, now))
		return
	}

	if p.Reason == v1beta1.OwnedByOtherReason {
		disowned(hr, p, current(hr, now))
		return
	}

	if p.Stalled && p.Reason == plan.ReasonFailed {
		return // Stalled is what this plan was read from
	}

	w := current(hr, now)
	reason, message := readyFailure(hr, p)
	if p.Reason == v1beta1.MissingRollbackTargetReason && p.To > 0 {
		reason = p.Reason
		message = p.Message // the request of a user
	}

	if !p.Stalled {
		w.retrying(reason, message)
		return
	}

	w.stalled(reason, message)
	w.set(v1beta1.StalledCondition, metav1.ConditionTrue, p.Reason, p.Message)
}

// awaits records that the next revision waits for an approval. The one that runs keeps baking meanwhile.
func awaits(hr *v1beta1.HelmRelease, p plan.Plan, w writer) {
	bake := hr.Status.Bake
	newest := hr.Status.Latest()
	switch {
	case p.Bake != nil:
		bakes(hr, *p.Bake, w)
	case bake != nil && newest != nil && bake.Revision == newest.Version && !w.now.Before(bake.Until.Time):
		markGood(hr, w)
	}
	w.awaiting(p.Reason, p.Message)
}

// readyFailure is what Ready says, or should say, of the failure that is waited on.
func readyFailure(hr *v1beta1.HelmRelease, p plan.Plan) (reason, message string) {
	ready := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.ReadyCondition)
	if ready != nil && ready.Status == metav1.ConditionFalse && outcomes[ready.Reason] {
		return ready.Reason, ready.Message
	}

	next := p.Message
	if !p.Stalled {
		next = "the controller retries later, or when the chart, the values or the spec change"
	}
	if c := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.RemediatedCondition); c != nil {
		return c.Reason, joined(c.Message, next)
	}

	for _, kind := range []string{v1beta1.TestSuccessCondition, v1beta1.ReleasedCondition} {
		if c := meta.FindStatusCondition(hr.Status.Conditions, kind); c != nil && c.Status == metav1.ConditionFalse {
			return c.Reason, joined(c.Message, next)
		}
	}

	reason = v1beta1.UpgradeFailedReason
	if hr.Status.LastAttemptedReleaseAction == string(plan.Install) {
		reason = v1beta1.InstallFailedReason
	}

	return reason, joined(fmt.Sprintf("the last attempt, with chart version %s, failed", hr.Status.LastAttemptedRevision), next)
}
