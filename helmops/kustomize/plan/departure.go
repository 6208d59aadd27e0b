package plan

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

func leavesObjects(d Desired, o Observed, _ time.Time) (Plan, bool) {
	p := Plan{Step: Leave, Reason: ReasonGone, Message: "there are no objects to delete"}
	if o.Inventory > 0 {
		p.Reason = ReasonLeft
		p.Message = fmt.Sprintf("%d objects stay in the cluster", o.Inventory)
	}
	return p, d.deleting() && (d.Leaves || o.Inventory == 0)
}

func needIdentity(d Desired, o Observed, _ time.Time) (Plan, bool) {
	return need(FactIdentity), d.deleting() && o.Identity == nil
}

// identityMissing decides about a deleted object whose cluster cannot be reached, or whose identity does not exist. In a
// namespace that is being deleted, too, the identity does not come back.
func identityMissing(d Desired, o Observed, _ time.Time) (Plan, bool) {
	if !d.deleting() || o.Identity.Obstacle == nil {
		return Plan{}, false
	}

	by := *o.Identity.Obstacle
	switch {
	case o.Namespace == nil:
		return need(FactNamespace), true
	case o.Namespace.Terminating:
		return Plan{Step: Leave, Reason: ReasonStranded, Message: by.Message + "; the namespace is being deleted, " +
			"so the object goes without deleting its objects in other namespaces"}, true
	}

	message := fmt.Sprintf("cannot delete the objects: %s; to leave them behind, set spec.deletionPolicy to %s",
		by.Message, v1beta1.DeletionPolicyOrphan)
	return Plan{
		Step: Wait, Reason: ReasonBlocked, Message: message, After: strandedLook,
		Obstacle: &Obstacle{Reason: by.Reason, Message: message},
	}, true
}

func departureFailed(d Desired, o Observed, now time.Time) (Plan, bool) {
	a := o.Attempt
	if !d.deleting() || a.Failures == 0 || a.Digest != Departure {
		return Plan{}, false
	}
	wait := pause(d.retryDelay(a.Failures, false), o.Freed) - a.since(now)
	return Plan{Step: Wait, Reason: ReasonBackOff, After: wait, Message: fmt.Sprintf(
		"deleting the objects failed; the controller retries in %s", wait.Round(time.Second))}, wait > 0
}

// handedOver keeps the objects of a deleted Kustomization while others may take them over, at most for its timeout.
func handedOver(d Desired, o Observed, now time.Time) (Plan, bool) {
	if !d.deleting() {
		return Plan{}, false
	}

	end := d.DeletedAt.Add(d.Timeout)
	switch {
	case !now.Before(end):
		return Plan{}, false
	case o.Takers == nil:
		return need(FactTakers), true
	case len(o.Takers.Names) == 0:
		return Plan{}, false
	}

	return Plan{
		Step: Wait, Reason: ReasonHandOver, Progress: true, After: end.Sub(now),
		Message: fmt.Sprintf("it is being deleted; its objects are not deleted before %s, at the latest %s",
			HandsOver(o.Takers.Names), end.UTC().Format(time.RFC3339)),
	}, true
}

func deleted(d Desired, _ Observed, _ time.Time) (Plan, bool) {
	return Plan{Step: Delete, Reason: ReasonDeleted, Message: "the object is being deleted"}, d.deleting()
}
