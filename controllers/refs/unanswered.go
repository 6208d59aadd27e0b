package refs

import (
	"context"
	"errors"
	"fmt"
	"net"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/status"
)

// isOwn reports whether an error is about the controller, which stops, and not about the cluster it asked.
func isOwn(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, cluster.ErrFenced)
}

// unanswered words that a cluster of a kubeconfig did not give the answer that was asked for: nothing listens there,
// its certificate is not trusted, or it answers with an error. No event says when that ends, so the cluster is asked
// again now and then.
func unanswered(err error, namespace string, remote *v1beta1.KubeConfigReference) error {
	failure := status.Failure{Reason: v1beta1.ClusterUnreachableReason}
	if apierrors.IsUnauthorized(err) {
		failure.Reason = v1beta1.KubeConfigInvalidReason
	}
	const text = "the cluster of %s of spec.kubeConfig does not answer: %s; it is tried again every %s"
	failure.Message = fmt.Sprintf(text, remote.Describe(namespace), problemOf(err), UnreachableRetry)
	return &ObstacleError{After: UnreachableRetry, Failure: failure}
}

// problemOf says what is wrong. The text of an answer that is an error is left out: the server can be one whose
// answers are not meant for the owner of the object.
func problemOf(err error) string {
	var unreachable *net.OpError
	var answer apierrors.APIStatus
	switch {
	case errors.As(err, &unreachable):
		return unreachable.Error()
	case apierrors.IsUnauthorized(err):
		return "it refuses the credentials that it is sent (401)"
	case errors.As(err, &answer):
		return fmt.Sprintf("its answer is an error (%d %s)", answer.Status().Code, answer.Status().Reason)
	default:
		return err.Error()
	}
}
