package release

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// decide has the next step planned. A cluster that does not answer is an obstacle, and may not keep the worker: its records are
// read outside of it. The error is a PendingReadError meanwhile.
func (h *handler) decide(ctx context.Context, hr *v1beta1.HelmRelease, inputs release.Inputs) (release.Decision, error) {
	if inputs.Access.Kubeconfig == nil {
		return h.runner.Decide(ctx, hr, inputs)
	}

	key := client.ObjectKeyFromObject(hr)
	runner := *h.runner
	runner.Engine = h.readings.of(key)
	runner.Namesake = nil // a worker may not wait for a remote cluster; there the install fails
	decision, err := runner.Decide(ctx, hr, inputs)
	var looking *refs.PendingReadError
	if errors.As(err, &looking) {
		return decision, looking
	}

	h.readings.clear(key)
	if !errors.Is(err, context.DeadlineExceeded) {
		return decision, err
	}

	return decision, &refs.ObstacleError{After: refs.UnreachableRetry, Failure: status.Failure{Reason: v1beta1.ClusterUnreachableReason, Message: fmt.Sprintf(
		"the cluster of spec.kubeConfig does not answer: %s; it is asked again every %s", err, refs.UnreachableRetry)}}
}
