package release

import (
	"context"
	"fmt"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/status"
)

// maxPlanned bounds the objects of a plan that the status holds.
const maxPlanned = 10

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
		Digest: p.Digest(f.Inputs), Risk: p.Risk.String(), Summary: summaryOf(p),
		FromRevision: v1beta1.Number(f.Inputs.From), ChartVersion: w.Inputs.Chart.Version, ChartDigest: f.Inputs.Chart,
		ConfigDigest: f.Inputs.Config, RenderDigest: f.Inputs.Render, KubeVersion: f.Inputs.KubeVersion,
		RenderedDigest: p.Rendered(),
	}
	for _, o := range p.Objects[:min(len(p.Objects), maxPlanned)] {
		out.Objects = append(out.Objects, plannedObjectOf(o))
	}

	return out, nil
}

// PreviewOfForesight compares what runs with what would run. mask hides secrets in values.
func PreviewOfForesight(f *engine.Foresight, namespace string, mask func(string) string) (preview.Preview, error) {
	return preview.Of(preview.Input{
		From: f.From.Rendering(), To: f.To.Rendering(), Again: f.Again.Rendering(),
		Namespace: namespace, Kept: f.Kept, Mask: mask,
	})
}

func plannedObjectOf(o preview.Object) v1beta1.PlannedObject {
	out := v1beta1.PlannedObject{
		Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Change: o.Change, Risk: o.Class().String(),
	}
	if o.Kept != "" {
		out.Change = "kept"
	}

	reasons := make([]string, 0, len(o.Risks))
	for _, r := range o.Risks {
		reasons = append(reasons, r.Why)
	}

	const most = 500
	out.Why = strings.Join(reasons, "; ")
	if len(out.Why) > most {
		out.Why = strings.ToValidUTF8(out.Why[:most], "") + "…"
	}

	return out
}

// summaryOf counts the objects in words.
func summaryOf(p preview.Preview) string {
	counts := map[string]int{}
	for _, o := range p.Objects {
		if o.Kept != "" {
			counts["kept"]++
		} else {
			counts[o.Change]++
		}
	}

	var parts []string
	for _, change := range []string{diff.Created, diff.Changed, diff.Deleted, "kept"} {
		if counts[change] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[change], change))
		}
	}

	if len(parts) == 0 {
		return "no object changes"
	}

	return strings.Join(parts, ", ")
}
