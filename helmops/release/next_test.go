package release

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// A request that the step has answered does not decide what follows it.
func TestWhatFollowsIsDecidedWithoutRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settle(0)
	w.wants("1.1.0")
	w.helm.script[plan.Upgrade] = []end{breaks}
	w.hr.Annotations[v1beta1.ReconcileRequestAnnotation] = "1"
	w.hr.Annotations[v1beta1.ForceRequestAnnotation] = "1"
	to := plan.Target{Name: "web", Namespace: "apps", StorageNamespace: "apps"}
	outcome := w.runner.Do(t.Context(), workOf(w.hr.DeepCopy(), plan.Plan{Step: plan.Upgrade, Target: to}, w.in, nil))
	status.ReleaseDone(w.hr, outcome, w.clock)
	if says := status.Message(w.hr); !strings.HasSuffix(says, "the controller rolls it back to revision 1 now") {
		t.Errorf("Ready says %q", says)
	}
}
