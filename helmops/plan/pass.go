package plan

import (
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/approval"
)

// Slow is how long an action may run before the object reports that it is under way.
const Slow = time.Second

// Reasons of plans that wait, because something else has to come first. Conditions do not have them: what is in the
// way has a reason of its own.
const (
	ReasonUnderway  = "Underway"
	ReasonBlocked   = "Blocked"
	ReasonUnsourced = "Unsourced"
)

// Running is an action that the controller has begun, and that has not ended.
type Running struct {
	// Action that the step amounts to.
	Action Step
	// Generation of the object that the action was begun for.
	Generation int64
	// Elapsed is how long it has been running.
	Elapsed time.Duration
	// Outdated is set when the chart or the values are others by now. Nil is not known yet.
	Outdated *bool
}

// Inputs is what the controller has found of what a release is made of: identity, chart and values.
type Inputs struct {
	// Blocked is set when one of them is missing, so that nothing can be planned.
	Blocked bool
	// Unsourced says why the chart is that of the revision that runs: its source has no answer at present. It is
	// empty when the source has one.
	Unsourced string
	// Note says why the chart is not the newest that the source has; empty when it is.
	Note string
}

// Dependencies is what was found out about spec.dependsOn.
type Dependencies struct {
	// Blocked is set when the release has to wait for one of them.
	Blocked bool
}

// Gathered returns the observation with everything looked up that precedes a change, and nothing in the way.
func (o Observed) Gathered() Observed {
	o.Running = nil
	o.Inputs = &Inputs{}
	o.Dependencies = &Dependencies{}
	o.Approvals = &approval.Plans{Checked: true}
	o.Looked = true
	return o
}

// underway waits for the action that is running. The action is outdated when the spec, the chart or the values no
// longer ask for it. A rollback never is: what runs is bad, and another upgrade starts from a good revision.
func underway(d Desired, o Observed, _ time.Time) (Plan, bool) {
	r := o.Running
	if r == nil {
		return Plan{}, false
	}

	p := Plan{Step: Wait, Reason: ReasonUnderway, Message: "the step " + string(r.Action) + " is running"}
	switch r.Action {
	case Rollback:
	case Install, Upgrade, Test, Compare, Preview:
		if r.Generation == d.Generation && r.Outdated == nil {
			return Plan{Step: Need, Fact: FactOutdated, Reason: string(FactOutdated)}, true
		}
		p.Outdated = r.Generation != d.Generation || *r.Outdated
	default:
		p.Outdated = r.Generation != d.Generation
	}

	p.Cancelled = d.Cancel && r.Action.endsOnRequest()
	p.After = max(0, Slow-r.Elapsed)
	p.Progress = p.After == 0
	return p, true
}

// suspended changes nothing. The objects of a suspended release are looked at all the same.
func suspended(d Desired, o Observed, _ time.Time) (Plan, bool) {
	if d.Suspended && !d.Deleting && !o.Looked {
		return Plan{Step: Need, Fact: FactObjects, Reason: string(FactObjects)}, true
	}
	return Plan{Step: None, Reason: v1beta1.SuspendedReason, Message: "spec.suspend is set"}, d.Suspended
}

// needInputs asks for what a release is made of. An uninstall needs none of it.
func needInputs(d Desired, o Observed, _ time.Time) (Plan, bool) {
	return Plan{Step: Need, Fact: FactInputs, Reason: string(FactInputs)}, o.Inputs == nil && !d.Deleting
}

func blocked(d Desired, o Observed, _ time.Time) (Plan, bool) {
	p := Plan{Step: Wait, Reason: ReasonBlocked, Message: "chart, values or identity are missing"}
	return p, !d.Deleting && o.Inputs.Blocked
}

// needObjects asks for the live objects in every pass over a release that the object owns or can own.
func needObjects(d Desired, o Observed, _ time.Time) (Plan, bool) {
	return Plan{Step: Need, Fact: FactObjects, Reason: string(FactObjects)},
		!o.Looked && !d.Deleting && o.History.Namesake == nil
}

// ordered puts a plan after what it depends on: the answer of its source, and the dependencies of the release.
func ordered(d Desired, o Observed, p Plan) Plan {
	if d.Deleting || o.Inputs == nil {
		return p
	}

	switch {
	case o.Inputs.Unsourced != "" && p.NeedsChart():
		return Plan{Step: Wait, Reason: ReasonUnsourced, Target: p.Target, Message: o.Inputs.Unsourced}
	case o.Inputs.Unsourced != "":
		p.Note = noted("it stays at this chart, because "+o.Inputs.Unsourced, p.Note)
	case o.Inputs.Note != "":
		p.Note = noted(o.Inputs.Note, p.Note)
	}

	switch {
	case !p.ChangesCluster() && p.Step != Preview:
		return p
	case o.Dependencies == nil:
		return Plan{Step: Need, Fact: FactDependencies, Target: p.Target, Reason: string(FactDependencies)}
	case o.Dependencies.Blocked:
		return Plan{Step: Wait, Reason: ReasonBlocked, Target: p.Target, Message: "a dependency is not ready"}
	default:
		return p
	}
}

// noted joins what is to be said about a release beside its state; empty is nothing.
func noted(first, second string) string {
	if first == "" || second == "" {
		return first + second
	}
	return first + "; " + second
}

// ChangesCluster reports whether the step applies something new. Such a step waits for its dependencies.
func (p Plan) ChangesCluster() bool {
	return p.Step == Install || p.Step == Upgrade || p.Step == Uninstall && p.Reason == ReasonRenamed
}

// NeedsChart reports whether the step renders the chart that is wanted, or is followed by one that does.
func (p Plan) NeedsChart() bool {
	compares := p.Step == Compare || p.Step == Preview || p.Step == Need && p.Fact == FactManifest
	return p.ChangesCluster() || compares || p.Reason == ReasonAdopting
}
