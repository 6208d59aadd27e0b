package release

import (
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// Pass is one pass over a release: what the object asks for, what is known of it, and what it is made of. Only one
// goroutine uses a pass.
type Pass struct {
	// Release is the object; its status is written while the pass finds things out.
	Release  *v1beta1.HelmRelease
	Desired  plan.Desired
	Observed plan.Observed
	// Inputs are what the release is made of; the zero value before they are set.
	Inputs Inputs
	// InputDigest is the digest of the inputs, as status.inputDigest has it; empty before they are set.
	InputDigest string
	// History that was looked at, newest first.
	History []plan.Record
	// Events are about actions that had ended unobserved, and that were adopted into the status.
	Events []status.Event
}

// NewPass begins a pass with what the object itself says.
func NewPass(hr *v1beta1.HelmRelease) *Pass {
	desired := askedOf(hr)
	return &Pass{Release: hr, Desired: desired, Observed: observedOf(hr, desired.Target, Live{})}
}

// SetInputs adds what the release is made of, and what is in the way of it. A pass over a deleted object has inputs
// without a chart.
func (p *Pass) SetInputs(in Inputs, found plan.Inputs) {
	p.Inputs = in
	p.InputDigest = InputDigest(p.Release, in)
	p.Desired = desiredOf(p.Release, in, p.InputDigest)
	p.Observed.Inputs = &found
}

// SetLive adds what is known of the live objects. The look can have changed the status of the object.
func (p *Pass) SetLive(live Live) {
	p.Inputs.Live = live
	had := p.Observed
	p.reread()
	p.Observed.History = had.History
	p.Observed.Manifest = had.Manifest
	p.Observed.Moved = had.Moved
	p.Observed.Managed = had.Managed
	p.Observed.Looked = true
}

// reread reads the status of the object again.
func (p *Pass) reread() {
	had := p.Observed
	p.Observed = observedOf(p.Release, p.Desired.Target, p.Inputs.Live)
	p.Observed.Running = had.Running
	p.Observed.Inputs = had.Inputs
	p.Observed.Dependencies = had.Dependencies
	p.Observed.Looked = had.Looked
	p.Observed.Owner = had.Owner
	p.Observed.Approvals = had.Approvals
}

// setHistory adds the records of the release, and what was found out about the newest one.
func (p *Pass) setHistory(records []plan.Record, namesake *plan.Namesake) {
	p.History = records
	p.Observed.History = &plan.History{Records: annotated(p.Release, records), Namesake: namesake}
	compared := p.Inputs.Compared
	newest := p.Observed.History.Newest()
	if newest != nil && compared.isOf(*newest, p.Desired.Input()) {
		p.Observed.Manifest = &compared.equal
	}
}

// leaveFormer turns to the release that is wanted when the former one is gone, or belongs to another HelmRelease by
// now.
func (p *Pass) leaveFormer() {
	if p.Observed.Moved == nil || p.Desired.Deleting {
		return
	}

	newest := p.Observed.History.Newest()
	gone := newest == nil || newest.Status == plan.StatusUninstalled
	if !gone && (newest.Owner.IsZero() || p.Desired.Self.Succeeds(newest.Owner)) {
		return
	}

	p.Observed.Moved = nil
	p.Observed.History = nil
	p.Observed.Owner = nil
	p.Observed.Managed = false // that was the former one
	p.History = nil
}

// Work returns what it takes to carry out a plan of the pass. superseded is closed when the plan is no longer wanted,
// cancelled when the user asks to end it.
func (p *Pass) Work(decided plan.Plan, superseded, cancelled <-chan struct{}) Work {
	return Work{
		Release: p.Release.DeepCopy(), Plan: decided, Desired: p.Desired, Inputs: p.Inputs, InputDigest: p.InputDigest,
		Superseded: superseded, Cancelled: cancelled,
	}
}

// Work is a plan that acts, with everything that its execution needs.
type Work struct {
	// Release is a copy of the object as it was planned for.
	Release *v1beta1.HelmRelease
	Plan    plan.Plan
	Desired plan.Desired
	Inputs  Inputs
	// InputDigest is the digest of the inputs, as status.inputDigest has it.
	InputDigest string
	// Superseded is closed when the plan is no longer wanted; nil is never.
	Superseded <-chan struct{}
	// Cancelled is closed when the user asks to end the work; nil is never.
	Cancelled <-chan struct{}
}

// Differs reports whether other inputs than those of the work are wanted now.
func (w Work) Differs(now Inputs) bool {
	begun := w.Inputs
	sameChart := begun.Chart.Name == now.Chart.Name && v1beta1.SameVersion(begun.Chart.Version, now.Chart.Version)
	if !sameChart || begun.configDigest() != now.configDigest() {
		return true
	}
	return begun.Chart.Digest != now.Chart.Digest && !w.Desired.VersionOnly
}

// Comparison returns what a Compare found out; the zero value for an outcome of anything else, or a failed one.
func (w Work) Comparison(outcome status.Outcome) Comparison {
	if w.Plan.Step != plan.Compare || outcome.Failure != nil || len(outcome.History) == 0 {
		return Comparison{}
	}
	return Comparison{record: outcome.History[0].Digest, input: w.Desired.Input(), equal: outcome.Equal}
}

// begin is what is known of the outcome beforehand.
func (w Work) begin() status.Outcome {
	d := w.Plan.Judged(w.Desired)
	token, _ := v1beta1.ObjectSyncRequest(w.Release, w.Release.Status.LastHandledSyncObjectsAt)
	return status.Outcome{
		SyncRequest: token,
		Step:        w.Plan.Action(), Reason: w.Plan.Reason, Target: w.Plan.Target, Generation: d.Generation, Chart: d.Chart,
		ConfigDigest: d.ConfigDigest, RenderDigest: d.RenderDigest, Shared: w.Inputs.SharedValues(),
		Settings: d.SettingsDigest, Cause: w.Plan.Failure, To: w.Plan.To, Looked: w.Plan.Objects,
	}
}

// unreadHistory is the error of records that could not be read.
func unreadHistory(target plan.Target, err error) error {
	return fmt.Errorf("reading the history of release %s/%s: %w", target.Namespace, target.Name, err)
}
