package plan

import "time"

// Step is one thing to do.
type Step string

// Steps of a plan.
const (
	// None: nothing is left to do until something changes.
	None Step = "none"
	// Wait: nothing is done now; the plan says for how long, or why only a change can help.
	Wait Step = "wait"
	// Need: the decision needs a fact first.
	Need Step = "need"
	// Preview builds the objects and finds out what applying them would do.
	Preview Step = "preview"
	// Apply builds the objects and brings them into the cluster.
	Apply Step = "apply"
	// Delete deletes the objects of a Kustomization that is being deleted.
	Delete Step = "delete"
	// Leave lets a Kustomization that is being deleted go. What it has in the cluster stays.
	Leave Step = "leave"
)

// Fact is something that is looked up before a decision.
type Fact string

// Facts.
const (
	// FactInputs are the artifact, the identity, the variables and the keys.
	FactInputs Fact = "inputs"
	// FactObjects is how the objects are in the cluster. They are looked at in every pass, so that they stay watched.
	FactObjects Fact = "objects"
	// FactTakers are the Kustomizations that may still take over objects.
	FactTakers Fact = "takers"
	// FactDependencies is whether everything in spec.dependsOn is ready.
	FactDependencies Fact = "dependencies"
	// FactApprovals is what users decided about plans.
	FactApprovals Fact = "approvals"
	// FactIdentity is on which cluster and as whom objects are deleted.
	FactIdentity Fact = "identity"
	// FactNamespace is whether the namespace of the Kustomization is being deleted.
	FactNamespace Fact = "namespace"
)

// Reasons of plans.
const (
	ReasonApplied    = "Applied"
	ReasonAsked      = "Asked"
	ReasonAudit      = "Audit"
	ReasonBackOff    = "BackOff"
	ReasonBlocked    = "Blocked"
	ReasonCancelled  = "Cancelled"
	ReasonChanged    = "Changed"
	ReasonConfirmed  = "Confirmed"
	ReasonDeleted    = "Deleted"
	ReasonDrifted    = "Drifted"
	ReasonFailed     = "Failed"
	ReasonFought     = "Fought"
	ReasonGone       = "Gone"
	ReasonHandOver   = "HandOver"
	ReasonHeld       = "Held"
	ReasonLimited    = "Limited"
	ReasonLeft       = "Left"
	ReasonStranded   = "Stranded"
	ReasonSuspended  = "Suspended"
	ReasonUnclaimed  = "Unclaimed"
	ReasonUnderway   = "Underway"
	ReasonUnhealthy  = "Unhealthy"
	ReasonUnobserved = "Unobserved"
	ReasonUnplanned  = "Unplanned"
)

// Plan is the decision.
type Plan struct {
	// Step to take.
	Step Step
	// Fact that is needed, for Need.
	Fact Fact
	// Reason in one word.
	Reason string
	// Message for people: what happens and why.
	Message string
	// After is when to look again; zero means when something changes.
	After time.Duration
	// Urgent is set on an Apply that goes before others: it corrects objects.
	Urgent bool
	// Repair is set on an Apply that corrects objects of the revision that is applied, and writes nothing else.
	Repair bool
	// Approved is the digest of the plan that an Apply keeps to; empty when it does what the inputs say.
	Approved string
	// Confirms is the digest of the objects that an Apply deletes because a user has confirmed it; empty for none.
	Confirms string
	// Outdated is set while the attempt that is being made is for an older generation: it is given up unless its turn
	// has come.
	Outdated bool
	// Cancels is set while an attempt is being made, or a wait for health, that the user asked to end.
	Cancels bool
	// Obstacle is what a Wait waits for; nil when it waits for time alone.
	Obstacle *Obstacle
	// Progress is set when Ready is to say that work is under way, with the message.
	Progress bool
	// Held is what a window or a freeze keeps from being applied; zero when there is nothing. Former is set on an Apply
	// that uses the artifact that was applied last instead.
	Held   Held
	Former bool
	// Note is added to what Ready says of a None; empty is nothing.
	Note string
	// Limited is set on a Wait when the inputs are not tried because they exceed a bound of rendering.
	Limited bool
	// Settled is set on a None when the objects are known: Ready and Healthy report on them. Overdue is set when they
	// take longer to become healthy than they may.
	Settled, Overdue bool
}

func need(f Fact) Plan { return Plan{Step: Need, Fact: f, Reason: string(f), Message: string(f)} }
