package release

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// next returns what says in words what will follow an outcome: what is decided when it was recorded in the object.
func (r *Runner) next(w Work, outcome status.Outcome) func(*v1beta1.HelmRelease) string {
	ended := r.Now()
	return func(after *v1beta1.HelmRelease) string {
		if outcome.HistoryUnknown {
			return follows(plan.Plan{Step: plan.Wait, After: plan.RetryDelay(after.Status.Failures)}, ended)
		}

		pass := w.passAfter(after)
		pass.setHistory(outcome.History, nil)
		return follows(plan.Decide(pass.Desired, pass.Observed, r.Now()), ended)
	}
}

// passAfter is the pass that follows the work. The requests of the user were answered by it.
func (w Work) passAfter(after *v1beta1.HelmRelease) *Pass {
	answered := w.Desired
	answered.Retry = false
	answered.Force = false
	answered.Pin = nil
	answered.Selected = nil
	answered.Windows.Override = false
	observed := observedOf(after, answered.Target, w.Inputs.Live)
	return &Pass{Release: after, Desired: answered, Observed: observed.Gathered(), Inputs: w.Inputs}
}

// follows says what a plan is, after an action that ended.
func follows(p plan.Plan, ended time.Time) string {
	switch {
	case p.Step == plan.Rollback:
		return fmt.Sprintf("the controller rolls it back to revision %d now", p.To)
	case p.Step == plan.Uninstall:
		return "the controller uninstalls it now"
	case p.Held != nil:
		return p.Held.Message
	case p.Step == plan.Wait && p.Stalled:
		return p.Message
	case p.Step == plan.Wait && p.After > 0:
		return fmt.Sprintf("the controller retries %s, or when the chart, the values or the spec change",
			status.Later(p.After, ended))
	case p.Step == plan.Install || p.Step == plan.Upgrade:
		return "the controller retries now"
	default:
		return ""
	}
}
