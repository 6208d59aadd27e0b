package status

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// An inventory is that of the newest revision, or there is none: then the objects are listed.
func TestTheInventoryOfAFormerRevisionIsDropped(t *testing.T) {
	t.Parallel()
	settled := plan.Plan{Step: plan.None, Target: target, Reason: plan.ReasonInSync}
	entries := []v1beta1.ResourceRef{v1beta1.NewResourceRef("apps", "web", "apps", "Deployment", "v1")}
	made := outcome(plan.Install, func(o *Outcome) {
		o.Reached, o.History, o.Inventory = true, []plan.Record{revision(1, plan.StatusDeployed)}, entries
	})
	again := revision(1, plan.StatusDeployed)
	again.LastDeployed = again.LastDeployed.Add(3600e9)
	touched := revision(1, plan.StatusDeployed)
	touched.Digest = "sha256:touched"
	for name, tt := range map[string]struct {
		change func(*v1beta1.HelmRelease)
		keeps  bool
	}{
		"the same revision": {keeps: true, change: func(hr *v1beta1.HelmRelease) {
			ReleaseSettled(hr, settled, made.History, now)
		}},
		"a claimed revision": {keeps: true, change: func(hr *v1beta1.HelmRelease) {
			ReleaseDone(hr, outcome(plan.Claim, func(o *Outcome) {
				o.History, o.InventoryUnknown = []plan.Record{touched}, true
			}), now)
		}},
		"a revision of another client": {change: func(hr *v1beta1.HelmRelease) {
			ReleaseSettled(hr, settled, []plan.Record{revision(2, plan.StatusDeployed)}, now)
		}},
		"one that is compared": {change: func(hr *v1beta1.HelmRelease) {
			ReleaseDone(hr, outcome(plan.Compare, func(o *Outcome) {
				o.Equal, o.InventoryUnknown, o.History = true, true, []plan.Record{revision(2, plan.StatusDeployed)}
			}), now)
		}},
		"one that failed and that nobody saw to end": {keeps: true, change: func(hr *v1beta1.HelmRelease) {
			ReleaseDone(hr, outcome(plan.Upgrade, func(o *Outcome) {
				o.Failure, o.InventoryUnknown = &Failure{Reason: v1beta1.UpgradeFailedReason, Message: "it broke"}, true
				o.History = []plan.Record{revision(2, plan.StatusFailed), revision(1, plan.StatusDeployed)}
			}), now)
		}},
		"one that nobody saw to end": {change: func(hr *v1beta1.HelmRelease) {
			ReleaseDone(hr, outcome(plan.Upgrade, func(o *Outcome) {
				o.InventoryUnknown, o.History = true, []plan.Record{revision(2, plan.StatusDeployed)}
			}), now)
		}},
		"an uninstall and an install": {change: func(hr *v1beta1.HelmRelease) {
			ReleaseSettled(hr, settled, []plan.Record{again}, now)
		}},
	} {
		hr := helmRelease()
		ReleaseDone(hr, made, now)
		tt.change(hr)
		if kept := hr.Status.Inventory != nil; kept != tt.keeps {
			t.Errorf("%s: the inventory is %v", name, hr.Status.Inventory)
		}
	}
}

// A release without objects has an empty inventory, which is not the same as none.
func TestAListOfNothingIsAnInventory(t *testing.T) {
	t.Parallel()
	hr := helmRelease()
	list := outcome(plan.Inspect, func(o *Outcome) {
		o.Reason, o.Inventory, o.History = plan.ReasonUnlisted, nil, []plan.Record{revision(1, plan.StatusDeployed)}
	})
	ReleaseDone(hr, list, now)
	if hr.Status.Inventory == nil || hr.Status.Inventory.Entries == nil {
		t.Fatalf("the inventory is %+v", hr.Status.Inventory)
	}
	hr = helmRelease()
	list.Failure = &Failure{Reason: v1beta1.StorageErrorReason, Message: "the record cannot be read"}
	list.InventoryUnknown = true
	ReleaseDone(hr, list, now)
	if hr.Status.Inventory != nil {
		t.Errorf("the inventory is %+v", hr.Status.Inventory)
	}
	for _, c := range hr.Status.Conditions {
		if c.Type == v1beta1.DriftedCondition && c.Status == metav1.ConditionUnknown {
			return
		}
	}
	t.Errorf("nothing says that the objects could not be listed: %+v", hr.Status.Conditions)
}
