package engine

import (
	"errors"
	"net"
	"strings"

	"helm.sh/helm/v3/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine/helmtext"
	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/engine/rendering"
	"fairlead.dev/fairlead/helmops/engine/storage"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/process/memory"
	"fairlead.dev/fairlead/helmops/process/worker"
)

// crdsError is a failure with the crds directory of a chart.
type crdsError struct{ cause error }

// Error implements error.
func (e *crdsError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *crdsError) Unwrap() error { return e.cause }

// Reason gives the condition reason for a failed action, and whether the same input can never succeed.
func Reason(step plan.Step, err error) (reason string, final bool) {
	text := err.Error()
	var kubeconfig *cluster.KubeconfigError
	var definitions *crdsError
	var tooLarge *storage.TooLargeError
	var unreachable *net.OpError
	var rejected *ssa.InvalidObjectsError
	var unusable *NoUsableTargetError
	var limit *worker.LimitError
	var schema *rendering.SchemaError
	own := ownReason(err)
	switch {
	case errors.As(err, &limit):
		return v1beta1.RenderingLimitExceededReason, limit.Repeats()
	case own != "":
		return own, false
	case errors.As(err, &schema), helmtext.IsSchema(text):
		return v1beta1.SchemaFailedReason, true
	case errors.As(err, &kubeconfig):
		return v1beta1.KubeConfigInvalidReason, false
	case rendering.IsRefused(err), helmtext.IsRendering(text):
		return v1beta1.RenderFailedReason, false
	case errors.Is(err, storage.ErrModified), errors.As(err, &tooLarge):
		return v1beta1.StorageErrorReason, false
	case isHookRefused(text), isRefused(err) && (!errors.As(err, &rejected) || !rejected.Final):
		return v1beta1.AccessDeniedReason, false
	case errors.As(err, &unusable):
		return v1beta1.MissingRollbackTargetReason, true
	case errors.As(err, &rejected):
		return v1beta1.PreflightRejectedReason, rejected.Final
	case errors.As(err, &definitions):
		return v1beta1.CRDsFailedReason, false
	case errors.As(err, &unreachable):
		return v1beta1.ClusterUnreachableReason, false
	}

	if reason, ok := failedReasons[step]; ok {
		return reason, false
	}

	return v1beta1.UpgradeFailedReason, false
}

// ownReason is that of an error that is the same whatever the step was; empty for others.
func ownReason(err error) string {
	var fault *guard.PanicError
	var panicked *worker.PanicError
	var exceeded *memory.ExceededError
	var tooMany *storage.HistoryError
	var token *cluster.TokenError
	switch {
	case IsCancelled(err):
		return v1beta1.CancelledReason
	case errors.As(err, &fault):
		return fault.Reason()
	case errors.As(err, &panicked):
		return panicked.Reason()
	case errors.As(err, &exceeded):
		return exceeded.Reason()
	case errors.As(err, &tooMany):
		return tooMany.Reason()
	case errors.As(err, &token):
		return token.Reason()
	default:
		return ""
	}
}

var failedReasons = map[plan.Step]string{
	plan.Install:   v1beta1.InstallFailedReason,
	plan.Uninstall: v1beta1.UninstallFailedReason,
	plan.Rollback:  v1beta1.RollbackFailedReason,
	plan.Test:      v1beta1.TestFailedReason,
	plan.Claim:     v1beta1.StorageErrorReason,
}

// Describe words an error. origin names where the value at a path of the values is from; a nil origin never knows.
func Describe(err error, origin func(path []string) string) string {
	var schema *rendering.SchemaError
	if errors.As(err, &schema) {
		return schema.Describe(origin)
	}
	return err.Error()
}

// IsSuperseded reports whether an action has ended because it was not wanted any more, because another Helm client or
// another HelmRelease was faster to begin one, or because it is no longer what was approved. None of them says
// anything against its input.
func IsSuperseded(err error) bool {
	return errors.Is(err, kubeclient.ErrSuperseded) || errors.Is(err, driver.ErrReleaseExists) ||
		errors.Is(err, ErrOwnerChanged) || IsPlanChanged(err) ||
		err != nil && helmtext.IsPending(err.Error())
}

// IsCancelled reports whether an action has ended because a user cancelled it.
func IsCancelled(err error) bool {
	var cancelled *kubeclient.CancelledError
	return errors.As(err, &cancelled)
}

func isRefused(err error) bool {
	return apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) && ssa.IsRightMissing(err.Error())
}

// isHookRefused reports whether the API server refused an object of a hook. Such an error is text only.
func isHookRefused(text string) bool {
	return helmtext.IsHook(text) && strings.Contains(text, " is forbidden: ") && ssa.IsRightMissing(text)
}
