package release

import (
	"context"
	"testing"
	"time"

	helmchart "helm.sh/helm/v3/pkg/chart"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/worker"
	"fairlead.dev/fairlead/helmops/status"
)

// An input that exceeds a bound of rendering is not tried again, also by a process that finds nothing but the status.
func TestAnInputThatExceedsABoundIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	limit := &worker.LimitError{Limit: worker.LimitMemory, Bound: "512 MiB", File: "web/templates/a.yaml"}
	charts := func(context.Context, *v1beta1.HelmRelease, v1beta1.ChartRevision) (*helmchart.Chart, error) {
		return &helmchart.Chart{}, nil
	}
	tests := []struct {
		limit string
		again bool
	}{
		{limit: worker.LimitMemory},
		{limit: worker.LimitProcessor},
		{limit: worker.LimitStack},
		{limit: worker.LimitDeadline, again: true}, // it may be the machine
	}
	for _, test := range tests {
		limit.Limit = test.limit
		hr := helmRelease()
		r := runner(&engineFake{result: engine.Result{Err: limit}}, charts)
		outcome := r.Do(t.Context(), workOf(hr, plan.Plan{Step: plan.Install, Target: target}, inputs, nil))
		status.ReleaseDone(hr, outcome, r.Now())
		status.Progressing(hr, "its source is not known yet", r.Now()) // as after a restart
		later := r.Now().Add(24 * time.Hour)
		r.Now = func() time.Time { return later }
		decided, err := decide(t.Context(), r, hr, inputs)
		if err != nil {
			t.Fatal(err)
		}
		if again := decided.Step == plan.Install; again != test.again || decided.Stalled == test.again {
			t.Errorf("%s: %s, stalled %v: %s", test.limit, decided.Step, decided.Stalled, decided.Message)
		}
		changed := inputs
		changed.Chart.Digest = "sha256:another"
		if decided, err = decide(t.Context(), r, hr, changed); err != nil || decided.Step != plan.Install {
			t.Errorf("%s: another chart: %s, error %v", test.limit, decided.Step, err)
		}
	}
}
