package release

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

var listing = status.Outcome{Step: plan.Inspect, Reason: plan.ReasonUnlisted}

func TestAReleaseWithoutInventoryIsListed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	has := s.hr.Status.Inventory
	s.hr.Status.Inventory = nil
	if live, _ := s.at(0); !live.Unlisted {
		t.Fatalf("its objects are not listed: %+v", live)
	}
	s.recordResult(s.hr, listing, nil) // could not
	live, again, _ := s.look(s.hr, release.Inputs{})
	if live.Unlisted || again != plan.ListAgain {
		t.Errorf("after a failure: %+v, again in %s", live, again)
	}
	if live, _ = s.at(plan.ListAgain); !live.Unlisted {
		t.Error("it is not tried again")
	}
	s.hr.Status.Inventory = has
	s.recordResult(s.hr, listing, nil)
	if live, _ = s.at(0); live.Unlisted || !live.Health.Healthy {
		t.Errorf("after it was listed: %+v", live)
	}
	s.hr.Status.Inventory, s.hr.Status.History[0].Status = nil, plan.StatusFailed
	if live, _ = s.at(0); live.Unlisted {
		t.Error("what failed is listed")
	}
}

func TestAReleaseWithoutObjectsIsHealthy(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.hr.Status.Inventory.Entries, s.seen = nil, nil
	live, _ := s.at(0)
	if live.Unlisted || !live.Health.Known || !live.Health.Healthy || s.condition("Healthy") != "True Healthy" {
		t.Errorf("%+v, %s", live, s.condition("Healthy"))
	}
}

func TestTheDriftOfAnAdoptedReleaseIsReportedFirst(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	meta.SetStatusCondition(&s.hr.Status.Conditions, metav1.Condition{
		Type: v1beta1.ReleasedCondition, Status: metav1.ConditionTrue, Reason: "Test",
		LastTransitionTime: metav1.NewTime(s.clock),
	})
	s.recordResult(s.hr, listing, nil)
	s.seen[1].Entry.Ownership = 8
	live, _ := s.at(0)
	if !live.Probation || len(live.Drifted) != 1 {
		t.Fatalf("at first: %+v", live)
	}
	found := v1beta1.ObjectDrift{Kind: "ConfigMap", Namespace: "apps", Name: "web"}
	found.Fields = []v1beta1.FieldDrift{{Path: ".data.a", Change: v1beta1.DriftChanged}}
	s.hr.Status.Drift = []v1beta1.ObjectDrift{found}
	states := s.statesOf(s.hr, plan.Plan{Objects: live.Drifted})
	s.recordResult(s.hr, status.Outcome{Step: plan.Inspect, Reason: plan.ReasonDrifted, Drift: s.hr.Status.Drift}, states)
	s.clock = s.clock.Add(plan.AdoptionReport - time.Minute)
	live, again, _ := s.look(s.hr, release.Inputs{})
	if !live.Probation || len(live.Drifted) > 0 || again != time.Minute {
		t.Errorf("in between: %+v, again in %s", live, again)
	}
	if live, _ = s.at(time.Minute); live.Probation || len(live.Drifted) != 1 {
		t.Errorf("after ten minutes: %+v", live)
	}

	own := newScene(t)
	own.hr.Status.History[0].Action = string(plan.Upgrade)
	if live, _ := own.at(0); live.Probation {
		t.Error("the drift of a revision of our own is only reported")
	}
}
