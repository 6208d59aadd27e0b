package engine

import (
	"context"
	"errors"
	"io"
	"net"

	"helm.sh/helm/v3/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/engine/storage"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/memory"
	"fairlead.dev/fairlead/helmops/process/worker"
)

// Class gives the class of a failed action, one of v1beta1.Failure…, which decides what follows.
func Class(step plan.Step, err error) string {
	var unready *kubeclient.NotReadyError
	var died *worker.DiedError
	var panicked *worker.PanicError
	var taken *storage.TakenError
	switch reason, _ := Reason(step, err); {
	case errors.As(err, &died):
		return v1beta1.FailureTransient
	case errors.As(err, &unready) && unready.TimedOut:
		return v1beta1.FailureTimeout
	case errors.As(err, &unready), step == plan.Test:
		return v1beta1.FailureHealth
	case errors.As(err, &panicked), errors.As(err, &taken):
		return v1beta1.FailureRejected
	case isTransient(err):
		return v1beta1.FailureTransient
	case reason == v1beta1.SchemaFailedReason, reason == v1beta1.RenderFailedReason, reason == v1beta1.CRDsFailedReason,
		reason == v1beta1.PreflightRejectedReason, reason == v1beta1.RenderingLimitExceededReason:
		return v1beta1.FailureRejected
	default:
		return v1beta1.FailureApply
	}
}

// isTransient reports whether a failure is about the way to the API server, or a moment of it, and not about what was
// sent.
func isTransient(err error) bool {
	var network net.Error
	var exceeded *memory.ExceededError
	switch {
	case errors.Is(err, cluster.ErrFenced), errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, driver.ErrReleaseExists):
		return true
	case errors.As(err, &network), errors.As(err, &exceeded):
		return true
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), apierrors.IsTooManyRequests(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsConflict(err):
		return true
	default:
		return ssa.IsWebhookUnanswered(err)
	}
}

// Objects returns the objects that were not healthy when an action failed; nil when it failed for something else.
func Objects(err error) []v1beta1.ObjectHealth {
	var unready *kubeclient.NotReadyError
	if !errors.As(err, &unready) {
		return nil
	}
	return unready.Unready
}
