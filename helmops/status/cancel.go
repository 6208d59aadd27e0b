package status

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// cancelled records a step that a user ended. It is no failure of its input: nothing is counted against that, and
// neither a retry nor a rollback follows.
func cancelled(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	token, reason := v1beta1.CancelRequest(hr, hr.Status.LastHandledCancelAt)
	if o.Step == plan.Install || o.Step == plan.Upgrade {
		attempt(hr, o, string(o.Step), now)
	}

	hr.Status.ObservedGeneration = o.Generation
	hr.Status.Cancelled = &v1beta1.CancelledStep{
		RequestedAt: token, Reason: reason, Action: string(o.Step), ChartVersion: o.Chart.Version,
		ChartDigest: o.Chart.Digest, ConfigDigest: o.ConfigDigest, RenderDigest: o.RenderDigest,
		SettingsDigest: o.Settings, At: metav1.NewTime(now),
	}
	if o.Step == plan.Rollback && o.Reason == v1beta1.RolledBackReason {
		hr.Status.Cancelled.Revision = v1beta1.Number(o.To)
	}

	message := o.describeCancelled(reason)
	w := writer{object: hr, generation: o.Generation, now: now}
	if o.Reached && o.Step != plan.Test {
		w.set(v1beta1.ReleasedCondition, metav1.ConditionFalse, v1beta1.CancelledReason, message)
		w.unset(v1beta1.TestSuccessCondition)
	}

	w.set(v1beta1.VerifiedCondition, metav1.ConditionFalse, v1beta1.NotVerifiedReason, message)
	w.stalled(v1beta1.CancelledReason, message+"; "+plan.CancelledUntil)
	return Event{Reason: v1beta1.CancelledReason, Message: message}
}

// describeCancelled says which step a user cancelled, why, and what it was doing.
func (o Outcome) describeCancelled(reason string) string {
	what := fmt.Sprintf("%s of %s/%s", o.Step, o.Target.Namespace, o.Target.Name)
	switch o.Step {
	case plan.Install, plan.Upgrade:
		what += fmt.Sprintf(" to %s %s", o.Chart.Name, o.Chart.Version)
	case plan.Rollback:
		what += fmt.Sprintf(" to revision %d", o.To)
	default:
	}

	return fmt.Sprintf("%s was cancelled%s: %s", what, reasonGiven(reason), o.Failure.Message)
}

// CancelAnswered records that the request to cancel a step was handled, whether or not a step was running. It asked for
// nothing else.
func CancelAnswered(hr *v1beta1.HelmRelease) {
	token, _ := v1beta1.CancelRequest(hr, hr.Status.LastHandledCancelAt)
	if token != "" {
		hr.Status.LastHandledCancelAt = token
	}
}
