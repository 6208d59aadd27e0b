package main

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// rolledShop verified two candidates in prod.
func rolledShop() *v1beta1.ReleasePipeline {
	return shopPipeline(func(p *v1beta1.ReleasePipeline) {
		prod := &p.Status.Stages[1]
		for _, version := range []string{"1.4.0", "1.4.1", "1.3.9", "1.4.2"} {
			c := v1beta1.PipelineCandidate{Version: version, Digest: "sha256:" + version}
			if version == "1.4.2" {
				c = p.Status.Candidates[1]
			}
			prod.Verified = append(prod.Verified, v1beta1.StageVerification{PipelineCandidate: c})
		}
		prod.Rejected = []v1beta1.StageRejection{{Digest: "sha256:1.3.9", Reason: "it crashed"}}
	})
}

// namesPromotions names what is created, and then says how it is.
func namesPromotions(then ...func(*v1beta1.Promotion)) interceptor.Funcs {
	return interceptor.Funcs{Create: func(
		ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption,
	) error {
		q, ok := o.(*v1beta1.Promotion)
		if !ok {
			return c.Create(ctx, o, opts...)
		}
		q.Name, q.GenerateName = q.GenerateName+"x7k2p", ""
		if err := c.Create(ctx, q, opts...); err != nil {
			return err
		}
		for _, change := range then {
			change(q)
			if err := c.Update(ctx, q); err != nil {
				return err
			}
		}
		return nil
	}}
}

func TestPromote(t *testing.T) {
	t.Parallel()
	is := world{objects: []client.Object{rolledShop()}, funcs: namesPromotions()}
	ends := func(phase string, conclude func(*v1beta1.Promotion)) world {
		return world{objects: is.objects, funcs: namesPromotions(func(q *v1beta1.Promotion) {
			q.Status.Phase = phase
			conclude(q)
		})}
	}
	verified := ends("Verified", func(q *v1beta1.Promotion) {
		status.Ready(q, v1beta1.SucceededReason, "stage prod, 1.4.3: verified; Promotion shop-prod-8 records it", now)
	})
	failed := ends("Failed", func(q *v1beta1.Promotion) {
		status.Stalled(q, v1beta1.NotPromotedReason, "stage prod, 1.4.3 is not promoted: a user rejected 1.4.3", now)
	})
	runGolden(t, []goldenCase{
		{"promote", is, "promote shop prod"},
		{"promote-bypass", is, "promote pipeline/shop prod 1.4.3 --bypass soak,approval --reason INC-1234"},
		{"promote-rollback", is, "promote shop prod --rollback --reason INC-1234"},
		{"promote-rollback-to", is, "promote shop prod 1.4.0 --rollback"},
		{"promote-rollback-rejected", is, "promote shop prod 1.3.9 --rollback"},
		{"promote-rollback-nothing", is, "promote shop staging --rollback"},
		{"promote-rollback-bypass", is, "promote shop prod --rollback --bypass soak"},
		{"promote-unknown", is, "promote shop prod 9.9.9"},
		{"promote-stage", is, "promote shop qa"},
		{"promote-gate", is, "promote shop prod --bypass sok"},
		{"promote-what", is, "promote shop"},
		{"promote-wait", verified, "promote shop prod 1.4.3 --wait"},
		{"promote-wait-failed", failed, "promote shop prod 1.4.3 --wait"},
		{"promote-wait-too-long", is, "promote shop prod 1.4.3 --wait --timeout 50ms"},
		{"help-promote", world{}, "promote --help"},
	})
}

func TestPromoteWrites(t *testing.T) {
	t.Parallel()
	w := world{objects: []client.Object{rolledShop()}, funcs: namesPromotions()}
	c := w.client(t)
	line := []string{"promote", "shop", "prod", candidateDigest, "--bypass", "soak", "--reason", "INC-1"}
	if r := w.runWith(t, c, line...); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	got := &v1beta1.Promotion{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "shop-prod-x7k2p"}}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(got), got); err != nil {
		t.Fatal(err)
	}
	want := v1beta1.PromotionSpec{Pipeline: "shop", Stage: "prod", Version: "1.4.3", Digest: candidateDigest,
		Cause: "Manual", Reason: "INC-1", Bypass: []string{"soak"}, RequestedBy: "alice"}
	if diff := cmp.Diff(want, got.Spec); diff != "" || !got.IsRequest() {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"promote", ""}, "shop\n:4\n"},
		{[]string{"promote", "shop", "p"}, "prod\n:4\n"},
		{[]string{"promote", "shop", "prod", "1.4"}, "1.4.3\n1.4.2\n:4\n"},
	} {
		r := w.runWith(t, c, append([]string{"__completeNoDesc"}, tt.args...)...)
		if r.stdout != tt.want {
			t.Errorf("%q completes %q, want %q", tt.args, r.stdout, tt.want)
		}
	}
}

// TestTheListSaysWhyAPromotionFailed: the reason that a user gave is of no help there.
func TestTheListSaysWhyAPromotionFailed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ phase, message, want string }{
		"failed": {
			v1beta1.PromotionFailed, "stage prod, 9.9.9 is not promoted: the pipeline has no candidate 9.9.9",
			"the pipeline has no candidate 9.9.9",
		},
		"waiting":  {v1beta1.PromotionWaiting, "1.4.3: soak: 2h left", "1.4.3: soak: 2h left"},
		"verified": {v1beta1.PromotionVerified, "stage prod, 1.4.3: verified", "INC-1234"},
		"no cause": {v1beta1.PromotionFailed, "", "INC-1234"},
	}
	for name, tt := range tests {
		p := &v1beta1.Promotion{Spec: v1beta1.PromotionSpec{Reason: "INC-1234"}, Status: v1beta1.PromotionStatus{Phase: tt.phase}}
		if tt.message != "" {
			p.Status.Conditions = []metav1.Condition{{Type: v1beta1.ReadyCondition, Message: tt.message}}
		}

		if got := promotionReason(p); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
