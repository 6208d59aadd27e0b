package view

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// Phase is the one word that says how an object is.
type Phase string

// Phases.
const (
	// Pending: the controller has not looked at the object, or at its newest spec, yet.
	Pending Phase = "Pending"
	// Waiting: something else has to become ready or to end first; this object needs no change.
	Waiting Phase = "Waiting"
	// Progressing: work towards what is wanted is under way.
	Progressing Phase = "Progressing"
	// Ready: what is wanted has been reached.
	Ready Phase = "Ready"
	// Failed: the last attempt failed; another one follows by itself.
	Failed Phase = "Failed"
	// Stalled: the last attempt failed and only a change of the object, or of what it refers to, can help.
	Stalled Phase = "Stalled"
	// Held: the object stays where a user asked for it to be, a former revision; that is no failure.
	Held Phase = "Held"
	// Suspended: spec.suspend is set, nothing is done; what the conditions say may be out of date.
	Suspended Phase = "Suspended"
	// Deleting: the object is being deleted.
	Deleting Phase = "Deleting"
	// Missing: the object is referred to and does not exist. Only references have this phase.
	Missing Phase = "Missing"
	// Unknown: the object does not say how it is, or it could not be read.
	Unknown Phase = "Unknown"
)

// PhaseOf says in which phase the object is. Every command and page uses it, so that they never disagree. What concerns
// the whole object goes first (Deleting, Suspended); then the question whether its status speaks of the newest spec at
// all; then kstatus' order: Reconciling, Stalled, Ready.
func PhaseOf(o v1beta1.Conditioned) Phase {
	f := factsOf(o)
	reconciling := condition(o, v1beta1.ReconcilingCondition)
	switch {
	case o.GetDeletionTimestamp() != nil:
		return Deleting
	case f.suspended:
		return Suspended
	case isTrue(reconciling) && reconciling.Reason == v1beta1.ProgressingReason &&
		reconciling.ObservedGeneration == o.GetGeneration():
		// Work on a new spec begins before observedGeneration follows, which happens when it ends.
		return Progressing
	case f.observed <= 0 || f.observed != o.GetGeneration():
		return Pending
	}

	return judged(o, reconciling)
}

// judged reads the conditions of an object whose status is about its newest spec.
func judged(o v1beta1.Conditioned, reconciling *metav1.Condition) Phase {
	ready := condition(o, v1beta1.ReadyCondition)
	failed := ready != nil && ready.Status == metav1.ConditionFalse
	switch {
	case failed && status.IsHeld(o):
		return Held
	case isTrue(condition(o, v1beta1.StalledCondition)):
		return Stalled
	case failed, awaitsLeave(o):
		return notReady(o, ready.Reason)
	case isTrue(reconciling):
		return Progressing
	case isTrue(ready) && ready.ObservedGeneration == o.GetGeneration():
		return Ready
	case isTrue(ready):
		return Pending
	}

	return Unknown
}

// awaitsLeave reports whether the object waits until a person approves what it would do, or until a window opens.
func awaitsLeave(o v1beta1.Conditioned) bool {
	ready := condition(o, v1beta1.ReadyCondition)
	return ready != nil && ready.Status == metav1.ConditionUnknown &&
		(ready.Reason == v1beta1.AwaitingApprovalReason || ready.Reason == v1beta1.SyncWindowClosedReason)
}

func condition(o v1beta1.Conditioned, kind string) *metav1.Condition {
	return meta.FindStatusCondition(o.GetConditions(), kind)
}

func isTrue(c *metav1.Condition) bool { return c != nil && c.Status == metav1.ConditionTrue }

// Settlement tells someone who waits for an object how far it is.
type Settlement struct {
	// Started is set when the controller has answered the request, or is seen at work.
	Started bool
	// Done is set when waiting longer makes no sense: the request is handled and the object is Ready, Failed, Stalled or
	// Held, or a user suspended or deleted it meanwhile.
	Done bool
	// Phase, Reason of the condition Ready and Message are how the object is now.
	Phase   Phase
	Reason  string
	Message string
	// Objects is how many objects the object has in the cluster, 0 while that is not known.
	Objects int
	// HealthKnown is set when Unhealthy is how many of them are not healthy now. The controller does not count the objects
	// of a release while it installs or upgrades it.
	HealthKnown bool
	Unhealthy   int
	// More is set when there can be further ones that are not healthy, because the list is bounded.
	More bool
}

// Settle reports how far the object is on the way that began when its generation was at least the given one and the
// request token was set. Without a token there is no request to wait for. An older generation is a stale read and never
// settles anything.
func Settle(o v1beta1.Conditioned, token string, generation int64) Settlement {
	s := Settlement{Phase: PhaseOf(o), Reason: reasonOf(o), Message: messageOf(o)}
	s.count(o)
	if o.GetGeneration() < generation {
		return s
	}

	// The token is echoed when the work is done, not when it begins.
	answered := handled(factsOf(o).handled, token) && s.Phase != Pending
	s.Started = answered || s.Phase == Progressing
	switch s.Phase {
	case Suspended, Deleting:
		s.Done = true
	case Ready, Failed, Stalled, Held:
		s.Done = answered
	case Waiting:
		s.Done = answered && awaitsLeave(o) // it waits for a person, or for a time that may be far off
	default:
	}

	return s
}

// maxUnhealthy is how many objects that are not healthy a status lists.
const maxUnhealthy = 10

// count takes over how many objects there are and how many of them are not healthy.
func (s *Settlement) count(o v1beta1.Conditioned) {
	var inventory *v1beta1.ResourceInventory
	var unhealthy []v1beta1.ObjectHealth
	switch v := o.(type) {
	case *v1beta1.HelmRelease:
		inventory = v.Status.Inventory
		unhealthy = v.Status.Unhealthy
		s.HealthKnown = s.Phase != Progressing
	case *v1beta1.Kustomization:
		inventory = v.Status.Inventory
		unhealthy = v.Status.Unhealthy
		s.HealthKnown = true
	}

	if inventory == nil {
		s.HealthKnown = false
		return
	}

	s.Objects = len(inventory.Entries)
	health := condition(o, v1beta1.HealthyCondition)
	s.HealthKnown = s.HealthKnown && (isTrue(health) || isFalse(health))
	if s.HealthKnown && isFalse(health) {
		s.Unhealthy = len(unhealthy)
		s.More = len(unhealthy) >= maxUnhealthy
	}
}

// handled compares tokens. A later token than ours counts too: it was asked again, and only the newest request is
// echoed.
func handled(last, token string) bool {
	if token == "" || last == token {
		return true
	}
	asked, err := time.Parse(time.RFC3339Nano, token)
	if err != nil {
		return false
	}
	answered, err := time.Parse(time.RFC3339Nano, last)
	return err == nil && answered.After(asked)
}

// messageOf is what the object says of itself: the message of Ready, else that of Stalled or Reconciling.
func messageOf(o v1beta1.Conditioned) string {
	if ready := condition(o, v1beta1.ReadyCondition); ready != nil && ready.Message != "" {
		return ready.Message
	}
	for _, kind := range []string{v1beta1.StalledCondition, v1beta1.ReconcilingCondition} {
		if c := condition(o, kind); c != nil {
			return c.Message
		}
	}
	return ""
}

func reasonOf(o v1beta1.Conditioned) string {
	if ready := condition(o, v1beta1.ReadyCondition); ready != nil {
		return ready.Reason
	}
	return ""
}
