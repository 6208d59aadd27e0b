package release

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// next returns what says in words what will follow an outcome: what is decided when it was taken over into the object.
func (r *Runner) next(desired plan.Desired, in Inputs, outcome status.Outcome) func(*v1beta1.HelmRelease) string {
	ended := r.Now()
	answered := desired // a request has been answered by the step
	answered.Retry = false
	answered.Force = false
	answered.Pin = nil
	return func(after *v1beta1.HelmRelease) string {
		if outcome.HistoryUnknown {
			return follows(plan.Plan{Step: plan.Wait, After: plan.RetryDelay(after.Status.Failures)}, ended)
		}

		observed := see(observedOf(after, answered.Target, in.Live), after, answered, in, outcome.History)
		return follows(plan.Decide(answered, observed, r.Now()), ended)
	}
}

// follows says what a plan is, after an action that ended.
func follows(p plan.Plan, ended time.Time) string {
	switch {
	case p.Step == plan.Rollback:
		return fmt.Sprintf("it is rolled back to revision %d now", p.To)
	case p.Step == plan.Uninstall:
		return "it is uninstalled now"
	case p.Step == plan.Wait && p.Stalled:
		return p.Message
	case p.Step == plan.Wait && p.After > 0:
		return fmt.Sprintf("the next attempt follows %s, or as soon as the chart, the values or the spec change",
			status.Later(p.After, ended))
	case p.Step == plan.Install || p.Step == plan.Upgrade:
		return "the next attempt follows at once"
	default:
		return ""
	}
}
