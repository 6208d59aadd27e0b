package status

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Applied is how applying the objects of a Kustomization ended.
type Applied struct {
	// Generation of the Kustomization, Revision of the source, and Digest of the set that was applied.
	Generation       int64
	Revision, Digest string
	// Artifact is the digest of the archive of the source.
	Artifact string
	// Departing is set when the Kustomization is being deleted, and the attempt deletes its objects.
	Departing bool
	// Inventory of what is in the cluster by now; nil when it is as before.
	Inventory []v1beta1.ResourceRef
	// Created, Changed, Deleted and Corrected name objects; what was corrected had been changed by another client.
	Created, Changed, Deleted, Corrected []string
	// Kept names objects that were not deleted, or not corrected, with the reason.
	Kept []string
	// Retained were not deleted, because data would be lost with them; StillRetained were retained before and have
	// no owner yet. RetainedKnown is set when that was looked for.
	Retained, StillRetained []v1beta1.KeptObject
	RetainedKnown           bool
	// Unconfirmed are objects whose deletion waits for a user; nil for none.
	Unconfirmed *v1beta1.UnconfirmedPrune
	// Dropped names objects of which the API server did not keep all that was written, with the fields.
	Dropped []string
	// Released are objects that others may take over; nil when there are none, or when a failure left that open.
	Released *v1beta1.ReleasedObjects
	// Failure is why not all of it was applied; nil when it was.
	Failure *Failure
	// Next says what follows a failure.
	Next string
	// Request and Forced are the tokens of the requests that the attempt answers; an empty Forced answers none.
	Request, Forced string
}

// KustomizationApplied records how applying ended. The event has no reason when there is nothing worth telling.
func KustomizationApplied(k *v1beta1.Kustomization, o Applied, now time.Time) Event {
	action := ActionApply
	if o.Departing {
		action = ActionPrune
	}
	return recordApplied(k, o, now).As(action)
}

func recordApplied(k *v1beta1.Kustomization, o Applied, now time.Time) Event {
	w := writer{object: k, generation: o.Generation, now: now}
	k.Status.ObservedGeneration = o.Generation
	answered(k, o)
	if o.Inventory != nil {
		k.Status.Inventory = inventoryOf(o.Inventory)
	}
	if o.RetainedKnown {
		k.Status.Kept = kept(o.StillRetained, o.Retained)
	}
	if o.Failure == nil || o.Released != nil {
		k.Status.Released = o.Released
	}

	again := k.Status.LastAttemptedDigest == o.Digest
	k.Status.LastAttemptedRevision = o.Revision
	k.Status.LastAttemptedDigest = o.Digest
	k.Status.LimitExceeded = nil
	if !o.Departing {
		k.Status.Cancelled = nil
	}
	if o.Failure != nil && o.Failure.Cancelled {
		return attemptCancelled(k, o, w)
	}
	if o.Failure != nil {
		return notApplied(k, o, again, w)
	}

	return appliedAll(k, o, again, w)
}

// appliedAll records an attempt that applied everything.
func appliedAll(k *v1beta1.Kustomization, o Applied, again bool, w writer) Event {
	news := len(o.Created)+len(o.Changed)+len(o.Deleted)+len(o.Corrected) > 0
	if news || !again || k.Status.Failures > 0 || k.Status.LastAttemptedAt == nil {
		at := metav1.NewTime(w.now)
		k.Status.LastAttemptedAt = &at
	}

	k.Status.Failures = 0
	k.Status.LastAppliedRevision = o.Revision
	k.Status.LastAppliedDigest = o.Digest
	k.Status.Plan = nil
	k.Status.LastAppliedArtifact = o.Artifact
	drifted(o, w)
	asks := unconfirmed(k, o, w)
	if !news && len(o.Kept) == 0 {
		return asks
	}

	event := Event{Reason: v1beta1.AppliedReason, Message: joined(o.Revision+" applied: "+o.describe(), asks.Message)}
	if !news { // told when it began
		event.Reason = ""
	}
	if len(o.Corrected) > 0 && len(o.Created)+len(o.Changed)+len(o.Deleted) == 0 {
		event = Event{Warning: true, Reason: v1beta1.DriftCorrectedReason, Message: "corrected, because another client had changed it: " + strings.Join(o.Corrected, ", ")}
	}

	return event
}

// answered records the requests that an attempt answers.
func answered(k *v1beta1.Kustomization, o Applied) {
	k.Status.LastHandledReconcileAt = o.Request
	if o.Forced != "" {
		k.Status.LastHandledForceAt = o.Forced
	}
}

func inventoryOf(entries []v1beta1.ResourceRef) *v1beta1.ResourceInventory {
	return &v1beta1.ResourceInventory{Entries: entries}
}

func notApplied(k *v1beta1.Kustomization, o Applied, again bool, w writer) Event {
	if !again {
		k.Status.Failures = 0
	}

	k.Status.Failures++
	at := metav1.NewTime(w.now)
	k.Status.LastAttemptedAt = &at
	message := o.Revision + " is not applied: " + o.Failure.Message
	if o.Departing {
		message = "the objects are not deleted: " + o.Failure.Message
	}

	stays := ""
	if done := o.describe(); done != "" {
		message += "; by then: " + done
		stays = "the rest of "
	}

	if last := k.Status.LastAppliedRevision; last != "" && last != o.Revision {
		message += "; " + stays + last + " stays applied"
	}

	message = joined(message, adviceKustomization(*o.Failure, k.Status.Failures, k.Spec.Force))
	told := Message(k)
	if o.Failure.Final {
		w.stalled(o.Failure.Reason, joined(message, o.Next))
	} else {
		w.retrying(o.Failure.Reason, joined(message, o.Next))
	}

	if o.Failure.Final && o.Failure.Reason == v1beta1.RenderingLimitExceededReason {
		k.Status.LimitExceeded = &v1beta1.LimitExceeded{Digest: o.Digest, Message: Message(k)}
	}
	if told == message || strings.HasPrefix(told, message+"; ") {
		return Event{}
	}

	return Event{Warning: true, Reason: o.Failure.Reason, Message: message}
}

// drifted sets the condition Drifted: True while an object differs that is left alone.
func drifted(o Applied, w writer) {
	switch {
	case len(o.Kept) > 0:
		w.set(v1beta1.DriftedCondition, metav1.ConditionTrue, v1beta1.DriftDetectedReason, "left as it is: "+enumerate(o.Kept[:min(len(o.Kept), maxObjects)], len(o.Kept)))
	case len(o.Corrected) > 0:
		w.set(v1beta1.DriftedCondition, metav1.ConditionFalse, v1beta1.DriftCorrectedReason, "corrected: "+named(o.Corrected))
	default:
		w.set(v1beta1.DriftedCondition, metav1.ConditionFalse, v1beta1.NoDriftReason, "every object is as its manifest says")
	}
}

func (o Applied) describe() string {
	var parts []string
	for _, part := range []struct {
		what    string
		objects []string
	}{{"created", o.Created}, {"changed", o.Changed}, {"deleted", o.Deleted}, {"corrected", o.Corrected}, {"left as it is", o.Kept}} {
		if len(part.objects) > 0 {
			parts = append(parts, part.what+" "+named(part.objects))
		}
	}

	return strings.Join(parts, "; ")
}

// named names the first few objects, and says how many there are beside.
func named(objects []string) string {
	text := strings.Join(objects[:min(len(objects), maxNamed)], ", ")
	if len(objects) > maxNamed {
		text += fmt.Sprintf(" and %d more", len(objects)-maxNamed)
	}
	return text
}

// KustomizationHealth sets the condition Healthy.
func KustomizationHealth(k *v1beta1.Kustomization, h Health, now time.Time) {
	w := current(k, now)
	switch {
	case !h.Known:
		w.set(v1beta1.HealthyCondition, metav1.ConditionUnknown, v1beta1.HealthUnknownReason, "the objects cannot be watched at present")
	case len(h.Objects) == 0:
		k.Status.Unhealthy = nil
		w.set(v1beta1.HealthyCondition, metav1.ConditionTrue, v1beta1.HealthyReason, fmt.Sprintf("all %d objects are healthy", h.Of))
	default:
		if worst := h.Objects[:min(len(h.Objects), maxObjects)]; !reflect.DeepEqual(worst, k.Status.Unhealthy) {
			k.Status.Unhealthy = worst
		}
		w.set(v1beta1.HealthyCondition, metav1.ConditionFalse, v1beta1.UnhealthyReason, fmt.Sprintf("%d of %d objects are not healthy: %s",
			len(h.Objects), h.Of, DescribeHealth(h.Objects)))
	}
}
