package status

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	kustomization "fairlead.dev/fairlead/helmops/kustomize/plan"
)

// KustomizationPlanned records a plan that starts no attempt. objects is how the objects are; nil when the plan did not
// need that. The event has no reason when there is nothing new to report.
func KustomizationPlanned(
	k *v1beta1.Kustomization, p kustomization.Plan, objects *kustomization.Objects, now time.Time,
) Event {
	news := knowsHeld(p) && KustomizationHolds(k, p.Held)
	switch {
	case p.Obstacle != nil:
		before := Message(k)
		KustomizationBlocked(k, *p.Obstacle, now)
		if Message(k) != before {
			return Event{Warning: true, Reason: p.Obstacle.Reason, Message: p.Obstacle.Message}
		}
	case p.Reason == v1beta1.AwaitingApprovalReason:
		return kustomizationAwaits(k, p, objects, now)
	case p.Limited:
		KustomizationLimited(k, now)
	case p.Step == kustomization.Wait && p.Reason == kustomization.ReasonHeld:
		kustomizationWaits(k, p.Held, now)
	case p.Progress:
		Progressing(k, p.Message, now)
	case p.Settled && objects != nil:
		KustomizationHealth(k, Health{Known: !objects.Blind, Objects: objects.Unhealthy, Of: objects.Of}, now)
		KustomizationSettled(k, objects.Awaited, p.Overdue, now)
		kustomizationNotes(k, p, now)
	}

	if p.Held != (kustomization.Held{}) {
		k.Status.LastHandledReconcileAt = k.Annotations[v1beta1.ReconcileRequestAnnotation]
	}
	if news && p.Held.Reason == v1beta1.HeldByWindow {
		return WindowHeld(p.Held.Message).As(ActionApply)
	}

	return Event{}
}

// KustomizationLeft is the event about a deleted Kustomization whose objects stay; it has no reason when it has none.
func KustomizationLeft(p kustomization.Plan) Event {
	switch p.Reason {
	case kustomization.ReasonLeft:
		return Event{Action: ActionOrphan, Reason: v1beta1.OrphanedReason, Message: p.Message}
	case kustomization.ReasonStranded:
		return Event{Warning: true, Action: ActionOrphan, Reason: v1beta1.OrphanedReason, Message: p.Message}
	default:
		return Event{}
	}
}

// KustomizationNext says what follows a failure: the next attempt after a pause, or none with the same inputs.
func KustomizationNext(after time.Duration, follows bool, now time.Time) string {
	if !follows {
		return "the controller does not try the same input again; it tries when the source, the spec or what it names " +
			"changes, or when fairlead reconcile asks for it"
	}
	return fmt.Sprintf("the controller retries %s, or when the source, the spec or what it names changes",
		Later(after, now))
}

// KustomizationAwaits records which Kustomizations may still take over the released objects.
func KustomizationAwaits(k *v1beta1.Kustomization, names []string) {
	if k.Status.Released != nil {
		k.Status.Released.WaitsFor = names
	}
}

// KustomizationPreviewed records, on the copy of a preview, what the Kustomization will have released and which objects
// it will have besides those of its inventory.
func KustomizationPreviewed(
	k *v1beta1.Kustomization, released *v1beta1.ReleasedObjects, more []v1beta1.ResourceRef,
) {
	k.Status.Released = released
	var entries []v1beta1.ResourceRef
	if k.Status.Inventory != nil {
		entries = k.Status.Inventory.Entries
	}
	k.Status.Inventory = inventoryOf(append(entries, more...))
}

// KustomizationBlocked records why nothing can be applied. It answers the request of the user.
func KustomizationBlocked(k *v1beta1.Kustomization, by kustomization.Obstacle, now time.Time) {
	k.Status.ObservedGeneration = k.Generation
	k.Status.LastHandledReconcileAt = k.Annotations[v1beta1.ReconcileRequestAnnotation]
	message := by.Message
	if last := k.Status.LastAppliedRevision; last != "" {
		message += "; " + last + " stays applied"
	}

	if by.Final {
		Stalled(k, by.Reason, message, now)
		return
	}

	Retrying(k, by.Reason, message, now)
}

// KustomizationLimited says again that building exceeded a bound, after other conditions were set meanwhile.
func KustomizationLimited(k *v1beta1.Kustomization, now time.Time) {
	k.Status.ObservedGeneration = k.Generation
	Stalled(k, v1beta1.RenderingLimitExceededReason, k.Status.LimitExceeded.Message, now)
}

// KustomizationSettled says that what is wanted is applied. waiting names what has to become healthy yet; overdue is
// set when that takes longer than it may.
func KustomizationSettled(k *v1beta1.Kustomization, waiting []v1beta1.ObjectHealth, overdue bool, now time.Time) {
	k.Status.ObservedGeneration = k.Generation
	k.Status.Plan = nil
	count := 0
	if k.Status.Inventory != nil {
		count = len(k.Status.Inventory.Entries)
	}

	applied := fmt.Sprintf("%s is applied, %d objects", k.Status.LastAppliedRevision, count)
	if count == 1 {
		applied = k.Status.LastAppliedRevision + " is applied, 1 object"
	}

	applied += keptForOthers(k)
	if waits := k.Status.UnconfirmedPrune; waits != nil {
		applied += fmt.Sprintf("; deletions that wait for a confirmation: %d", waits.Count)
	}
	switch {
	case len(waiting) == 0:
		Ready(k, v1beta1.AppliedReason, applied, now)
	case isWaitCancelled(k):
		Retrying(k, v1beta1.CancelledReason, fmt.Sprintf(
			"%s, and the wait for these was cancelled%s: %s; it is ready once they are healthy",
			applied, reasonGiven(k.Status.Cancelled.Reason), DescribeHealth(waiting)), now)
	case overdue:
		Retrying(k, v1beta1.UnhealthyReason, fmt.Sprintf(
			"%s, but after %s these are not healthy: %s; it is ready once they are",
			applied, k.GetTimeout(), DescribeHealth(waiting)), now)
	default:
		Progressing(k, applied+"; waiting for "+DescribeHealth(waiting), now)
	}
}
