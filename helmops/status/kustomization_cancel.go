package status

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// untilAsked says what makes the controller apply a revision after a user cancelled that.
const untilAsked = "the controller applies it again when the source, the spec or what it names changes, or when " +
	"fairlead reconcile asks for it"

// attemptCancelled records an attempt that a user ended before everything was applied. It is no failure.
func attemptCancelled(k *v1beta1.Kustomization, o Applied, w writer) Event {
	k.Status.Failures = 0
	at := metav1.NewTime(w.now)
	k.Status.LastAttemptedAt = &at
	cancelledAttempt(k, v1beta1.CancelledApply, o.Revision, o.Digest, w.now)
	message := fmt.Sprintf("applying %s was cancelled%s", o.Revision, reasonGiven(k.Status.Cancelled.Reason))
	if done := o.describe(); done != "" {
		message += "; by then: " + done
	}
	if last := k.Status.LastAppliedRevision; last != "" && last != o.Revision {
		message += "; the rest of " + last + " stays applied"
	}

	w.stalled(v1beta1.CancelledReason, joined(message, untilAsked))
	return Event{Reason: v1beta1.CancelledReason, Message: message}
}

// KustomizationWaitCancelled records that a user ended the wait for the health of what is applied. The Kustomization is
// Ready all the same once its objects are healthy.
func KustomizationWaitCancelled(k *v1beta1.Kustomization, now time.Time) Event {
	cancelledAttempt(k, v1beta1.CancelledWait, k.Status.LastAppliedRevision, k.Status.LastAppliedDigest, now)
	return Event{
		Action: ActionApply, Reason: v1beta1.CancelledReason,
		Message: fmt.Sprintf("the wait for the health of %s was cancelled%s", k.Status.LastAppliedRevision,
			reasonGiven(k.Status.Cancelled.Reason)),
	}
}

func cancelledAttempt(k *v1beta1.Kustomization, action, revision, digest string, now time.Time) {
	token, reason := v1beta1.CancelRequest(k, k.Status.LastHandledCancelAt)
	k.Status.Cancelled = &v1beta1.CancelledAttempt{
		RequestedAt: token, Reason: reason, Action: action, Revision: revision, Digest: digest, At: metav1.NewTime(now),
	}
	KustomizationCancelAnswered(k)
}

// KustomizationCancelAnswered records that the request to cancel was handled, whether or not an attempt was being made.
// It asked for nothing else.
func KustomizationCancelAnswered(k *v1beta1.Kustomization) {
	token, _ := v1beta1.CancelRequest(k, k.Status.LastHandledCancelAt)
	if token != "" {
		k.Status.LastHandledCancelAt = token
		k.Status.LastHandledReconcileAt = token
	}
}

// isWaitCancelled reports whether a user cancelled the wait for the health of what is applied.
func isWaitCancelled(k *v1beta1.Kustomization) bool {
	c := k.Status.Cancelled
	return c != nil && c.Action == v1beta1.CancelledWait && c.Digest == k.Status.LastAppliedDigest
}

// reasonGiven is the reason of a user as the end of what it is for; empty when none was given.
func reasonGiven(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}
