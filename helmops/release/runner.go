// Package release carries one release from what it is to what it should be: observe, decide, do, record.
//
//	Decide: status, history ─► plan.Decide ─(needs a fact)─► Engine ─► plan.Decide ─► Decision
//	Do:     Plan, Inputs ─► chart ─► Engine ─► status.Outcome
//
// Decide is quick and for workers; Do takes as long as the release does and is not.
package release

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/engine/storage"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/status"
)

// Engine is what the runner wants of Helm.
type Engine interface {
	// History reads the records of a release, newest first; none is no error.
	History(ctx context.Context, access cluster.Access, target plan.Target) ([]plan.Record, error)
	// Execute carries out an action and waits for its end.
	Execute(ctx context.Context, action engine.Action) engine.Result
	// Equal reports whether the newest revision holds just what the chart and values of the action render.
	Equal(ctx context.Context, action engine.Action) (bool, error)
}

// Charts loads the chart of a revision. It may wait for upstream. The errors have a method Reason where they know one.
type Charts func(ctx context.Context, hr *v1beta1.HelmRelease, revision v1beta1.ChartRevision) (*chart.Chart, error)

// Runner plans and carries out the steps of releases.
type Runner struct {
	Engine Engine
	Charts Charts
	// Fetch waits for upstream until the chart of a revision is at hand, so that Charts need not. Nil has Charts wait.
	Fetch func(ctx context.Context, hr *v1beta1.HelmRelease, revision v1beta1.ChartRevision) error
	Now   func() time.Time
	// Owner finds the living HelmRelease, other than hr, that owns the Helm release at target; recorded is what the newest record
	// names. The zero value is none. Nil finds none.
	Owner func(ctx context.Context, hr *v1beta1.HelmRelease, target plan.Target, recorded plan.Owner) (plan.Owner, error)
	// Namesake finds the Helm release of the same name in another namespace that has its records in the same storage
	// namespace; nil is none. It is asked for a release that has no records. A nil function finds none.
	Namesake func(ctx context.Context, access cluster.Access, target plan.Target) (*plan.Namesake, error)
	// NotAttributable says what else goes wrong at the moment that may be the cause of a failure; empty when there is nothing. Nil never
	// knows of anything.
	NotAttributable func(ctx context.Context, hr *v1beta1.HelmRelease) string
}

// Decision is the next step of a release.
type Decision struct {
	plan.Plan
	// History that was looked at, newest first.
	History []plan.Record
	// Live is what is known of the objects of the release; nothing when another HelmRelease owns it.
	Live Live
	// Events are events about actions that had ended unobserved, and that were taken over into status.
	Events []status.Event
}

// Decide plans the next step. It changes nothing but the status of the object, and that only to take over how an action
// ended that an earlier process had begun, and what the plan holds against the input.
func (r *Runner) Decide(ctx context.Context, hr *v1beta1.HelmRelease, in Inputs) (Decision, error) {
	desired := desiredOf(hr, in)
	observed := observedOf(hr, desired.Target, in.Live)
	out := Decision{Live: in.Live}
	for {
		p := plan.Decide(desired, observed, r.Now())
		if in.Observe != nil && accepted(p) {
			in.Live = in.Observe()
			in.Observe = nil
			out.Live = in.Live
			observed = withLive(observed, hr, desired.Target, in.Live)
			continue
		}

		switch {
		case p.Step == plan.Recount:
			out.Events = append(out.Events, r.adoptFinishedAction(hr, desired, in, p, out.History))
			owner := observed.Owner
			observed = see(observedOf(hr, desired.Target, in.Live), hr, desired, in, out.History)
			observed.Owner = owner
		case p.Step == plan.Need && p.Fact == plan.FactOwner:
			owner, err := r.owner(ctx, hr, p.Target, observed.History.Newest().Owner)
			if err != nil {
				return Decision{}, err
			}

			observed.Owner = &owner
			leaveFormer(desired, &observed, &out)
		case p.Step == plan.Need && p.Fact == plan.FactHistory:
			records, namesake, err := r.history(ctx, in, p.Target)
			if err != nil {
				return Decision{}, fmt.Errorf("reading the history of release %s/%s: %w", p.Target.Namespace, p.Target.Name, err)
			}

			out.History = records
			observed = see(observed, hr, desired, in, records)
			observed.History.Namesake = namesake
			leaveFormer(desired, &observed, &out)
		default:
			if p.Step == plan.Need { // the manifest: that is too slow for a worker, so it is a step of its own
				p.Step = plan.Compare
				p.Fact = ""
			}

			out.Plan = p
			r.judge(hr, desired, p)
			return out, nil
		}
	}
}

// history reads the records of a release; of one that is not there, also which other release is in its place.
func (r *Runner) history(ctx context.Context, in Inputs, target plan.Target) ([]plan.Record, *plan.Namesake, error) {
	records, err := r.Engine.History(ctx, in.Access, target)
	if err != nil {
		return nil, nil, err
	}

	absent := len(records) == 0 || records[0].Status == plan.StatusUninstalled
	if !absent || r.Namesake == nil {
		return records, nil, nil
	}

	namesake, err := r.Namesake(ctx, in.Access, target)
	return records, namesake, err
}

// accepted reports whether a plan is about a release that the object owns or may own.
func accepted(p plan.Plan) bool {
	asks := p.Step == plan.Need && (p.Fact == plan.FactHistory || p.Fact == plan.FactOwner)
	return !asks && p.Reason != v1beta1.OwnedByOtherReason
}

func (r *Runner) owner(ctx context.Context, hr *v1beta1.HelmRelease, target plan.Target, recorded plan.Owner) (plan.Owner, error) {
	if r.Owner == nil {
		return plan.Owner{}, nil
	}
	return r.Owner(ctx, hr, target, recorded)
}

// leaveFormer turns to the release that is wanted when the former one is gone, or belongs to another HelmRelease by now.
func leaveFormer(desired plan.Desired, observed *plan.Observed, out *Decision) {
	if observed.Moved == nil || desired.Deleting {
		return
	}

	newest := observed.History.Newest()
	gone := newest == nil || newest.Status == plan.StatusUninstalled
	if !gone && (newest.Owner.IsZero() || desired.Self.Succeeds(newest.Owner)) {
		return
	}

	observed.Moved = nil
	observed.History = nil
	observed.Owner = nil
	observed.Managed = false // that was the former one
	out.History = nil
}

// judge notes what a plan holds against the input: that it is known to be bad, or did not stay healthy.
func (r *Runner) judge(hr *v1beta1.HelmRelease, desired plan.Desired, p plan.Plan) {
	if p.MarksKnownBad {
		status.MarkKnownBad(hr, knownBadInput(desired, p, r.Now()))
	}
	if p.Failure != "" {
		status.Degraded(hr, p, desired.Chart, desired.ConfigDigest, r.Now())
	}
}

// adoptFinishedAction takes over into status how an unobserved action ended, as its record says.
func (r *Runner) adoptFinishedAction(
	hr *v1beta1.HelmRelease, desired plan.Desired, in Inputs, p plan.Plan, history []plan.Record,
) status.Event {
	outcome := begin(desired, p, in)
	outcome.Reached = true
	outcome.InventoryUnknown = true
	for i, record := range history {
		if record.Version != p.To {
			continue
		}

		outcome.History = history[i:]
		if p.Finishes == plan.Test {
			outcome.Tested = plan.TestsFailed
		}
		if record.Status == plan.StatusFailed {
			outcome.Failure = &status.Failure{Reason: reasonFor(p.Finishes), Message: in.Mask.Apply(storage.Cause(record.Description))}
		}
	}

	outcome.Next = r.next(desired, in, outcome)
	return status.ReleaseDone(hr, outcome, r.Now())
}

// Do carries out a plan that acts, and returns how it ended. superseded is closed when the plan is no longer wanted.
func (r *Runner) Do(ctx context.Context, hr *v1beta1.HelmRelease, p plan.Plan, in Inputs, superseded <-chan struct{}) status.Outcome {
	desired := desiredOf(hr, in)
	outcome := begin(desired, p, in)
	action := actionOf(hr, p, in, superseded)
	chartless := r.load(ctx, hr, in, p, &action)
	switch {
	case chartless() != nil:
	case p.Step == plan.Compare:
		r.compare(ctx, in, action, &outcome)
	default:
		r.execute(ctx, hr, desired, in, action, &outcome)
	}

	if err := chartless(); err != nil {
		outcome = begin(desired, p, in)
		outcome.HistoryUnknown = true
		outcome.Failure = chartFailure(err)
	}

	if outcome.Failure != nil && p.Action() != plan.Rollback {
		outcome.NotAttributable = plan.NotAttributable(in.Live.Health, r.notAttributable(ctx, hr))
	}
	if outcome.Failure != nil || outcome.Tested == plan.TestsFailed || outcome.Step == plan.Rollback || outcome.Reason == plan.ReasonRemediation {
		outcome.Next = r.next(desired, in, outcome)
	}

	return outcome
}

// Faulted is the outcome of a plan whose execution met a fault of the controller. What is in storage is not known; the next
// look reads it.
func (r *Runner) Faulted(hr *v1beta1.HelmRelease, p plan.Plan, in Inputs, fault error) status.Outcome {
	desired := desiredOf(hr, in)
	outcome := begin(desired, p, in)
	outcome.HistoryUnknown = true
	outcome.InventoryUnknown = true
	outcome.Failure = &status.Failure{Reason: v1beta1.InternalErrorReason, Message: fault.Error()}
	outcome.Next = r.next(desired, in, outcome)
	return outcome
}

func (r *Runner) notAttributable(ctx context.Context, hr *v1beta1.HelmRelease) string {
	if r.NotAttributable == nil {
		return ""
	}
	return r.NotAttributable(ctx, hr)
}

// begin is what is known of an outcome beforehand.
func begin(desired plan.Desired, p plan.Plan, in Inputs) status.Outcome {
	return status.Outcome{
		Step: p.Action(), Reason: p.Reason, Target: p.Target, Generation: desired.Generation, Chart: desired.Chart,
		ConfigDigest: desired.ConfigDigest, RenderDigest: desired.RenderDigest, Shared: in.SharedValues(),
		Settings: desired.SettingsDigest, Cause: p.Failure, To: p.To, Looked: p.Objects,
	}
}

// load has the action load the chart when it is its turn, where it has to be rendered or kept in the record. Upstream
// is waited for before that. What it returns says why there was no chart.
func (r *Runner) load(
	ctx context.Context, hr *v1beta1.HelmRelease, in Inputs, p plan.Plan, action *engine.Action,
) func() error {
	var failed error
	switch {
	case p.Step == plan.Install, p.Step == plan.Upgrade, p.Step == plan.Compare, p.Reason == plan.ReasonAdopting:
	default:
		return func() error { return nil } // what a stopped process had begun is finished from its record
	}

	if r.Fetch != nil {
		failed = r.Fetch(ctx, hr, in.Chart)
	}

	action.Load = func(ctx context.Context) (loaded *chart.Chart, err error) {
		loaded, failed = r.Charts(ctx, hr, in.Chart)
		return loaded, failed
	}
	return func() error { return failed }
}

func (r *Runner) compare(ctx context.Context, in Inputs, action engine.Action, outcome *status.Outcome) {
	// What was compared is what was decided on; a later change of the records is seen by the next look.
	records, err := r.Engine.History(ctx, in.Access, action.Target)
	if err == nil {
		outcome.History = records
		outcome.InventoryUnknown = true
		outcome.Equal, err = r.Engine.Equal(ctx, action)
	}
	outcome.HistoryUnknown = outcome.History == nil
	outcome.Failure = failureOf(plan.Upgrade, err, in)
}

func (r *Runner) execute(
	ctx context.Context, hr *v1beta1.HelmRelease, desired plan.Desired, in Inputs, action engine.Action, outcome *status.Outcome,
) {
	result := r.Engine.Execute(ctx, action)
	outcome.Reached = result.Reached
	outcome.Inventory = result.Inventory
	outcome.History = result.History
	outcome.HistoryUnknown = result.HistoryErr != nil
	in.Mask = in.Mask.Join(result.Mask)
	outcome.Failure = failureOf(outcome.Step, result.Err, in)
	outcome.Kept = result.Kept
	outcome.StillKept = result.StillKept
	kept := len(result.Kept) + len(result.StillKept) + len(hr.Status.Kept)
	outcome.KeptKnown = kept > 0 && result.HistoryErr == nil
	looked := outcome.Step == plan.Correct || outcome.Step == plan.Inspect
	if !looked { // of those the condition Drifted tells
		outcome.Dropped = result.Dropped
		outcome.Warned = result.Warned
	}

	outcome.InventoryUnknown = looked && len(result.Inventory) == 0 && result.Err != nil
	if outcome.Step == plan.Claim { // the objects that another Helm client wrote are not compared before the next upgrade
		outcome.InventoryUnknown = len(result.History) == 0 || !result.History[0].Ours
	}

	for _, d := range result.Drift {
		outcome.Drift = append(outcome.Drift, d.Status())
	}
	if len(result.History) == 0 {
		return
	}

	switch outcome.Step {
	case plan.Install, plan.Upgrade, plan.Test:
		outcome.Tested = desired.Tests.Of(&annotated(hr, result.History[:1])[0])
		outcome.IgnoresTests = desired.Upgrade.IgnoresTests
		if hr.Status.LastAttemptedReleaseAction == string(plan.Install) {
			outcome.IgnoresTests = desired.Install.IgnoresTests
		}
	default:
	}
}

// failureOf words an error of the engine, nil when there is none.
func failureOf(action plan.Step, err error, in Inputs) *status.Failure {
	if err == nil {
		return nil
	}

	reason, final := engine.Reason(action, err)
	if reason == v1beta1.UpgradeFailedReason {
		reason = reasonFor(action)
	}

	return &status.Failure{
		Reason: reason, Final: final, Message: strings.TrimSpace(in.Mask.Apply(ssa.Scrub(engine.Describe(err, in.Origin)))),
		Superseded: engine.IsSuperseded(err), Class: engine.Class(action, err), Objects: maskedObjects(engine.Objects(err), in),
	}
}

// reasonFor is the reason of an action that failed for nothing more special.
func reasonFor(action plan.Step) string {
	switch action {
	case plan.Install:
		return v1beta1.InstallFailedReason
	case plan.Rollback:
		return v1beta1.RollbackFailedReason
	case plan.Test:
		return v1beta1.TestFailedReason
	case plan.Uninstall:
		return v1beta1.UninstallFailedReason
	case plan.Claim:
		return v1beta1.StorageErrorReason
	default:
		return v1beta1.UpgradeFailedReason
	}
}

// chartFailure is that of an action that could not have its chart. The reason is that of an outcome whatever the source says, for it is reported
// until the next attempt.
func chartFailure(err error) *status.Failure {
	var fault *guard.PanicError
	if errors.As(err, &fault) {
		return &status.Failure{Reason: fault.Reason(), Message: err.Error()}
	}
	return &status.Failure{Reason: v1beta1.ArtifactFailedReason, Message: err.Error()}
}

// maskedObjects hides secrets in what objects say.
func maskedObjects(objects []v1beta1.ObjectHealth, in Inputs) []v1beta1.ObjectHealth {
	for i := range objects {
		objects[i].Message = in.Mask.Apply(objects[i].Message)
	}
	return objects
}
