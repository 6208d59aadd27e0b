package status

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/warning"
	"fairlead.dev/fairlead/helmops/plan"
)

// Outcome is how an action of the engine ended.
type Outcome struct {
	// Step that was taken; for one that finished or took over an action, that action.
	Step plan.Step
	// Reason of the plan.
	Reason string
	Target plan.Target
	// Generation, Chart, ConfigDigest and RenderDigest are the input it was made with.
	Generation   int64
	Chart        v1beta1.ChartRevision
	ConfigDigest string
	RenderDigest string
	// Shared are the shared values of a pipeline in it; nil without them.
	Shared *v1beta1.SharedValues
	// Failure is nil on success.
	Failure *Failure
	// Reached reports whether the action wrote a release record.
	Reached bool
	// Planned is the answer of a Preview; nil without one. PlanChanged is set when the action would have done something
	// else than was approved, and did nothing.
	Planned     *v1beta1.PlanStatus
	PlanChanged bool
	// Equal is the answer of a Compare.
	Equal bool
	// Tested is what the tests of the newest revision say; IgnoresTests is set when it does not matter that they
	// failed.
	Tested       plan.Tested
	IgnoresTests bool
	// History is what is in storage now, newest first; nil with HistoryUnknown set when it could not be read.
	History        []plan.Record
	HistoryUnknown bool
	// Inventory of the newest revision; InventoryUnknown is set when it was not read.
	Inventory        []v1beta1.ResourceRef
	InventoryUnknown bool
	// Next says what happens next after a failure, for messages. It is called with the object when everything else of
	// the outcome was recorded in it. Nil says nothing.
	Next func(after *v1beta1.HelmRelease) string
	// Settings is the digest of the settings that the input was tried under.
	Settings string
	// Cause is what a rollback undoes when that is not a failed action.
	Cause string
	// NotAttributable says why a failure is not held against its input; empty when it is.
	NotAttributable string
	// Kept are objects that are no longer wanted and were not deleted, StillKept those that were kept before and have
	// no owner yet. KeptKnown is set when that was looked for.
	Kept, StillKept []v1beta1.KeptObject
	KeptKnown       bool
	// Dropped names the objects of which the API server did not keep all that the action wrote, with the fields.
	Dropped []string
	// Warned are objects that the API server took with warnings, masked.
	Warned []warning.Object
	// Drift is how the objects in Looked, or all of them, differed before they were corrected.
	Drift  []v1beta1.ObjectDrift
	Looked []v1beta1.ResourceRef
	// To is the revision that a rollback went back to.
	To int
	// SyncRequest is the token of the request to sync some objects that there was when the action began; empty for none.
	SyncRequest string
}

// input is what the action was made with.
func (o Outcome) input() plan.Input {
	return plan.Input{Chart: o.Chart.Digest, Config: o.ConfigDigest, Render: o.RenderDigest}
}

// ReleaseBlocked records why nothing can be planned for a release: a missing source, values, a dependency. What runs
// stays.
func ReleaseBlocked(hr *v1beta1.HelmRelease, f Failure, now time.Time) {
	hr.Status.ObservedGeneration = hr.Generation
	if f.Final {
		Stalled(hr, f.Reason, f.Message, now)
		return
	}
	Retrying(hr, f.Reason, f.Message, now)
}

// ReleaseReset forgets the failures of a release, so that a stalled release is retried.
func ReleaseReset(hr *v1beta1.HelmRelease, token string, now time.Time) {
	hr.Status.LastHandledResetAt = token
	hr.Status.KnownBad = nil
	hr.Status.Skipped = nil
	hr.Status.Cancelled = nil
	forgive(hr)
	current(hr, now).unset(v1beta1.StalledCondition)
}

// ReleaseProgress records that an action is under way.
func ReleaseProgress(hr *v1beta1.HelmRelease, p plan.Plan, now time.Time) {
	verb := map[plan.Step]string{
		plan.Install: "installing", plan.Upgrade: "upgrading", plan.Uninstall: "uninstalling", plan.Unlock: "unlocking",
		plan.Rollback: "rolling back", plan.Test: "testing", plan.Compare: "comparing", plan.Preview: "planning", plan.Claim: "claiming",
	}[p.Action()]
	Progressing(hr, fmt.Sprintf("%s %s/%s: %s", verb, p.Target.Namespace, p.Target.Name, p.Message), now)
}

// ReleaseDone records how an action ended, and returns the event that reports it; one without a reason is not worth
// telling.
func ReleaseDone(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	return recordDone(hr, o, now).As(ActionOf(o.Step))
}

func recordDone(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	before := takeOver(hr, o)
	if o.PlanChanged && hr.Status.Plan != nil {
		hr.Status.Plan.ExpiresAt = metav1.NewTime(now) // the controller computes it again
	}
	if o.Failure != nil && o.Failure.Superseded {
		return superseded(hr, o, now)
	}
	if o.Failure != nil && o.Failure.Cancelled {
		return cancelled(hr, o, now)
	}

	markLimited(hr, o, now)
	switch o.Step {
	case plan.Install, plan.Upgrade:
		return released(hr, o, before, now)
	case plan.Rollback:
		return rolledBack(hr, o, now)
	case plan.Correct, plan.Inspect:
		return inspected(hr, o, now)
	case plan.Test:
		return tested(hr, o, now)
	case plan.Uninstall:
		return uninstalled(hr, o, now)
	case plan.Compare:
		return compared(hr, o, now)
	case plan.Preview:
		return planned(hr, o, now)
	case plan.Claim:
		return claimed(hr, o, now)
	default:
		return unlocked(hr, o, now)
	}
}

// superseded records an action that ended because something else is wanted by now, or because another Helm client has
// begun one. It is no failure of its input.
func superseded(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	message := fmt.Sprintf("%s of %s/%s was superseded: %s; the controller reconciles the new desired state", o.Step, o.Target.Namespace, o.Target.Name,
		o.Failure.Message)
	Progressing(hr, message, now)
	return Event{Reason: v1beta1.ProgressingReason, Message: message}
}

// released records the end of an install or upgrade. The event begins with what it replaced.
func released(hr *v1beta1.HelmRelease, o Outcome, before string, now time.Time) Event {
	attempt(hr, o, string(o.Step), now)
	hr.Status.ObservedGeneration = o.Generation
	w := writer{object: hr, generation: o.Generation, now: now}
	if o.Failure != nil {
		return notReleased(hr, o, w)
	}

	hr.Status.Adoption = nil
	hr.Status.Plan = nil
	reason := v1beta1.UpgradeSucceededReason
	if o.Step == plan.Install {
		reason = v1beta1.InstallSucceededReason
	}

	message := fmt.Sprintf("%s succeeded for %s/%s", o.Step, o.Target.Namespace, o.Target.Name)
	if newest := hr.Status.Latest(); newest != nil {
		message = describeRecorded(*newest, o.History)
	}

	event := Event{Reason: reason, Message: before + message}
	w.set(v1beta1.ReleasedCondition, metav1.ConditionTrue, reason, message)
	w.unset(v1beta1.RemediatedCondition)
	if o.Tested == plan.Untested {
		awaited := message + "; it is Ready when its tests have passed"
		w.set(v1beta1.TestSuccessCondition, metav1.ConditionUnknown, v1beta1.AwaitingTestsReason, awaited)
		w.progressing(awaited)
		return event
	}

	w.unset(v1beta1.TestSuccessCondition)
	markGood(hr, w)
	w.ready(reason, message)
	return event
}

func notReleased(hr *v1beta1.HelmRelease, o Outcome, w writer) Event {
	countFailure(hr, o, v1beta1.PhaseRollout, w.now)
	w.set(v1beta1.VerifiedCondition, metav1.ConditionFalse, v1beta1.NotVerifiedReason, fmt.Sprintf("%s %s failed before it could be verified",
		o.Chart.Name, o.Chart.Version))
	message := fmt.Sprintf("%s of %s/%s to %s %s failed: %s", o.Step, o.Target.Namespace, o.Target.Name, o.Chart.Name,
		o.Chart.Version, o.Failure.Message)
	if o.Reached {
		w.set(v1beta1.ReleasedCondition, metav1.ConditionFalse, o.Failure.Reason, message)
		w.unset(v1beta1.TestSuccessCondition)
		w.unset(v1beta1.RemediatedCondition)
	} else {
		message += "; nothing in the cluster was changed"
	}

	message = joined(message, adviceRelease(*o.Failure, hr.Status.Failures))
	return w.failed(hr, o, *o.Failure, message)
}

// tested records the end of the tests of the newest revision.
func tested(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	hr.Status.ObservedGeneration = o.Generation
	w := writer{object: hr, generation: o.Generation, now: now}
	newest := hr.Status.Latest()
	switch {
	case o.Tested == plan.TestsPassed && newest != nil:
		message := "the tests of revision " + fmt.Sprint(newest.Version) + " passed"
		w.set(v1beta1.TestSuccessCondition, metav1.ConditionTrue, v1beta1.TestSucceededReason, message)
		markGood(hr, w)
		w.ready(succeeded(*newest), describeRecorded(*newest, o.History)+"; its tests passed")
		return Event{Reason: v1beta1.TestSucceededReason, Message: fmt.Sprintf("%s/%s: %s", o.Target.Namespace, o.Target.Name, message)}
	case o.Tested == plan.TestsFailed && newest != nil:
		return testsFailed(hr, o, w)
	}

	message := fmt.Sprintf("the tests of %s/%s did not run", o.Target.Namespace, o.Target.Name)
	f := Failure{Reason: v1beta1.TestFailedReason}
	if o.Failure != nil {
		f = *o.Failure
		message += ": " + f.Message
	}

	failedAgain(hr, o, now)
	w.set(v1beta1.TestSuccessCondition, metav1.ConditionUnknown, v1beta1.AwaitingTestsReason, message)
	return w.failed(hr, o, f, message)
}

func testsFailed(hr *v1beta1.HelmRelease, o Outcome, w writer) Event {
	newest := hr.Status.Latest()
	message := fmt.Sprintf("the tests of %s/%s revision %d, %s %s, failed", newest.Namespace, newest.Name, newest.Version,
		newest.ChartName, newest.ChartVersion)
	if o.Failure != nil {
		message += ": " + o.Failure.Message
	}

	w.set(v1beta1.TestSuccessCondition, metav1.ConditionFalse, v1beta1.TestFailedReason, message)
	if o.IgnoresTests {
		markGood(hr, w)
		w.ready(succeeded(*newest), describeRecorded(*newest, o.History)+"; its tests failed, which is ignored")
		return Event{Warning: true, Reason: v1beta1.TestFailedReason, Message: message}
	}

	action := hr.Status.LastAttemptedReleaseAction
	if action == "" {
		action = string(plan.Upgrade)
		if newest.Version == 1 {
			action = string(plan.Install)
		}
	}

	attempt(hr, o, action, w.now)
	o.Step, o.Reached = plan.Step(action), true
	countFailure(hr, o, v1beta1.PhaseTest, w.now)
	w.set(v1beta1.VerifiedCondition, metav1.ConditionFalse, v1beta1.NotVerifiedReason, message)
	w.unset(v1beta1.RemediatedCondition)
	return w.failed(hr, o, Failure{Reason: v1beta1.TestFailedReason}, message)
}

// unlocked leaves a release whose newest revision counts as failed, so it is not Ready until the next action has ended.
func unlocked(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	what := fmt.Sprintf("the pending revision of %s/%s", o.Target.Namespace, o.Target.Name)
	if o.Failure != nil {
		failedAgain(hr, o, now)
		message := fmt.Sprintf("unlocking %s failed: %s; the controller retries %s", what, o.Failure.Message,
			Later(plan.RetryDelay(failuresBeside(hr)), now))
		Retrying(hr, v1beta1.PendingReleaseReason, message, now)
		return Event{Warning: true, Reason: v1beta1.PendingReleaseReason, Message: message}
	}

	message := "marked " + what + " as failed; the controller continues from there"
	Progressing(hr, message, now)
	return Event{Reason: v1beta1.PendingReleaseReason, Message: message}
}

// compared records whether a revision of another Helm client is as wanted. When it is, what it was made from is
// noted with it, so that it is not compared again.
func compared(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	if o.Failure != nil {
		attempt(hr, o, string(plan.Upgrade), now)
		hr.Status.Failures++
		w := writer{object: hr, generation: o.Generation, now: now}
		return w.failed(hr, o, *o.Failure, fmt.Sprintf("comparing %s/%s with %s %s failed: %s", o.Target.Namespace, o.Target.Name,
			o.Chart.Name, o.Chart.Version, o.Failure.Message))
	}

	newest := hr.Status.Latest()
	if !o.Equal || newest == nil {
		return Event{}
	}

	newest.ChartDigest = o.Chart.Digest
	newest.RenderDigest = o.RenderDigest
	return Event{Reason: v1beta1.AdoptedReason, Message: fmt.Sprintf("%s/%s revision %d of another Helm client is as wanted and was taken over",
		newest.Namespace, newest.Name, newest.Version)}
}

// succeeded is the reason of a release whose newest revision is good.
func succeeded(s v1beta1.Snapshot) string {
	if s.Version == 1 || s.Action == string(plan.Install) {
		return v1beta1.InstallSucceededReason
	}
	return v1beta1.UpgradeSucceededReason
}
