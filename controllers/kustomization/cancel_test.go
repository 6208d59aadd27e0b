package kustomization

import (
	"context"
	"testing"
	"testing/synctest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// A user who cancels ends an attempt that waits for its turn. It is recorded, and not repeated.
func TestACancelEndsAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		woken := 0
		h := queueing(t, &woken)
		k := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 1}}
		if _, err := h.builds.Take(t.Context(), "apps"); err != nil {
			t.Fatal(err)
		}

		h.start(k, inputs{digest: "sha256:1"}, plan.Plan{Step: plan.Apply})
		synctest.Wait()
		k.Annotations = map[string]string{
			v1beta1.ReconcileRequestAnnotation: "7", v1beta1.CancelRequestAnnotation: "7",
		}
		pass := h.observe(t.Context(), k)
		h.act(pass, plan.Decide(pass.desired, pass.observed, h.now()))
		if k.Status.LastHandledCancelAt != "" {
			t.Error("the request is answered before the attempt has ended")
		}

		synctest.Wait()
		h.collectResult(t.Context(), k)
		if woken != 1 || k.Status.Cancelled == nil || k.Status.Cancelled.Digest != "sha256:1" || !status.IsStalled(k) ||
			k.Status.LastHandledCancelAt != "7" || k.Status.Failures != 0 {
			t.Errorf("%d attempts have ended; status %+v", woken, k.Status)
		}
		if plan.DesiredOf(k, 0).Asked {
			t.Error("the cancel asks for another attempt")
		}
	})
}

// The end of a context for another reason is no cancel.
func TestACancelIsToldFromOtherEnds(t *testing.T) {
	t.Parallel()
	begun := &turn{cancelled: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	ctx, end := begun.uncancelled(ctx)
	defer end()
	stop()
	<-ctx.Done()
	if got := cancellation(ctx); got != nil {
		t.Errorf("got %+v", got)
	}

	ctx, end = begun.uncancelled(t.Context())
	defer end()
	close(begun.cancelled)
	<-ctx.Done()
	if got := cancellation(ctx); got == nil || !got.Cancelled || got.Reason != v1beta1.CancelledReason {
		t.Errorf("got %+v", got)
	}
}
