package status

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	kustomization "fairlead.dev/fairlead/helmops/kustomize/plan"
)

// KustomizationOverridden records that a request to override the windows was handled.
func KustomizationOverridden(k *v1beta1.Kustomization, token string) {
	k.Status.LastHandledOverrideAt = token
}

// KustomizationHolds records the revision that is not applied for now; the zero value is none. It reports whether that
// is news.
func KustomizationHolds(k *v1beta1.Kustomization, h kustomization.Held) (news bool) {
	if h == (kustomization.Held{}) {
		k.Status.Held = nil
		return false
	}

	news = k.Status.Held == nil || k.Status.Held.Message != h.Message
	held := &v1beta1.HeldRevision{Revision: h.Revision, Reason: h.Reason, Message: h.Message}
	if !h.Until.IsZero() {
		until := metav1.NewTime(h.Until)
		held.Until = &until
	}

	k.Status.Held = held
	return news
}

// knowsHeld reports whether a plan says what is held: not while an attempt is being made, for example a repair of what is
// applied, and not while the inputs are being fetched or read.
func knowsHeld(p kustomization.Plan) bool {
	isReading := p.Reason == kustomization.ReasonBlocked && p.Obstacle == nil
	return p.Reason != kustomization.ReasonUnderway && !isReading
}

// kustomizationWaits records a Kustomization that was never applied, or whose last attempt failed, and that a window or
// a freeze keeps from another attempt. A failure stays the reason for not being Ready.
func kustomizationWaits(k *v1beta1.Kustomization, h kustomization.Held, now time.Time) {
	k.Status.ObservedGeneration = k.Generation
	w := current(k, now)
	ready := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ReadyCondition)
	if k.Status.Failures == 0 || ready == nil || ready.Status != metav1.ConditionFalse {
		w.awaiting(v1beta1.SyncWindowClosedReason, h.Message)
		return
	}

	message := ready.Message
	if !strings.Contains(message, h.Message) {
		message = joined(message, h.Message)
	}

	w.retrying(ready.Reason, message)
}

// kustomizationNotes adds to the message of Ready what is held.
func kustomizationNotes(k *v1beta1.Kustomization, p kustomization.Plan, now time.Time) {
	note := p.Note
	if p.Held.Message != note {
		note = strings.TrimPrefix(joined(note, p.Held.Message), "; ")
	}

	ready := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ReadyCondition)
	if note == "" || ready == nil {
		return
	}

	current(k, now).set(v1beta1.ReadyCondition, ready.Status, ready.Reason, joined(ready.Message, note))
}
