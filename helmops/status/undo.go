package status

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// rolledBack records the end of a rollback that undoes a failed upgrade. What failed stays the reason for not being
// Ready, because what runs is not what is wanted.
func rolledBack(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	hr.Status.ObservedGeneration = o.Generation
	w := writer{object: hr, generation: o.Generation, now: now}
	automatic := o.Reason != v1beta1.RolledBackReason
	if o.Reason == plan.ReasonDegraded {
		w.set(v1beta1.VerifiedCondition, metav1.ConditionFalse, v1beta1.BakeFailedReason, fmt.Sprintf("%s %s did not stay healthy: %s",
			o.Chart.Name, o.Chart.Version, o.Cause))
	}

	if o.Failure == nil && automatic {
		counts(hr, o, now)
	}

	if o.Failure != nil {
		failedAgain(hr, o, now)
		failed(hr, o, v1beta1.PhaseRollback, now)
		message := fmt.Sprintf("rollback of %s/%s failed: %s", o.Target.Namespace, o.Target.Name, o.Failure.Message)
		w.set(v1beta1.RemediatedCondition, metav1.ConditionFalse, v1beta1.RollbackFailedReason, message)
		return w.failed(hr, o, Failure{Reason: v1beta1.RollbackFailedReason}, message)
	}

	message := fmt.Sprintf("%s/%s was rolled back", o.Target.Namespace, o.Target.Name)
	if newest := hr.Status.Latest(); newest != nil {
		message = "rolled back: " + describeRecorded(*newest, o.History)
	}
	if len(o.Kept) > 0 {
		message += "; kept, because a rollback does not delete them: " + named(namesOf(o.Kept))
	}

	hr.Status.Bake = nil
	if !automatic {
		keepRequested(hr, plan.Plan{Message: message}, w)
		return Event{Reason: v1beta1.RollbackSucceededReason, Message: message}
	}

	return remediated(hr, o, w, v1beta1.RollbackSucceededReason, message)
}

// remediated records that a failed attempt was undone.
func remediated(hr *v1beta1.HelmRelease, o Outcome, w writer, reason, message string) Event {
	hr.Status.Failures = counted(hr)
	w.set(v1beta1.RemediatedCondition, metav1.ConditionTrue, reason, message)
	event := Event{Reason: reason, Message: message}
	if why := lastFailure(hr); why != "" {
		message = why + "; " + message
	}
	w.retryingNext(hr, o, reason, message)
	return event
}

func uninstalled(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	message := fmt.Sprintf("uninstalled %s/%s", o.Target.Namespace, o.Target.Name)
	remediates := o.Reason == plan.ReasonRemediation
	w := writer{object: hr, generation: o.Generation, now: now}
	if o.Failure == nil {
		hr.Status.LastVerified = nil
		if remediates {
			hr.Status.ObservedGeneration = o.Generation
			return remediated(hr, o, w, v1beta1.UninstallSucceededReason, message)
		}

		forgive(hr)
		hr.Status.LastAttemptedAt = nil
		if o.Reason != plan.ReasonDeleted { // the install that follows is the rest of this upgrade
			hr.Status.LastAttemptedReleaseAction = string(plan.Upgrade)
		}

		return Event{Reason: v1beta1.UninstallSucceededReason, Message: message}
	}

	failedAgain(hr, o, now)
	failures := failuresBeside(hr)
	message = fmt.Sprintf("uninstall of %s/%s failed: %s; attempt %d, the next one follows %s", o.Target.Namespace,
		o.Target.Name, o.Failure.Message, failures, Later(plan.RetryDelay(failures), now))
	if o.Reason == plan.ReasonDeleted && o.Failure.Reason == v1beta1.AccessDeniedReason {
		message += "; restore the ServiceAccount and its rights, or set spec.deletionPolicy to Orphan to leave the Helm release behind"
	}

	reason := o.Failure.Reason
	if remediates {
		reason = v1beta1.UninstallFailedReason
		w.set(v1beta1.RemediatedCondition, metav1.ConditionFalse, reason, message)
	}

	Retrying(hr, reason, message, now)
	return Event{Warning: true, Reason: reason, Message: message}
}

// lastFailure is what the conditions say about the attempt that was undone.
func lastFailure(hr *v1beta1.HelmRelease) string {
	for _, c := range hr.Status.Conditions {
		failed := c.Type == v1beta1.ReleasedCondition || c.Type == v1beta1.TestSuccessCondition ||
			c.Type == v1beta1.VerifiedCondition && c.Reason == v1beta1.BakeFailedReason
		if failed && c.Status == metav1.ConditionFalse {
			return c.Message
		}
	}
	return ""
}
