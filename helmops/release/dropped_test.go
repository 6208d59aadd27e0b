package release

import (
	"context"
	"slices"
	"testing"

	"helm.sh/helm/v3/pkg/chart"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/plan"
)

// What a revision loses is reported with the action that writes it. When drift is looked at or corrected, the
// condition Drifted says it.
func TestWhatWasDroppedIsReportedOnce(t *testing.T) {
	t.Parallel()
	charts := func(context.Context, *v1beta1.HelmRelease, v1beta1.ChartRevision) (*chart.Chart, error) {
		return &chart.Chart{Metadata: &chart.Metadata{}}, nil
	}
	lost := []string{"Deployment apps/web (spec.x)"}
	for step, want := range map[plan.Step][]string{
		plan.Install: lost, plan.Upgrade: lost, plan.Rollback: lost, plan.Correct: nil, plan.Inspect: nil,
	} {
		e := &engineFake{result: engine.Result{Dropped: lost}}
		got := runner(e, charts).Do(t.Context(), workOf(helmRelease(), plan.Plan{Step: step, Target: target}, inputs, nil))
		if !slices.Equal(got.Dropped, want) {
			t.Errorf("%s: %v", step, got.Dropped)
		}
	}
}
