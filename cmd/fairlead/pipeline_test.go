package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

const candidateDigest = "sha256:9c1e8f6a0f4b0d6a7d7c9f6a1c7f3f9c1e8f6a0f4b0d6a7d7c9f6a1c7f3f0000"

// shopPipeline has 1.4.3 in staging, and prod waits for an approval of it.
func shopPipeline(change ...func(*v1beta1.ReleasePipeline)) *v1beta1.ReleasePipeline {
	ago := func(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }
	newest := v1beta1.PipelineCandidate{Version: "1.4.3", Digest: candidateDigest, FirstSeen: ago(26 * time.Hour)}
	old := v1beta1.PipelineCandidate{Version: "1.4.2", Digest: "sha256:1111111111112222",
		FirstSeen: ago(99 * time.Hour)}
	until := metav1.NewTime(now.Add(time.Hour))
	p := &v1beta1.ReleasePipeline{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "shop"}}
	p.Spec.Stages = []v1beta1.PipelineStage{{Name: "staging"}, {Name: "prod", Promote: "Manual"}}
	p.Status.Candidates = []v1beta1.PipelineCandidate{newest, old}
	p.Status.Stages = []v1beta1.StageStatus{
		{Name: "staging", Phase: "Verified", Message: "1.4.3: verified by all HelmReleases", Candidate: "1.4.3",
			Delivery: &v1beta1.StageDelivery{PipelineCandidate: newest, Cause: "Auto", At: ago(25 * time.Hour),
				Verified: true}},
		{Name: "prod", Phase: "Blocked", Message: "1.4.3: soak: …; approval: not approved", Candidate: "1.4.3",
			Delivery: &v1beta1.StageDelivery{PipelineCandidate: old, Cause: "Approved", At: ago(72 * time.Hour),
				Verified: true},
			Gates: []v1beta1.GateStatus{
				{Name: "upstream", Result: "Pass", Message: "verified in staging"},
				{Name: "soak", Result: "Wait", Message: "it has to stay verified in staging for another hour",
					Until: &until},
				{Name: "approval", Result: "Wait", Message: "not approved"},
			}},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func TestPipelineCommands(t *testing.T) {
	t.Parallel()
	held := shopPipeline(func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages[1].Hold, p.Spec.Stages[1].Pin = "migration",
			"1.4.2"
	})
	record := &v1beta1.Promotion{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "shop-prod-7"}}
	record.CreationTimestamp = metav1.NewTime(now.Add(-time.Hour))
	record.Spec = v1beta1.PromotionSpec{Pipeline: "shop", Stage: "prod", Version: "1.4.2", Digest: candidateDigest,
		Cause:  "Approved",
		Reason: "approved by alice"}
	record.Status.Phase = v1beta1.PromotionVerified
	freeze := &v1beta1.ReleaseFreeze{ObjectMeta: metav1.ObjectMeta{Name: "sale"}}
	end := metav1.NewTime(now.Add(time.Hour))
	freeze.Spec = v1beta1.ReleaseFreezeSpec{Reason: "the sale", Until: &end}
	is := world{objects: []client.Object{shopPipeline(), record, freeze}}
	holds := world{objects: []client.Object{held}}
	grouped := func(name string) world {
		return world{objects: []client.Object{shopPipeline(func(p *v1beta1.ReleasePipeline) {
			p.Spec.Stages[1].Gates = &v1beta1.StageGates{
				Approval: &v1beta1.StageApproval{Groups: []string{"admins", name}},
			}
		})}}
	}
	once := &v1beta1.PromotionApproval{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "shop-prod-x7k2p"}}
	once.Spec = v1beta1.PromotionApprovalSpec{Pipeline: "shop", Stage: "prod", Digest: candidateDigest, User: "alice"}
	runGolden(t, []goldenCase{
		{"approve-again", world{objects: []client.Object{shopPipeline(), once}}, "approve pipeline shop --stage prod"},
		{"approve-needless", is, "approve pipeline shop --stage staging --version 1.4.3"},
		{"reject-unknown", is, "reject pipeline shop --stage prod --version 9.9.9"},
		{"pin-again", holds, "pin pipeline shop --stage prod --version 1.4.2"},
		{"pin-unknown", is, "pin pipeline shop --stage prod --version 9.9.9"},
		{"pipelines", is, "get pipelines"},
		{"pipelines-json", is, "get pipelines -o json"},
		{"pipelines-none", world{}, "get pipelines"},
		{"pipelines-status", is, "get pipelines --status failed"},
		{"pipelines-watch-json", is, "get pipelines --watch -o json"},
		{"pipelines-selector", is, "get pipelines -l team=shop"},
		{"pipelines-selector-malformed", is, "get pipelines -l team=shop=x"},
		{"pipelines-named-unknown", is, "get pipelines shop shpo"},
		{"promotions", is, "get promotions -A"},
		{"freezes", is, "get freezes"},
		{"explain-pipeline", is, "explain pipeline shop"},
		{"explain-pipeline-80", world{objects: is.objects, outWidth: 80}, "explain pipeline shop --stage prod"},
		{"explain-pipeline-version", is, "explain pipeline shop --version 1.4.3"},
		{"explain-pipeline-version-80", world{objects: is.objects, outWidth: 80},
			"explain pipeline shop --version 1.4.2 --stage prod"},
		{"explain-pipeline-has", is, "explain pipeline shop --version 1.4.3 --stage staging"},
		{"explain-pipeline-json", is, "explain pipeline shop --stage staging --version 1.4.2 -o json"},
		{"explain-pipeline-unknown", is, "explain pipeline shop --version 9.9.9"},
		{"explain-release-stage", is, "explain release shop --stage prod"},
		{"explain-pipeline-none", world{}, "explain pipeline shop"},
		{"approve", is, "approve pipeline shop --stage prod"},
		{"approve-nothing", is, "approve pipeline shop --stage staging"},
		{"approve-unknown", is, "approve pipeline shop --stage prod --version 9.9.9"},
		{"approve-no-stage", is, "approve pipeline shop --stage qa"},
		{"reject", is, "reject pipeline shop --stage staging --version 1.4.3"},
		{"approve-group", grouped("owners"), "approve pipeline shop --stage prod --comment fine"},
		{"approve-no-group", grouped("release-managers"), "approve pipeline shop --stage prod"},
		{"reject-object", is, "reject pipeline shop --stage prod --version 1.4.3 --object --comment slow"},
		{"reject-comment", is, "reject pipeline shop --stage prod --version 1.4.3 --comment slow"},
		{"reject-what", is, "reject pipeline shop --stage staging"},
		{"pin", is, "pin pipeline/shop --stage prod --version 1.4.2"},
		{"unpin", holds, "unpin pipeline shop --stage prod"},
		{"unpin-nothing", is, "unpin pipeline shop --stage prod"},
		{"hold-release", is, "hold release shop --stage prod --reason x"},
		{"resume-pipeline", holds, "resume pipeline shop --stage prod"},
		{"resume-pipeline-all", holds, "resume pipeline shop"},
		{"help-approve", world{}, "approve --help"},
	})
}

// What the commands write is what the controller reads.
func TestPipelineCommandsWrite(t *testing.T) {
	t.Parallel()
	key := types.NamespacedName{Namespace: "web", Name: "shop"}
	for _, tt := range []struct {
		args string
		want func(context.Context, client.Client, *v1beta1.ReleasePipeline) bool
	}{
		{"pin pipeline shop --stage prod --version 1.4.2",
			func(_ context.Context, _ client.Client, p *v1beta1.ReleasePipeline) bool {
				return p.Spec.Stages[1].Pin == "1.4.2" && p.Spec.Stages[0].Pin == ""
			}},
		{"hold pipeline shop --stage staging --reason incident",
			func(_ context.Context, _ client.Client, p *v1beta1.ReleasePipeline) bool {
				return p.Spec.Stages[0].Hold == "incident"
			}},
		{"reject pipeline shop --stage prod --version 1.4.3",
			func(_ context.Context, _ client.Client, p *v1beta1.ReleasePipeline) bool {
				return len(p.Spec.Stages[1].Rejected) == 1 && p.Spec.Stages[1].Rejected[0] == "1.4.3"
			}},
		{"resume pipeline shop --stage prod", func(_ context.Context, _ client.Client,
			p *v1beta1.ReleasePipeline) bool {
			token := p.Annotations[v1beta1.ResetRequestAnnotation]
			return token != "" && token == p.Annotations[v1beta1.ReconcileRequestAnnotation] &&
				p.Spec.Stages[1].Hold == ""
		}},
		{"approve pipeline shop --stage prod", func(ctx context.Context, c client.Client,
			_ *v1beta1.ReleasePipeline) bool {
			list := &v1beta1.PromotionApprovalList{}
			if err := c.List(ctx, list, client.InNamespace("web")); err != nil || len(list.Items) != 1 {
				return false
			}
			want := v1beta1.PromotionApprovalSpec{Pipeline: "shop", Stage: "prod", Digest: candidateDigest,
				User: "alice"}
			return cmp.Equal(list.Items[0].Spec, want)
		}},
		{"reject pipeline shop --stage prod --version 1.4.3 --object --comment slow", func(ctx context.Context,
			c client.Client, p *v1beta1.ReleasePipeline) bool {
			list := &v1beta1.PromotionApprovalList{}
			if err := c.List(ctx, list, client.InNamespace("web")); err != nil || len(list.Items) != 1 {
				return false
			}
			want := v1beta1.PromotionApprovalSpec{Pipeline: "shop", Stage: "prod", Digest: candidateDigest,
				User: "alice", Decision: v1beta1.DecisionReject, Comment: "slow"}
			return cmp.Equal(list.Items[0].Spec, want) && len(p.Spec.Stages[1].Rejected) == 0
		}},
	} {
		t.Run(strings.Fields(tt.args)[0], func(t *testing.T) {
			t.Parallel()
			w := world{objects: []client.Object{shopPipeline()}}
			c := w.client(t)
			if r := w.runWith(t, c, strings.Fields(tt.args)...); r.code != exitOK {
				t.Fatalf("exit %d: %s", r.code, r.stderr)
			}
			p := &v1beta1.ReleasePipeline{}
			if err := c.Get(t.Context(), key, p); err != nil || !tt.want(t.Context(), c, p) {
				t.Errorf("the pipeline is %+v, %v", p.Spec, err)
			}
		})
	}
}
