package plan

import (
	"fmt"
	"time"
)

const (
	// Slow is how long an attempt may take before the object says that it is under way.
	Slow = time.Second
	// remoteLook is how often objects on another cluster are looked at. The connection to a cluster whose objects are
	// not looked at is closed after a while, and they would not be watched any more.
	remoteLook = 4 * time.Minute
	// strandedLook is how often the identity is looked up that is needed to delete objects.
	strandedLook = time.Minute
)

// rule looks at the facts and either decides or passes.
type rule struct {
	name   string
	decide func(Desired, Observed, time.Time) (Plan, bool)
}

// rules in the order they are asked; the first that decides wins. Each checks for itself the facts it needs.
var rules = []rule{
	{"underway: an attempt is being made", underway},
	{"left: a deleted object leaves its objects behind, or has none", leavesObjects},
	{"suspended: nothing is changed", suspended},
	{"identity: objects are deleted as someone", needIdentity},
	{"stranded: the identity that deletes the objects is missing", identityMissing},
	{"departure failed: deleting the objects failed a moment ago", departureFailed},
	{"handed over: other Kustomizations may take the objects of a deleted one", handedOver},
	{"deleted: the objects go", deleted},
	{"inputs: everything else depends on what is wanted", needInputs},
	{"blocked: the inputs are not known", blocked},
	{"objects: they are looked at in every pass", needObjects},
	{"takers: objects were released to other Kustomizations", needTakers},
	{"held: a window or a freeze keeps from applying the inputs", heldBack},
	{"asked: the user has asked for an attempt", asked},
	{"cancelled: the user cancelled an attempt with these inputs", cancelled},
	{"changed: other inputs were attempted last", changed},
	{"limited: these inputs exceed a bound of rendering", limited},
	{"failed: the last attempt with these inputs failed", failed},
	{"unobserved: the objects were not seen yet", unobserved},
	{"unclaimed: released objects can be pruned", unclaimed},
	{"confirmed: a user has confirmed what is deleted", confirmed},
	{"drifted: objects differ", drifted},
	{"audited: objects that only an attempt looks at are due", audited},
	{"fought: the pause of objects that others change again and again is over", fought},
	{"unhealthy: objects have to be healthy and are not", unhealthy},
}

// Decide says what happens next. It is total: with any input it gives a plan with a reason, the same for the same
// input. A Need is for a fact that is nil, so an answer to each leads to another step.
func Decide(d Desired, o Observed, now time.Time) Plan {
	held, o := d.former(o, now)
	p := d.rest(o, now)
	for _, r := range rules {
		if decision, decided := r.decide(d, o, now); decided {
			p = decision
			break
		}
	}

	p = d.repairs(o, now, p)
	if held != (Held{}) && p.Held == (Held{}) {
		p.Held = held
		p.Former = p.Step == Apply
		p.After = soonest(p.After, held.pause(now))
	}
	if p.Step == Apply {
		p = ordered(d, o, p)
	}
	if p.Step == Apply {
		p = approved(d, o, now, p)
	}
	if p.Step == Apply && !p.Repair {
		p = confirming(d, o, now, p)
	}

	if p.Step == None && p.Reason != ReasonSuspended {
		p.After = soonest(p.After, d.Audit)
		if d.Remote {
			p.After = soonest(p.After, remoteLook)
		}
	}

	return p
}

// rest is the plan of a Kustomization that has nothing to do.
func (d Desired) rest(o Observed, now time.Time) Plan {
	return Plan{
		Step: None, Reason: ReasonApplied, Message: "everything is applied", Settled: true,
		After: soonest(o.fightPause(now), o.keptFor(d, now)),
	}
}

// ordered puts an attempt after the dependencies.
func ordered(d Desired, o Observed, p Plan) Plan {
	switch {
	case o.Dependencies == nil:
		return need(FactDependencies)
	case o.Dependencies.Obstacle != nil:
		return hindered(d, o, *o.Dependencies.Obstacle)
	default:
		return p
	}
}

func underway(d Desired, o Observed, _ time.Time) (Plan, bool) {
	if o.Running == nil {
		return Plan{}, false
	}

	p := Plan{Step: Wait, Reason: ReasonUnderway, Message: "an attempt is being made"}
	p.Outdated = o.Running.Generation != d.Generation
	p.Cancels = d.Cancel && o.Running.endsOnRequest() && !d.deleting()
	switch {
	case o.Running.Elapsed < Slow:
		p.After = Slow - o.Running.Elapsed
	case d.deleting():
		// While a failed deletion is tried again, its failure stays in the condition.
		p.Progress = o.Attempt.Failures == 0 || o.Attempt.Digest != Departure
		p.Message = fmt.Sprintf(
			"the Kustomization is being deleted; deleting its objects, %d in all", o.Inventory)
		if d.Leaves {
			p.Message = "the Kustomization is being deleted; its objects stay in the cluster"
		}
	case o.Running.Preview:
		p.Progress = !o.Ready && !o.Awaiting
		p.Message = "planning what applying the objects of " + d.Source + " would do"
	default:
		p.Progress = !o.Ready && !o.Running.Repair
		p.Message = "applying the objects of " + d.Source
	}

	return p, true
}

func suspended(d Desired, _ Observed, _ time.Time) (Plan, bool) {
	return Plan{Step: None, Reason: ReasonSuspended, Message: "spec.suspend is set"}, d.Suspended && !d.deleting()
}

func needInputs(_ Desired, o Observed, _ time.Time) (Plan, bool) {
	return need(FactInputs), o.Inputs == nil
}

func blocked(d Desired, o Observed, _ time.Time) (Plan, bool) {
	if o.Inputs.Obstacle == nil {
		return Plan{}, false
	}
	return hindered(d, o, *o.Inputs.Obstacle), true
}

// hindered waits for an obstacle to go. What can remove it wakes the object; the pause is only for safety.
func hindered(d Desired, o Observed, by Obstacle) Plan {
	p := Plan{Step: Wait, Reason: ReasonBlocked, Message: by.Message}
	switch {
	case by.Fetching:
		p.Progress = !o.Ready
	case by.Reading && by.Took < Slow:
		p.After = Slow - by.Took
	case by.Reading:
		p.Progress = true
	default:
		p.Obstacle = &by
		p.After = by.After
		if p.After <= 0 {
			p.After = d.Audit
		}
	}

	return p
}

func needObjects(_ Desired, o Observed, _ time.Time) (Plan, bool) {
	return need(FactObjects), o.Objects == nil
}

func needTakers(_ Desired, o Observed, _ time.Time) (Plan, bool) {
	return need(FactTakers), o.Released != nil && o.Takers == nil
}

func asked(d Desired, _ Observed, _ time.Time) (Plan, bool) {
	return Plan{Step: Apply, Reason: ReasonAsked, Message: "it was asked for"}, d.Asked
}

func changed(_ Desired, o Observed, _ time.Time) (Plan, bool) {
	return Plan{Step: Apply, Reason: ReasonChanged, Message: "what is wanted has changed"},
		o.Attempt.Digest != o.Inputs.Digest
}

func limited(_ Desired, o Observed, _ time.Time) (Plan, bool) {
	p := Plan{Step: Wait, Reason: ReasonLimited, Message: "these inputs exceed a bound of rendering", Limited: true}
	return p, o.Attempt.Limit != "" && o.Attempt.Limit == o.Inputs.Digest
}

func failed(d Desired, o Observed, now time.Time) (Plan, bool) {
	a := o.Attempt
	if a.Applied == o.Inputs.Digest && a.Failures == 0 {
		return Plan{}, false
	}

	wait := pause(d.retryDelay(a.Failures, a.Stalled), o.Freed) - a.since(now)
	if o.Awaited || wait <= 0 {
		return Plan{Step: Apply, Reason: ReasonFailed, Message: "the last attempt failed"}, true
	}

	return Plan{Step: Wait, Reason: ReasonBackOff, After: wait, Message: fmt.Sprintf(
		"the last attempt failed, the next one follows in %s", wait.Round(time.Second))}, true
}

func unobserved(d Desired, o Observed, now time.Time) (Plan, bool) {
	p := Plan{Step: None, Reason: ReasonUnobserved, Message: "the objects are being looked at", After: o.keptFor(d, now)}
	if o.News && d.AwaitsHealth { // Ready is about what was applied before
		p.Progress = true
		p.Message = o.Attempt.Revision + " is applied; its objects are being looked at"
	}
	return p, !o.Objects.Known
}

func drifted(_ Desired, o Observed, _ time.Time) (Plan, bool) {
	return Plan{
		Step: Apply, Reason: ReasonDrifted, Urgent: true, Message: "objects differ: " + firstOf(o.Objects.Differs),
	}, len(o.Objects.Differs) > 0
}

func audited(d Desired, o Observed, now time.Time) (Plan, bool) {
	p := Plan{Step: Apply, Reason: ReasonAudit, Message: "objects that may not be watched, or were kept, are looked at"}
	hasHidden := o.Objects.Unseen > 0 || o.Attempt.Kept > 0
	return p, hasHidden && now.Sub(o.Audited) >= d.Interval
}

func fought(_ Desired, o Observed, now time.Time) (Plan, bool) {
	return Plan{
		Step: Apply, Reason: ReasonFought, Urgent: true,
		Message: "objects that others change again and again are corrected again",
	}, !o.Truce.IsZero() && !now.Before(o.Truce)
}

func unhealthy(d Desired, o Observed, now time.Time) (Plan, bool) {
	wait := d.Timeout - o.Attempt.since(now)
	return Plan{
		Step: None, Reason: ReasonUnhealthy, Message: "objects are not healthy yet", Settled: true, Overdue: wait <= 0,
		Cancels: d.Cancel && wait > 0 && !o.Attempt.cancelledWith(o.Inputs.Digest),
		After:   soonest(soonest(max(wait, 0), o.fightPause(now)), o.keptFor(d, now)),
	}, len(o.Objects.Awaited) > 0
}

// fightPause is how long objects are left alone yet that others change again and again; zero when there are none.
func (o Observed) fightPause(now time.Time) time.Duration {
	if o.Truce.IsZero() {
		return 0
	}
	return max(o.Truce.Sub(now), 0)
}

func firstOf(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return fmt.Sprint(names)
	}
	return fmt.Sprintf("%v and %d more", names[:shown], len(names)-shown)
}
