package release

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/status"
)

func TestAStepThatMeetsAFaultFailsWithBackOff(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := &Runner{Engine: &toy{now: func() time.Time { return now }}, Now: func() time.Time { return now }}
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 1}}
	in := Inputs{Chart: v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:1"}}
	installs := plan.Plan{Step: plan.Install, Target: plan.Target{Name: "web", Namespace: "apps", StorageNamespace: "apps"}}
	outcome := r.Faulted(workOf(hr, installs, in, nil), &guard.PanicError{Where: "working on an object"})
	if outcome.Failure == nil || outcome.Failure.Reason != v1beta1.InternalErrorReason || outcome.Failure.Final || outcome.Reached {
		t.Fatalf("outcome: %+v, failure %+v", outcome, outcome.Failure)
	}
	status.ReleaseDone(hr, outcome, now)
	if hr.Status.Failures != 1 || status.IsReady(hr) {
		t.Errorf("%d failures are counted, ready %v", hr.Status.Failures, status.IsReady(hr))
	}
	decision, err := decide(t.Context(), r, hr, in)
	if err != nil || decision.Step == plan.Install && decision.After == 0 {
		t.Errorf("the next step is %s after %s, %v, want a pause", decision.Step, decision.After, err)
	}
}
