package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// departureRetry is how often the namespace of a deleted object is looked at that cannot be uninstalled for lack of
// an identity. Namespaces are not watched, and this is rare.
const departureRetry = time.Minute

// uninstall brings a deleted object to its end: the Helm release is uninstalled, or left behind with an event that
// says so. It returns whether the object can go, and when to look again otherwise.
func (h *handler) uninstall(ctx context.Context, pass *pass) (bool, time.Duration, error) {
	hr := pass.Release
	way, err := h.planDeletion(ctx, hr)
	if err != nil {
		return false, 0, err
	}
	if way.obstacle != nil {
		return h.orphanUnreachable(ctx, hr, way)
	}

	mask := redact.NewMask(cluster.Secrets(way.access.Kubeconfig)...)
	in := release.Inputs{Access: way.access, NamespaceTerminating: way.terminating, Mask: mask}
	pass.SetInputs(in, plan.Inputs{})
	p := h.decide(ctx, pass)
	if pass.obstacle != nil {
		return h.undecided(ctx, pass, way)
	}

	switch p.Step {
	case plan.None:
		h.recordOrphaned(hr, p)
		return true, 0, nil
	case plan.Wait:
		return false, p.After, nil
	default:
		h.start(pass, p)
		return false, loop.Slow, nil
	}
}

// recordOrphaned emits an event about a Helm release that is left behind.
func (h *handler) recordOrphaned(hr *v1beta1.HelmRelease, p plan.Plan) {
	event := status.Event{Action: status.ActionOrphan, Reason: v1beta1.OrphanedReason, Message: p.Message}
	switch p.Reason {
	case plan.ReasonOrphaned:
	case v1beta1.OwnedByOtherReason:
		event.Reason = v1beta1.OwnedByOtherReason
	case plan.ReasonUnreachable:
		event.Warning = true
	default:
		return // there is no release, or it is suspended
	}

	h.recordEvent(hr, event)
}

// undecided handles a deleted object whose records cannot be read.
func (h *handler) undecided(ctx context.Context, pass *pass, way deletionPlan) (bool, time.Duration, error) {
	hr := pass.Release
	err := pass.obstacle
	if refs.IsObstacle(err) {
		_, err = h.blocker().Blocked(hr, err)
		return false, refs.UnreachableRetry, err
	}

	if reading := (*refs.PendingReadError)(nil); errors.As(err, &reading) {
		again, err := h.blocker().Blocked(hr, err)
		return false, again, err
	}

	if apierrors.IsForbidden(err) {
		return h.refused(hr, way, err)
	}
	if err = unreadable(hr, err); refs.IsObstacle(err) {
		way.obstacle = err
		return h.orphanUnreachable(ctx, hr, way)
	}

	return false, 0, err
}

// refused decides about a deleted object whose release may not even be looked at. In a namespace that is being
// deleted the identity does not come back.
func (h *handler) refused(hr *v1beta1.HelmRelease, way deletionPlan, err error) (bool, time.Duration, error) {
	if way.terminating {
		h.recordEvent(hr, status.Event{
			Warning: true, Action: status.ActionOrphan, Reason: v1beta1.OrphanedReason, Message: fmt.Sprintf(
				"%s; the namespace is being deleted, so the object goes without an uninstall; cluster-wide objects of "+
					"the release and those in other namespaces may be left", err),
		})
		return true, 0, nil
	}

	_, err = h.blocker().Blocked(hr, refs.RetryableObstacle(v1beta1.AccessDeniedReason,
		"%s; restore the ServiceAccount and its rights, or set spec.deletionPolicy to %s to leave the Helm release "+
			"behind",
		err, v1beta1.DeletionPolicyOrphan))
	return false, plan.RetryDelay(1), err
}

// deletionPlan is what counts for the uninstall of a deleted object.
type deletionPlan struct {
	access cluster.Access
	// obstacle is why there is no identity to uninstall as, or no cluster to uninstall from; nil when there is.
	obstacle error
	// terminating reports whether the namespace of the object is being deleted, which takes ServiceAccounts and
	// Secrets with it in any order. It is looked at only when that matters.
	terminating bool
}

// planDeletion finds out how the Helm release of a deleted object can be reached. For one that is left alone it asks
// nothing.
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

// orphanUnreachable decides about a deleted object whose Helm release cannot be reached. In a namespace that is being
// deleted too the identity does not come back, and what is left of the release goes with the namespace; a release
// that never came to be needs no identity.
func (h *handler) orphanUnreachable(
	ctx context.Context, hr *v1beta1.HelmRelease, way deletionPlan,
) (bool, time.Duration, error) {
	reason := refs.ReasonOf(way.obstacle)
	var noIdentity bool // false while a cluster only does not answer
	switch reason {
	case v1beta1.AccessDeniedReason, v1beta1.KubeConfigInvalidReason, v1beta1.UnsupportedReason:
		noIdentity = true
	}

	if way.terminating || hr.Status.Latest() == nil && noIdentity {
		log.FromContext(ctx).Info("the Helm release is not uninstalled",
			"because", way.obstacle.Error(), "namespaceTerminating", way.terminating)
		return true, 0, nil
	}

	_, err := h.blocker().Blocked(hr, refs.RetryableObstacle(reason,
		"cannot uninstall %s/%s: %s; to keep the Helm release, set spec.deletionPolicy to %s",
		hr.GetReleaseNamespace(), hr.GetReleaseName(), way.obstacle, v1beta1.DeletionPolicyOrphan))
	return false, departureRetry, err
}
