package release

import (
	"context"
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/referent"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// remotePatience is how long a worker waits for the records of another cluster. What takes longer goes on in the background, and
// is there at one of the next looks.
const remotePatience = time.Second

// remoteLook is how often a release on another cluster is looked at. A cluster that nobody looks at is let go of after a while,
// and its objects would not be watched any more.
const remoteLook = 4 * time.Minute

// decide has the next step planned. A cluster that does not answer is an obstacle, and may not keep the worker.
func (h *handler) decide(ctx context.Context, hr *v1beta1.HelmRelease, inputs release.Inputs) (release.Decision, error) {
	if inputs.Access.Kubeconfig == nil {
		return h.runner.Decide(ctx, hr, inputs)
	}
	patient, cancel := context.WithTimeout(ctx, remotePatience)
	defer cancel()
	decision, err := h.runner.Decide(patient, hr, inputs)
	if err == nil || patient.Err() == nil {
		return decision, err
	}
	return decision, &referent.ObstacleError{After: referent.UnreachableRetry, Failure: status.Failure{Reason: v1beta1.ClusterUnreachableReason, Message: fmt.Sprintf(
		"the cluster of spec.kubeConfig does not answer: %s; it is asked again every %s", err, referent.UnreachableRetry)}}
}
