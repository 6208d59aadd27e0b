package release

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
)

// departureRetry is how often the namespace of a deleted object is looked at that cannot be uninstalled for lack of an identity.
// Namespaces are not watched, and this is rare.
const departureRetry = time.Minute

// access finds out on which cluster and as whom the object is worked on.
func (g *gatherer) access(ctx context.Context, hr *v1beta1.HelmRelease) (cluster.Access, error) {
	return g.identities.Access(ctx, hr.Namespace, hr.GetServiceAccountName(g.defaultServiceAccount), hr.Spec.KubeConfig)
}

// unreadable words why the records of a release could not be read.
func unreadable(hr *v1beta1.HelmRelease, err error) error {
	return refs.Unreachable(err, hr.Namespace, hr.Spec.KubeConfig, hr.GetInterval())
}

// deletionPlan is what counts for the uninstall of a deleted object.
type deletionPlan struct {
	access cluster.Access
	// obstacle is why there is no identity to uninstall as, or no cluster to uninstall from; nil when there is.
	obstacle error
	// terminating reports whether the namespace of the object is being deleted, which takes ServiceAccounts and Secrets with
	// it in any order. It is looked at only when that matters.
	terminating bool
}

// planDeletion finds out how the Helm release of a deleted object can be reached. For one that is left alone it asks nothing.
func (g *gatherer) planDeletion(ctx context.Context, hr *v1beta1.HelmRelease) (deletionPlan, error) {
	if hr.Spec.Suspend || hr.Spec.DeletionPolicy == v1beta1.DeletionPolicyOrphan {
		return deletionPlan{}, nil
	}

	g.documents.Name(types.NamespacedName{Namespace: hr.Namespace, Name: hr.Name}, documentsOf(hr)...)
	access, err := g.access(ctx, hr)
	if err != nil && !refs.IsObstacle(err) || err == nil && access.User == "" {
		return deletionPlan{access: access}, err
	}

	gone, terminatingErr := g.identities.Terminating(ctx, hr.Namespace)
	if terminatingErr != nil {
		return deletionPlan{}, terminatingErr
	}

	return deletionPlan{access: access, obstacle: err, terminating: gone}, nil
}

// orphanUnreachable decides about a deleted object whose Helm release cannot be reached. In a namespace that is being deleted too the
// identity does not come back, and what is left of the release goes with the namespace; a release that never came to be
// needs no identity.
func (h *handler) orphanUnreachable(ctx context.Context, hr *v1beta1.HelmRelease, way deletionPlan) (bool, time.Duration, error) {
	reason := refs.ReasonOf(way.obstacle)
	var noIdentity bool // false while a cluster only does not answer
	switch reason {
	case v1beta1.AccessDeniedReason, v1beta1.KubeConfigInvalidReason, v1beta1.UnsupportedReason:
		noIdentity = true
	}

	if way.terminating || hr.Status.Latest() == nil && noIdentity {
		log.FromContext(ctx).Info("the Helm release is not uninstalled", "because", way.obstacle.Error(), "namespaceTerminating", way.terminating)
		return true, 0, nil
	}

	_, err := h.blocked(hr, refs.RetryableObstacle(reason, "cannot uninstall %s/%s: %s; to keep the Helm release, set spec.deletionPolicy to %s",
		hr.GetReleaseNamespace(), hr.GetReleaseName(), way.obstacle, v1beta1.DeletionPolicyOrphan))
	return false, departureRetry, err
}
