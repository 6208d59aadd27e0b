// Package release carries one release from what it is to what it should be: observe, decide, do, record.
//
//	Decide: Pass ─► plan.Decide ─(needs a fact)─► look it up, add it to the Pass ─► plan.Decide ─► Plan
//	Do:     Work (Plan, Inputs) ─► chart ─► Engine ─► status.Outcome
//
// Decide is quick and for workers; Do takes as long as the release does and is not.
package release

import (
	"context"
	"errors"
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
	// Foresee finds out what an install or upgrade would make of the release.
	Foresee(ctx context.Context, action engine.Action) (*engine.Foresight, error)
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
	// Owner finds the living HelmRelease, other than hr, that owns the Helm release at target; recorded is what the
	// newest record names. The zero value is none. Nil finds none.
	Owner func(ctx context.Context, hr *v1beta1.HelmRelease, target plan.Target, recorded plan.Owner) (plan.Owner, error)
	// Namesake finds the Helm release of the same name in another namespace that has its records in the same storage
	// namespace; nil is none. It is asked for a release that has no records. A nil function finds none.
	Namesake func(ctx context.Context, access cluster.Access, target plan.Target) (*plan.Namesake, error)
	// KeepPlan keeps the whole of a plan that was computed, beside the summary in the status. Nil keeps none.
	KeepPlan func(ctx context.Context, w Work, f *engine.Foresight, summary *v1beta1.PlanStatus)
	// NotAttributable says what else goes wrong at the moment that may be the cause of a failure; empty when there is
	// nothing. Nil never knows of anything.
	NotAttributable func(ctx context.Context, hr *v1beta1.HelmRelease) string
}

// LookUp finds a fact that the runner does not find itself, and adds it to the pass. An error ends the pass.
type LookUp func(ctx context.Context, pass *Pass, fact plan.Fact) error

// Decide plans the next step of a release. It looks up the records and the owner itself, and everything else by
// lookUp. It changes nothing but the status of the object, and that only to adopt how an action ended that an earlier
// process had begun, and to note what the plan holds against the input.
func (r *Runner) Decide(ctx context.Context, pass *Pass, lookUp LookUp) (plan.Plan, error) {
	for {
		p := plan.Decide(pass.Desired, pass.Observed, r.Now())
		var err error
		switch {
		case p.Step == plan.Recount:
			r.adoptFinishedAction(pass, p)
		case p.Step == plan.Need && p.Fact == plan.FactOwner:
			err = r.lookUpOwner(ctx, pass, p.Target)
		case p.Step == plan.Need && p.Fact == plan.FactHistory:
			err = r.lookUpHistory(ctx, pass, p.Target)
		case p.Step == plan.Need && p.Fact != plan.FactManifest:
			err = lookUp(ctx, pass, p.Fact)
		default:
			if p.Step == plan.Need { // the manifest: that is too slow for a worker, so it is a step of its own
				p.Step = plan.Compare
				p.Fact = ""
			}

			status.ReleaseJudged(pass.Release, p, p.Judged(pass.Desired), r.Now())
			return p, nil
		}

		if err != nil {
			return plan.Plan{}, err
		}
	}
}

// lookUpHistory reads the records of a release; of one that is not there, also which other release is in its place.
func (r *Runner) lookUpHistory(ctx context.Context, pass *Pass, target plan.Target) error {
	records, err := r.Engine.History(ctx, pass.Inputs.Access, target)
	if err != nil {
		return unreadHistory(target, err)
	}

	var namesake *plan.Namesake
	absent := len(records) == 0 || records[0].Status == plan.StatusUninstalled
	if absent && r.Namesake != nil {
		namesake, err = r.Namesake(ctx, pass.Inputs.Access, target)
		if err != nil {
			return unreadHistory(target, err)
		}
	}

	pass.setHistory(records, namesake)
	pass.leaveFormer()
	return nil
}

// lookUpOwner finds the other HelmRelease that owns the release.
func (r *Runner) lookUpOwner(ctx context.Context, pass *Pass, target plan.Target) error {
	owner := plan.Owner{}
	if r.Owner != nil {
		var err error
		owner, err = r.Owner(ctx, pass.Release, target, pass.Observed.History.Newest().Owner)
		if err != nil {
			return err
		}
	}

	pass.Observed.Owner = &owner
	pass.leaveFormer()
	return nil
}

// adoptFinishedAction adopts into the status how an unobserved action ended, as its record says.
func (r *Runner) adoptFinishedAction(pass *Pass, p plan.Plan) {
	work := pass.Work(p, nil, nil)
	outcome := work.begin()
	outcome.Reached = true
	outcome.InventoryUnknown = true
	for i, record := range pass.History {
		if record.Version != p.To {
			continue
		}

		outcome.History = pass.History[i:]
		if p.Finishes == plan.Test {
			outcome.Tested = plan.TestsFailed
		}
		if record.Status == plan.StatusFailed {
			cause := pass.Inputs.Mask.Apply(storage.Cause(record.Description))
			outcome.Failure = &status.Failure{Reason: reasonFor(p.Finishes), Message: cause}
			outcome.Failure.Cancelled = record.Outcome == plan.OutcomeCancelled
		}
	}

	outcome.Next = r.next(work, outcome)
	pass.Events = append(pass.Events, status.ReleaseDone(pass.Release, outcome, r.Now()))
	pass.reread()
	pass.setHistory(pass.History, nil)
}

// Do carries out a plan that acts, and returns how it ended.
func (r *Runner) Do(ctx context.Context, w Work) status.Outcome {
	outcome := w.begin()
	action := actionOf(w)
	chartless := r.load(ctx, w, &action)
	switch {
	case chartless() != nil:
	case w.Plan.Step == plan.Compare:
		r.compare(ctx, w, action, &outcome)
	case w.Plan.Step == plan.Preview:
		r.preview(ctx, w, action, &outcome)
	default:
		r.execute(ctx, w, action, &outcome)
	}

	if err := chartless(); err != nil {
		outcome = w.begin()
		outcome.HistoryUnknown = true
		outcome.Failure = chartFailure(err)
	}

	if outcome.Failure != nil && w.Plan.Action() != plan.Rollback {
		outcome.NotAttributable = plan.NotAttributable(w.Inputs.Live.Health, r.notAttributable(ctx, w.Release))
	}

	unfinished := outcome.Failure != nil || outcome.Tested == plan.TestsFailed
	if unfinished || outcome.Step == plan.Rollback || outcome.Reason == plan.ReasonRemediation {
		outcome.Next = r.next(w, outcome)
	}

	return outcome
}

// Faulted is the outcome of work whose execution met a fault of the controller. What is in storage is not known; the
// next pass reads it.
func (r *Runner) Faulted(w Work, fault error) status.Outcome {
	outcome := w.begin()
	outcome.HistoryUnknown = true
	outcome.InventoryUnknown = true
	outcome.Failure = &status.Failure{Reason: v1beta1.InternalErrorReason, Message: fault.Error()}
	outcome.Next = r.next(w, outcome)
	return outcome
}

func (r *Runner) notAttributable(ctx context.Context, hr *v1beta1.HelmRelease) string {
	if r.NotAttributable == nil {
		return ""
	}
	return r.NotAttributable(ctx, hr)
}

// load has the action load the chart when it is its turn, where it has to be rendered or kept in the record. Upstream
// is waited for before that. What it returns says why there was no chart.
func (r *Runner) load(ctx context.Context, w Work, action *engine.Action) func() error {
	var failed error
	switch {
	case w.Plan.Step == plan.Install, w.Plan.Step == plan.Upgrade:
	case w.Plan.Step == plan.Compare, w.Plan.Step == plan.Preview:
	case w.Plan.Reason == plan.ReasonAdopting:
	default:
		return func() error { return nil } // what a stopped process had begun is finished from its record
	}

	if r.Fetch != nil {
		failed = r.Fetch(ctx, w.Release, w.Inputs.Chart)
	}

	action.Load = func(ctx context.Context) (loaded *chart.Chart, err error) {
		loaded, failed = r.Charts(ctx, w.Release, w.Inputs.Chart)
		return loaded, failed
	}
	return func() error { return failed }
}

func (r *Runner) compare(ctx context.Context, w Work, action engine.Action, outcome *status.Outcome) {
	// What was compared is what was decided on; a later change of the records is seen by the next pass.
	records, err := r.Engine.History(ctx, w.Inputs.Access, action.Target)
	if err == nil {
		outcome.History = records
		outcome.InventoryUnknown = true
		outcome.Equal, err = r.Engine.Equal(ctx, action)
	}
	outcome.HistoryUnknown = outcome.History == nil
	outcome.Failure = failureOf(plan.Upgrade, err, w.Inputs)
}

func (r *Runner) execute(ctx context.Context, w Work, action engine.Action, outcome *status.Outcome) {
	result := r.Engine.Execute(ctx, action)
	in := w.Inputs
	in.Mask = in.Mask.Join(result.Mask)
	outcome.Reached = result.Reached
	outcome.Inventory = result.Inventory
	outcome.History = result.History
	outcome.HistoryUnknown = result.HistoryErr != nil
	outcome.Failure = failureOf(outcome.Step, result.Err, in)
	outcome.PlanChanged = engine.IsPlanChanged(result.Err)
	outcome.Kept = result.Kept
	outcome.StillKept = result.StillKept
	kept := len(result.Kept) + len(result.StillKept) + len(w.Release.Status.Kept)
	outcome.KeptKnown = kept > 0 && result.HistoryErr == nil
	looked := outcome.Step == plan.Correct || outcome.Step == plan.Inspect
	if !looked { // the condition Drifted reports those
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

	w.tested(outcome)
}

// tested adds what the tests of the newest revision say, after an action that runs or awaits them.
func (w Work) tested(outcome *status.Outcome) {
	switch outcome.Step {
	case plan.Install, plan.Upgrade, plan.Test:
	default:
		return
	}

	if len(outcome.History) == 0 {
		return
	}

	outcome.Tested = w.Desired.Tests.Of(&annotated(w.Release, outcome.History[:1])[0])
	outcome.IgnoresTests = w.Desired.Upgrade.IgnoresTests
	if w.Release.Status.LastAttemptedReleaseAction == string(plan.Install) {
		outcome.IgnoresTests = w.Desired.Install.IgnoresTests
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
		Superseded: engine.IsSuperseded(err), Cancelled: engine.IsCancelled(err), Class: engine.Class(action, err), Objects: maskedObjects(engine.Objects(err), in),
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

// chartFailure is that of an action that could not have its chart. The reason is that of an outcome whatever the
// source says, for it is reported until the next attempt.
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
