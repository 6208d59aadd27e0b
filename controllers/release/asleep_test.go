package release

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/release"
)

// judging notes by which rules objects are judged.
type judging struct {
	*lively
	by []string
}

func (j *judging) Live(
	access cluster.Access, owner types.NamespacedName, refs []v1beta1.ResourceRef, rules *health.Rules,
) ([]engine.Observed, bool) {
	j.by = append(j.by, rules.Digest())
	return j.lively.Live(access, owner, refs, rules)
}

// A suspended release is judged by the rules of its spec, like every other, and not at all while they cannot be
// understood.
func TestASuspendedReleaseIsJudgedByItsRules(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	live := &judging{lively: s.live}
	s.objects = live
	h := newHandler(t, nil)
	h.watcher = s.watcher
	h.runner = &release.Runner{Now: h.now}
	h.tasks = loop.NewTasks[actionResult](t.Context(), func(types.NamespacedName) {}, h.now)
	s.hr.Spec.Suspend = true
	onePass(t, h, s.hr)
	s.hr.Generation = 2
	s.hr.Spec.HealthCheckExprs = []v1beta1.HealthCheckExpr{{
		APIVersion: "apps/v1", Kind: "Deployment", Current: "status.phase == 'Done'",
	}}
	want, err := health.NewRules(s.hr.Spec.HealthCheckExprs)
	if err != nil {
		t.Fatal(err)
	}
	onePass(t, h, s.hr)
	s.hr.Generation = 3
	s.hr.Spec.HealthCheckExprs[0].Current = "status.phase =="
	onePass(t, h, s.hr)
	if len(live.by) != 2 || live.by[0] != (*health.Rules)(nil).Digest() || live.by[1] != want.Digest() {
		t.Errorf("judged by %q, want the usual rules and then %q", live.by, want.Digest())
	}
}

// onePass is one pass of the loop over a release.
func onePass(t *testing.T, h *handler, hr *v1beta1.HelmRelease) time.Duration {
	t.Helper()
	again, err := h.Reconcile(t.Context(), hr)
	if err != nil {
		t.Fatal(err)
	}
	return again
}
