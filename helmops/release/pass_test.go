package release

import (
	"context"
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/approval"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// decision is a plan with what its pass found out.
type decision struct {
	plan.Plan
	History []plan.Record
	Live    Live
	Events  []status.Event
}

// decide plans the next step for a release with the given inputs, whose dependencies are ready.
func decide(ctx context.Context, r *Runner, hr *v1beta1.HelmRelease, in Inputs) (decision, error) {
	return decideLooking(ctx, r, hr, in, func() Live { return in.Live })
}

// decideLooking is decide with a look at the live objects.
func decideLooking(
	ctx context.Context, r *Runner, hr *v1beta1.HelmRelease, in Inputs, look func() Live,
) (decision, error) {
	pass := NewPass(hr)
	pass.SetInputs(in, plan.Inputs{})
	p, err := r.Decide(ctx, pass, func(_ context.Context, pass *Pass, fact plan.Fact) error {
		switch fact {
		case plan.FactObjects:
			pass.SetLive(look())
		case plan.FactApprovals:
			pass.Observed.Approvals = &approval.Plans{}
		case plan.FactDependencies:
			pass.Observed.Dependencies = &plan.Dependencies{}
		default:
			return fmt.Errorf("the fact %q is not expected", fact)
		}

		return nil
	})
	return decision{Plan: p, History: pass.History, Live: pass.Inputs.Live, Events: pass.Events}, err
}

// workOf is a plan with what it takes to carry it out.
func workOf(hr *v1beta1.HelmRelease, p plan.Plan, in Inputs, superseded <-chan struct{}) Work {
	pass := NewPass(hr)
	pass.SetInputs(in, plan.Inputs{})
	return pass.Work(p, superseded, nil)
}

// comparisonOf is the answer of a comparison of a record with the inputs.
func comparisonOf(hr *v1beta1.HelmRelease, in Inputs, newest plan.Record, equal bool) Comparison {
	work := workOf(hr, plan.Plan{Step: plan.Compare}, in, nil)
	return work.Comparison(status.Outcome{History: []plan.Record{newest}, Equal: equal})
}

// configDigestOf is the digest of the values that a release is asked for with.
func configDigestOf(hr *v1beta1.HelmRelease, in Inputs) string {
	return workOf(hr, plan.Plan{}, in, nil).Desired.ConfigDigest
}
