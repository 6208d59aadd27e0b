package kustomization

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// A Kustomization whose objects take long to be deleted is not Ready, and one whose deletion failed says why until it
// succeeds.
func TestAKustomizationThatIsBeingDeletedIsNotReady(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	deleted := metav1.NewTime(now)
	h := &handler{
		now: func() time.Time { return now }, jitter: func(d time.Duration, _ float64) time.Duration { return d },
	}
	k := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "all", DeletionTimestamp: &deleted}}
	k.Status.Inventory = &v1beta1.ResourceInventory{
		Entries: []v1beta1.ResourceRef{{ID: "apps_a__ConfigMap"}, {ID: "apps_b__ConfigMap"}},
	}
	k.Spec.Prune = true
	progress := func(elapsed time.Duration) {
		running := &plan.Running{Elapsed: elapsed, Generation: k.Generation}
		pass := h.passOf(k, running, false)
		h.act(pass, plan.Decide(pass.desired, pass.observed, now))
	}
	ready := func() metav1.Condition { return *meta.FindStatusCondition(k.Status.Conditions, v1beta1.ReadyCondition) }

	status.Ready(k, v1beta1.AppliedReason, "applied", now)
	progress(slow / 2)
	if got := ready(); got.Status != metav1.ConditionTrue {
		t.Errorf("a deletion that takes a moment is reported: %+v", got)
	}
	progress(slow)
	want := "the Kustomization is being deleted; deleting its objects, 2 in all"
	if got := ready(); got.Status != metav1.ConditionUnknown || got.Reason != v1beta1.ProgressingReason ||
		got.Message != want {
		t.Errorf("while its objects are being deleted, Ready is %+v", got)
	}
	k.Spec.DeletionPolicy = v1beta1.DeletionPolicyOrphan
	progress(slow)
	if got := ready().Message; got != "the Kustomization is being deleted; its objects stay in the cluster" {
		t.Errorf("of a Kustomization whose objects stay: %s", got)
	}

	status.KustomizationApplied(k, status.Applied{
		Digest:  plan.Departure,
		Failure: &status.Failure{Reason: v1beta1.PruneRefusedReason, Message: "it holds objects of others"},
	}, now)
	progress(slow)
	if got := ready(); got.Status != metav1.ConditionFalse || got.Reason != v1beta1.PruneRefusedReason {
		t.Errorf("while a failed deletion is tried again, Ready is %+v", got)
	}
}
