package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

const waitingDigest = "sha256:2ad772e4ecf0c542ae0ebe20b39a550eff4501213320898d13fc382501b752e2"

// unapproved is a release that waits for the approval of its plan.
func unapproved(change ...func(*v1beta1.HelmRelease)) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "shop"}}
	hr.Spec.Sync = &v1beta1.Sync{Mode: v1beta1.SyncManual}
	hr.Status.Plan = &v1beta1.PlanStatus{Digest: waitingDigest, Risk: v1beta1.RiskDataLoss, Summary: "1 deleted"}
	for _, c := range change {
		c(hr)
	}
	return hr
}

func groupedBy(groups ...string) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Spec.Sync.Approval = &v1beta1.SyncApproval{Groups: groups} }
}

// storedPlan is the ReleasePlan of unapproved.
func storedPlan(t *testing.T, change ...func(*v1beta1.ReleasePlan)) *v1beta1.ReleasePlan {
	t.Helper()
	whole := view.EmptyPlan()
	whole.Namespace = "web"
	whole.Name = "shop"
	whole.Digest = waitingDigest
	whole.Risk = v1beta1.RiskDataLoss
	whole.Change = "chart version 1.8.0 → 1.9.0"
	whole.To = v1beta1.ChartRevision{Name: "shop", Version: "1.9.0"}
	whole.Summary.Deleted = 1
	whole.Objects = []view.PlanObject{{
		ObjectDifference: view.ObjectDifference{Kind: "PersistentVolumeClaim", Name: "data", Change: "deleted"},
		Risks:            []view.PlanRisk{{Class: v1beta1.RiskDataLoss, Why: "the volume is deleted"}},
	}}
	content, _, err := view.EncodePlan(whole)
	if err != nil {
		t.Fatal(err)
	}
	p := &v1beta1.ReleasePlan{ObjectMeta: metav1.ObjectMeta{
		Namespace: "web", Name: v1beta1.PlanName(v1beta1.HelmReleaseKind, "shop"),
	}}
	p.Spec = v1beta1.ReleasePlanSpec{
		Kind: v1beta1.HelmReleaseKind, Name: "shop", Digest: waitingDigest, Risk: whole.Risk, Summary: "1 deleted",
		Content: content,
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func TestDecisionsOnPlans(t *testing.T) {
	t.Parallel()
	of := func(objects ...client.Object) world { return world{objects: objects} }
	had := &v1beta1.Approval{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "shop-x7k2p"}}
	had.Spec = v1beta1.ApprovalSpec{Kind: v1beta1.HelmReleaseKind, Name: "shop", Digest: waitingDigest, User: "alice"}
	planless := unapproved(func(hr *v1beta1.HelmRelease) { hr.Status.Plan = nil })
	runGolden(t, []goldenCase{
		{"approve-plan", of(unapproved()), "approve release shop --plan 2ad772e4ecf0"},
		{"approve-plan-again", of(unapproved(), had), "approve release shop --plan 2ad772e4ecf0"},
		{"approve-plan-other", of(unapproved()), "approve release shop --plan 1111111111111111"},
		{"approve-plan-short", of(unapproved()), "approve release shop --plan 2ad7"},
		{"approve-plan-none", of(unapproved()), "approve release shop"},
		{"approve-plan-of-none", of(planless), "approve release shop --plan 2ad772e4ecf0"},
		{"approve-plan-early", of(planless), "approve release shop --plan " + waitingDigest},
		{"approve-plan-absent", of(), "approve release shop --plan 2ad772e4ecf0"},
		{"approve-plan-group", of(unapproved(groupedBy("owners"))), "approve release shop --plan 2ad772e4ecf0"},
		{"approve-plan-no-group", of(unapproved(groupedBy("release-managers"))),
			"approve release shop --plan 2ad772e4ecf0"},
		{"approve-plan-kind", of(), "approve gitrepository shop --plan 2ad772e4ecf0"},
		{"reject-plan", of(unapproved()), "reject release shop --plan 2ad772e4ecf0 --comment no"},
		{"plan-waiting", of(unapproved(), storedPlan(t)), "plan release shop --waiting"},
		{"plan-waiting-truncated", of(unapproved(), storedPlan(t, func(p *v1beta1.ReleasePlan) {
			p.Spec.Truncated = 7
		})), "plan release shop --waiting"},
		{"plan-waiting-none", of(planless), "plan release shop --waiting"},
		{"plan-waiting-unstored", of(unapproved()), "plan release shop --waiting"},
		{"plan-waiting-outdated", of(unapproved(), storedPlan(t, func(p *v1beta1.ReleasePlan) {
			p.Spec.Digest = "sha256:other"
		})), "plan release shop --waiting"},
		{"plan-waiting-broken", of(unapproved(), storedPlan(t, func(p *v1beta1.ReleasePlan) {
			p.Spec.Content = []byte("no gzip")
		})), "plan release shop --waiting"},
	})
}

// What the commands write is what the controller reads.
func TestDecisionsAreWritten(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]v1beta1.ApprovalSpec{
		"approve release shop --plan 2ad772e4ecf0": {Decision: v1beta1.DecisionApprove},
		"reject release shop --plan 2ad772e4ecf0 --comment no": {
			Decision: v1beta1.DecisionReject, Comment: "no",
		},
	} {
		want.Kind, want.Name, want.Digest, want.User = v1beta1.HelmReleaseKind, "shop", waitingDigest, "alice"
		want.Groups = []string{"owners"}
		w := world{objects: []client.Object{unapproved(groupedBy("qa", "owners"))}}
		c := w.client(t)
		if r := w.runWith(t, c, strings.Fields(args)...); r.code != exitOK {
			t.Fatalf("%s: exit %d: %s", args, r.code, r.stderr)
		}
		list := &v1beta1.ApprovalList{}
		if err := c.List(t.Context(), list, client.InNamespace("web")); err != nil || len(list.Items) != 1 {
			t.Fatalf("%s: %d approvals, %v", args, len(list.Items), err)
		}
		if diff := cmp.Diff(want, list.Items[0].Spec); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
}
