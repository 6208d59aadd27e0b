package pipeline

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/status"
)

// setupRequests adds the controller of Promotions whose pipeline does not exist.
func setupRequests(manager ctrl.Manager, o Options) error {
	return loop.Setup(manager, loop.Controller[*v1beta1.Promotion]{
		Name: v1beta1.PromotionKind, Empty: func() *v1beta1.Promotion { return &v1beta1.Promotion{} },
		Handler: &requestHandler{cached: manager.GetClient(), now: o.Now},
		Waker:   loop.NewWaker(), Concurrency: o.Concurrency, When: predicate.NewPredicateFuncs(isRequest),
	})
}

// isRequest reports whether a Promotion was made by a user. Records need no Reconcile of their own.
func isRequest(o client.Object) bool {
	q, ok := o.(*v1beta1.Promotion)
	return ok && q.IsRequest()
}

// requestHandler implements loop.Handler for Promotions. It answers those that no pipeline answers.
type requestHandler struct {
	cached client.Reader
	now    func() time.Time
}

// Reconcile implements loop.Handler. A pipeline may be created after its Promotion; the Promotion waits for that for
// the default deadline.
func (h *requestHandler) Reconcile(ctx context.Context, q *v1beta1.Promotion) (time.Duration, error) {
	if !q.IsRequest() || q.IsFinal() {
		return 0, nil
	}

	key := types.NamespacedName{Namespace: q.Namespace, Name: q.Spec.Pipeline}
	err := h.cached.Get(ctx, key, &v1beta1.ReleasePipeline{})
	switch {
	case err == nil:
		return 0, nil // the pipeline answers
	case !apierrors.IsNotFound(err):
		return 0, fmt.Errorf("reading ReleasePipeline %s: %w", key, err)
	}

	now := h.now()
	missing := fmt.Sprintf("ReleasePipeline %s does not exist", key)
	left := q.CreationTimestamp.Add(defaultDeadline).Sub(now)
	if left <= 0 {
		a := answer{phase: v1beta1.PromotionFailed, message: missing}
		a.conclude(q, metav1.NewTime(now))
		return 0, nil
	}

	status.PromotionPhase(q, v1beta1.PromotionWaiting)
	status.Retrying(q, v1beta1.NotFoundReason, fmt.Sprintf("%s; the controller continues when it does, until %s",
		missing, q.CreationTimestamp.Add(defaultDeadline).UTC().Format(time.RFC3339)), now)
	return left, nil
}

// Finalize implements loop.Handler. Promotions have no finalizer.
func (h *requestHandler) Finalize(context.Context, *v1beta1.Promotion) (bool, time.Duration, error) {
	return true, 0, nil
}

// Forget implements loop.Handler.
func (h *requestHandler) Forget(types.NamespacedName) {}

// isAskedOrGone lets the events through after which a request has to be answered, or a record has to be made again.
func isAskedOrGone() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc:  func(e event.CreateEvent) bool { return e.Object.(*v1beta1.Promotion).IsRequest() },
		UpdateFunc:  func(event.UpdateEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// ofPromotion is the pipeline that a Promotion belongs to, or is requested from.
func ofPromotion(ctx context.Context, o client.Object) []reconcile.Request {
	if q, ok := o.(*v1beta1.Promotion); ok && q.IsRequest() {
		key := types.NamespacedName{Namespace: q.Namespace, Name: q.Spec.Pipeline}
		return []reconcile.Request{{NamespacedName: key}}
	}
	return ofOwner(ctx, o)
}
