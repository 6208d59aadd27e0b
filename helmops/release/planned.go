package release

import (
	"context"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/status"
)

// preview computes the plan of the next install or upgrade.
func (r *Runner) preview(ctx context.Context, w Work, action engine.Action, outcome *status.Outcome) {
	outcome.HistoryUnknown = true
	foresight, err := r.Engine.Foresee(ctx, action)
	if err == nil {
		outcome.Planned, err = plannedOf(w, foresight)
	}
	if err == nil && r.KeepPlan != nil {
		r.KeepPlan(ctx, w, foresight, outcome.Planned)
	}
	outcome.Failure = failureOf(plan.Upgrade, err, w.Inputs)
}

// plannedOf compares what runs with what would run.
func plannedOf(w Work, f *engine.Foresight) (*v1beta1.PlanStatus, error) {
	p, err := PreviewOfForesight(f, w.Plan.Target.Namespace, MaskOf(w.Release, w.Inputs, f.From.Values).Apply)
	if err != nil {
		return nil, err
	}

	out := &v1beta1.PlanStatus{
		Digest: p.Digest(f.Inputs), Risk: p.Risk.String(), Summary: p.Summary(),
		FromRevision: v1beta1.Number(f.Inputs.From), ChartVersion: w.Inputs.Chart.Version, ChartDigest: f.Inputs.Chart,
		ConfigDigest: f.Inputs.Config, RenderDigest: f.Inputs.Render, KubeVersion: f.Inputs.KubeVersion,
		RenderedDigest: p.Rendered(), Objects: p.Riskiest(),
	}
	return out, nil
}

// PreviewOfForesight compares what runs with what would run. mask hides secrets in values.
func PreviewOfForesight(f *engine.Foresight, namespace string, mask func(string) string) (preview.Preview, error) {
	return preview.Of(preview.Input{
		From: f.From.Rendering(), To: f.To.Rendering(), Again: f.Again.Rendering(),
		Namespace: namespace, Kept: f.Kept, Untried: f.Untried, Mask: mask,
	})
}
