package status

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

func TestAStepIsTheActionOfItsEvents(t *testing.T) {
	t.Parallel()
	for step, want := range map[plan.Step]string{
		plan.Install:   "Install",
		plan.Upgrade:   "Upgrade",
		plan.Rollback:  "Rollback",
		plan.Uninstall: "Uninstall",
		plan.Test:      "Test",
		plan.Correct:   "Correct",
		plan.Inspect:   ActionInspect,
		"":             ActionReconcile,
	} {
		if got := ActionOf(step); got != want {
			t.Errorf("step %q: action %s, want %s", step, got, want)
		}
	}
}

func TestAnEventKeepsItsAction(t *testing.T) {
	t.Parallel()
	if got := Kept([]v1beta1.KeptObject{{Kind: "Namespace", Name: "a"}}).As(ActionOf(plan.Upgrade)); got.Action != ActionPrune {
		t.Errorf("what is kept has the action %s", got.Action)
	}
	if got := Dropped([]string{"a"}).As(ActionOf(plan.Upgrade)); got.Action != "Upgrade" {
		t.Errorf("dropped fields have the action %s", got.Action)
	}
	if got := Spared("ConfigMap a/b (why)"); got.Action != ActionPrune || got.Reason != v1beta1.NotPrunedReason || got.Warning {
		t.Errorf("an object that is not pruned: %+v", got)
	}
}
