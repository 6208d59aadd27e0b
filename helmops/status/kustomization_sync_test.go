package status

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// The status says what has moved since the plan that was approved, and keeps that while further plans follow.
func TestWhatMovedSinceAnApproval(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	approved := v1beta1.KustomizationPlanStatus{
		Digest: "sha256:a", Revision: "main@2", FromRevision: "main@1", FromDigest: "d1", BuildDigest: "b",
		KubeVersion: "v1.37.0",
	}
	for _, tt := range []struct {
		name   string
		change func(*v1beta1.Kustomization, *v1beta1.KustomizationPlanStatus)
		want   string
	}{
		{
			name: "the plan that was approved", want: "",
			change: func(_ *v1beta1.Kustomization, p *v1beta1.KustomizationPlanStatus) { p.Digest = "sha256:a" },
		},
		{
			name: "the spec approves nothing", want: "what is built of the spec, its variables and its keys",
			change: func(k *v1beta1.Kustomization, p *v1beta1.KustomizationPlanStatus) {
				k.Spec.Sync.Approved = ""
				p.BuildDigest = "other"
			},
		},
		{
			name: "another revision", want: "revision main@2 → main@3",
			change: func(_ *v1beta1.Kustomization, p *v1beta1.KustomizationPlanStatus) {
				p.Revision = "main@3"
				p.BuildDigest = "other"
			},
		},
		{
			name: "another spec", want: "what is built of the spec, its variables and its keys",
			change: func(_ *v1beta1.Kustomization, p *v1beta1.KustomizationPlanStatus) { p.BuildDigest = "other" },
		},
		{
			name: "other deletions, on another cluster", want: "which objects are deleted, Kubernetes v1.37.0 → v1.38.0",
			change: func(_ *v1beta1.Kustomization, p *v1beta1.KustomizationPlanStatus) {
				p.PruneDigest = "other"
				p.KubeVersion = "v1.38.0"
			},
		},
		{
			name: "another start", want: "what is applied, main@1 → main@0",
			change: func(k *v1beta1.Kustomization, p *v1beta1.KustomizationPlanStatus) {
				k.Status.LastAppliedRevision = "main@0"
				p.FromDigest = "d0"
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := &v1beta1.Kustomization{}
			k.Spec.Sync = &v1beta1.Sync{Mode: v1beta1.SyncManual, Approved: "sha256:a"}
			k.Status.LastAppliedRevision = "main@1"
			k.Status.Plan = approved.DeepCopy()
			next := approved.DeepCopy()
			next.Digest = "sha256:b"
			tt.change(k, next)
			KustomizationForeseen(k, next, now)
			if next.Moved != tt.want || !next.ExpiresAt.Time.Equal(now.Add(v1beta1.PlanValidity)) {
				t.Errorf("moved: %q, want %q; it expires at %s", next.Moved, tt.want, next.ExpiresAt)
			}
			third := next.DeepCopy()
			third.Digest = "sha256:c"
			third.Moved = ""
			if KustomizationForeseen(k, third, now); tt.want != "" && k.Spec.Sync.Approved != "" && third.Moved != tt.want {
				t.Errorf("after a third plan: %q, want %q", third.Moved, tt.want)
			}
		})
	}
}

// A repair says nothing of what is wanted: neither the attempt nor Ready changes.
func TestARepairIsNoAttempt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	k := &v1beta1.Kustomization{}
	k.Status.LastAppliedRevision = "main@1"
	k.Status.LastAppliedDigest = "d1"
	k.Status.LastAttemptedDigest = "d1"
	current(k, now).awaiting(v1beta1.AwaitingApprovalReason, "waits")
	before := k.Status.DeepCopy()

	event := KustomizationRepaired(k, Applied{Revision: "main@2", Digest: "d2", Next: "the controller tries again in 5m0s",
		Failure: &Failure{Reason: v1beta1.ApplyFailedReason, Message: "no answer"}}, now)
	const failed = "differ from main@1, and correcting them failed: no answer; the controller tries again"
	if !event.Warning || !strings.Contains(event.Message, failed) {
		t.Errorf("event: %+v", event)
	}
	if c := meta.FindStatusCondition(k.Status.Conditions, v1beta1.DriftedCondition); c.Status != metav1.ConditionTrue {
		t.Errorf("Drifted: %+v", c)
	}

	event = KustomizationRepaired(k, Applied{Revision: "main@2", Digest: "d2", Corrected: []string{"ConfigMap a/b"}}, now)
	if event.Reason != v1beta1.DriftCorrectedReason || !strings.Contains(event.Message, "ConfigMap a/b") {
		t.Errorf("event: %+v", event)
	}
	if k.Status.LastAppliedRevision != before.LastAppliedRevision || k.Status.Failures != 0 ||
		k.Status.LastAttemptedDigest != before.LastAttemptedDigest || !IsAwaitingApproval(k) {
		t.Errorf("status: %+v", k.Status)
	}
}
