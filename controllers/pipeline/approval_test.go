package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/promotion"
)

func decision(user string, change ...func(*v1beta1.PromotionApproval)) *v1beta1.PromotionApproval {
	a := &v1beta1.PromotionApproval{ObjectMeta: metav1.ObjectMeta{
		Namespace: "apps", Name: user, CreationTimestamp: at(-5),
	}}
	a.Spec = v1beta1.PromotionApprovalSpec{Pipeline: "web", Stage: "dev", Digest: "sha256:one", User: user}
	for _, c := range change {
		c(a)
	}
	return a
}

func TestApprovalOf(t *testing.T) {
	t.Parallel()
	want := promotion.Approval{User: "alice", ID: promotion.Identity{Chart: "sha256:one"}, At: at(-5).Time}
	if diff := cmp.Diff(want, approvalOf(decision("alice"))); diff != "" {
		t.Errorf("an approval (-want +got):\n%s", diff)
	}
	want.Groups, want.Reject, want.Comment = []string{"owners"}, true, strings.Repeat("x", maxComment-1)+"…"
	got := approvalOf(decision("alice", func(a *v1beta1.PromotionApproval) {
		a.Spec.Groups, a.Spec.Decision, a.Spec.Comment = want.Groups, v1beta1.DecisionReject, strings.Repeat("x", 512)
	}))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a rejection (-want +got):\n%s", diff)
	}
}

func TestApprovalGateOf(t *testing.T) {
	t.Parallel()
	got := gatesOf(&v1beta1.StageGates{Approval: &v1beta1.StageApproval{
		When: "OnMajor", Count: 2, Groups: []string{"owners"}, Expires: &metav1.Duration{Duration: time.Hour},
	}}).Approval
	want := promotion.ApprovalGate{When: promotion.OnMajor, Count: 2, Groups: []string{"owners"}, Expires: time.Hour}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the gate (-want +got):\n%s", diff)
	}
	if got := gatesOf(&v1beta1.StageGates{Approval: &v1beta1.StageApproval{}}).Approval.When; got != promotion.Always {
		t.Errorf("a gate without when is %s", got)
	}
	if got := gatesOf(&v1beta1.StageGates{}).Approval; got.When != "" {
		t.Errorf("no gate is %+v", got)
	}
}

// Groups of approvers need to be checked by the API server, as a count of more than one does.
func TestWhatNeedsThePolicy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		approval *v1beta1.StageApproval
		want     string
	}{
		{nil, ""},
		{&v1beta1.StageApproval{Count: 1}, ""},
		{&v1beta1.StageApproval{Count: 2}, "staging"},
		{&v1beta1.StageApproval{Groups: []string{"owners"}}, "staging"},
	} {
		p := threeStages(func(p *v1beta1.ReleasePipeline) {
			p.Spec.Stages[1].Gates = &v1beta1.StageGates{Approval: tt.approval}
		})
		if got := quorum(p); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.approval, got, tt.want)
		}
	}
}

// A pipeline is requeued when an approval expires.
func TestAnApprovalExpires(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeStages(func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages[0].Gates = &v1beta1.StageGates{
			MinAge:   &metav1.Duration{Duration: 2 * time.Hour},
			Approval: &v1beta1.StageApproval{Expires: &metav1.Duration{Duration: time.Hour}},
		}
	}), decision("alice"))
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	if next := s.settle(); next != 55*time.Minute {
		t.Errorf("again in %s, want 55m", next)
	}
	s.time = now.Add(2 * time.Hour)
	s.settle()
	if got := s.pipeline.Status.Stages[0]; got.Phase != "AwaitingApproval" ||
		!strings.Contains(got.Message, "the approval of alice expired at 2026-03-02T09:55:00Z") {
		t.Errorf("%s: %s", got.Phase, got.Message)
	}
}

// checkedRule is about the requests that make PromotionApprovals.
func checkedRule() (rule admissionv1.NamedRuleWithOperations) {
	rule.APIGroups = []string{v1beta1.GroupVersion.Group}
	rule.Resources = []string{refs.PromotionApprovals}
	rule.Operations = []admissionv1.OperationType{admissionv1.Create}
	return rule
}
