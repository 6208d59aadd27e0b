package status

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	kustomization "fairlead.dev/fairlead/helmops/kustomize/plan"
)

// What is held stays in the status while an attempt repairs what is applied, and while the inputs are read; it goes with
// the plan that holds nothing.
func TestWhatIsHeldStaysDuringAnAttempt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	held := kustomization.Held{Reason: v1beta1.HeldByWindow, Revision: "main@2", Message: "main@2 is held"}
	obstacle := &kustomization.Obstacle{Reason: v1beta1.SourceNotFoundReason, Message: "there is no source"}
	for _, tt := range []struct {
		name  string
		plan  kustomization.Plan
		stays bool
	}{
		{"an attempt", kustomization.Plan{Step: kustomization.Wait, Reason: kustomization.ReasonUnderway}, true},
		{"reading", kustomization.Plan{Step: kustomization.Wait, Reason: kustomization.ReasonBlocked}, true},
		{
			"an obstacle",
			kustomization.Plan{Step: kustomization.Wait, Reason: kustomization.ReasonBlocked, Obstacle: obstacle}, false,
		},
		{"nothing is held", kustomization.Plan{Step: kustomization.None, Reason: kustomization.ReasonApplied}, false},
		{"still held", kustomization.Plan{Step: kustomization.None, Reason: kustomization.ReasonHeld, Held: held}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "apps", Generation: 1}}
			KustomizationHolds(k, held)
			if event := KustomizationPlanned(k, tt.plan, nil, now); tt.stays && event.Reason != "" {
				t.Errorf("it reports %+v again", event)
			}
			if stays := k.Status.Held != nil; stays != tt.stays {
				t.Errorf("what is held stays: %t, want %t", stays, tt.stays)
			}
		})
	}
}
