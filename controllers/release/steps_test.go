package release

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// What precedes the upgrade that a comparison calls for does not make the comparison necessary again.
func TestTheAnswerOfAComparisonStands(t *testing.T) {
	t.Parallel()
	key := types.NamespacedName{Namespace: "apps", Name: "web"}
	compare := release.NewPass(helmRelease("web")).Work(plan.Plan{Step: plan.Compare}, nil, nil)
	answer := compare.Comparison(status.Outcome{History: []plan.Record{{Digest: "sha256:1"}}})
	h := &handler{steps: map[types.NamespacedName]*step{}, compared: map[types.NamespacedName]release.Comparison{}}
	for _, tt := range []struct {
		step     plan.Step
		compared release.Comparison
		want     release.Comparison
	}{
		{step: plan.Compare, compared: answer, want: answer},
		{step: plan.Claim, want: answer},
		{step: plan.Inspect, want: answer},
		{step: plan.Upgrade},
	} {
		h.steps[key] = &step{}
		h.ended(key, status.Outcome{Step: tt.step}, tt.compared)
		if got := h.compared[key]; got != tt.want || h.steps[key] != nil {
			t.Errorf("after %s: %+v, want %+v", tt.step, got, tt.want)
		}
	}
}
