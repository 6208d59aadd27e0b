package main

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// promotedShop is a pipeline with its records, and a Promotion of another pipeline.
func promotedShop() []client.Object {
	p := shopPipeline(func(p *v1beta1.ReleasePipeline) { p.UID = "7d0f" })
	objects := []client.Object{p}
	for i, r := range []struct {
		stage, version, cause, reason, phase string
		age, took                            time.Duration
	}{
		{"staging", "1.4.1", "Auto", "", "Rejected", 80 * time.Hour, 6 * time.Minute},
		{"staging", "1.4.2", "Auto", "", "Verified", 75 * time.Hour, 130 * time.Second},
		{"prod", "1.4.2", "Approved", "approved by alice@example.com, bob@example.com", "Verified", 72 * time.Hour,
			10 * time.Minute},
		{"staging", "1.4.3", "Auto", "", "Verifying", time.Minute, 0},
	} {
		record := &v1beta1.Promotion{ObjectMeta: metav1.ObjectMeta{
			Namespace: "web", Name: fmt.Sprintf("shop-%s-%d", r.stage, i+1), CreationTimestamp: ago(r.age),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: v1beta1.GroupVersion.String(),
				Kind: v1beta1.ReleasePipelineKind, Name: p.Name, UID: p.UID, Controller: ptr.To(true)}},
		}}
		record.Spec = v1beta1.PromotionSpec{Pipeline: "shop", Stage: r.stage, Version: r.version,
			Digest: candidateDigest, Cause: r.cause, Reason: r.reason}
		record.Status.Phase = r.phase
		if r.took > 0 {
			record.Status.FinishedAt = ptr.To(metav1.NewTime(record.CreationTimestamp.Add(r.took)))
		}
		objects = append(objects, record)
	}
	other := &v1beta1.Promotion{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "cart-dev-1"}}
	other.Spec = v1beta1.PromotionSpec{Pipeline: "cart", Stage: "staging", Version: "9.9.9"}
	return append(objects, other)
}

func TestPipelineHistory(t *testing.T) {
	t.Parallel()
	is := world{objects: promotedShop()}
	runGolden(t, []goldenCase{
		{"history-pipeline", is, "history pipeline shop"},
		{"history-pipeline-80", world{objects: promotedShop(), outWidth: 80}, "history pipeline shop"},
		{"history-pipeline-wide", is, "history pipeline/shop -o wide"},
		{"history-pipeline-stage", is, "history pipeline shop --stage prod"},
		{"history-pipeline-json", is, "history pipeline shop --stage prod -o json"},
		{"history-pipeline-no-stage", is, "history pipeline shop --stage qa"},
		{"history-pipeline-unknown", is, "history pipeline shpo"},
		{"history-pipeline-none", world{objects: []client.Object{shopPipeline()}}, "history pipeline shop"},
		{"history-release-stage", is, "history release shop --stage prod"},
	})
}

func TestCompletionOfStages(t *testing.T) {
	t.Parallel()
	w := world{objects: promotedShop()}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"history", "pipeline", ""}, "shop\n:4\n"},
		{[]string{"history", "pipeline/s"}, "pipeline/shop\n:4\n"},
		{[]string{"history", "pipeline", "shop", "--stage", ""}, "staging\nprod\n:4\n"},
		{[]string{"approve", ""}, "release\nkustomization\npipeline\n:4\n"},
		{[]string{"hold", ""}, "pipeline\n:4\n"},
		{[]string{"hold", "release", ""}, ":4\n"},
		{[]string{"pin", "pipeline", "shop", "--stage", "p"}, "prod\n:4\n"},
		{[]string{"pin", "pipeline", "shop", "--version", ""}, "1.4.3\n1.4.2\n:4\n"},
		{[]string{"pin", "pipeline", "cart", "--version", ""}, ":4\n"},
	} {
		if r := w.run(t, append([]string{"__completeNoDesc"}, tt.args...)...); r.stdout != tt.want {
			t.Errorf("%q completes %q, want %q", tt.args, r.stdout, tt.want)
		}
	}
}
