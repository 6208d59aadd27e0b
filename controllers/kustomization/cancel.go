package kustomization

import (
	"context"
	"errors"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/status"
)

// errCancelled is the cause of a context that ended because a user cancelled the attempt.
var errCancelled = errors.New("a user cancelled the attempt")

// uncancelled returns a context that ends when a user cancels the attempt.
func (t *turn) uncancelled(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	guard.Go("waiting for a user to cancel", func() {
		select {
		case <-t.cancelled:
			end(errCancelled)
		case <-ctx.Done():
		}
	})
	return ctx, func() { end(nil) }
}

// cancellation is the failure of an attempt that ended because a user cancelled it; nil when it ended otherwise.
func cancellation(ctx context.Context) *status.Failure {
	if !errors.Is(context.Cause(ctx), errCancelled) {
		return nil
	}
	return &status.Failure{
		Reason: v1beta1.CancelledReason, Message: errCancelled.Error(), Final: true, Cancelled: true,
	}
}

// cancel ends what a user asked to end, and answers the request unless an attempt is being made: its end answers it.
func (h *handler) cancel(k *v1beta1.Kustomization, p plan.Plan) {
	switch {
	case p.Reason == plan.ReasonUnderway && p.Cancels:
		h.turns.cancel(k)
	case p.Reason == plan.ReasonUnderway:
	case p.Cancels:
		h.recordEvent(k, status.KustomizationWaitCancelled(k, h.now()))
	default:
		status.KustomizationCancelAnswered(k)
	}
}
