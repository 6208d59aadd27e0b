package release

import (
	"context"
	"errors"
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

// uninstall brings a deleted object to its end: the Helm release is uninstalled, or left behind with an event that
// says so. It returns whether the object can go, and when to look again otherwise.
func (h *handler) uninstall(ctx context.Context, pass *pass) (bool, time.Duration, error) {
	hr := pass.Release
	way, err := h.planDeletion(ctx, hr)
	if err != nil {
		return false, 0, err
	}
	if way.obstacle != nil {
		return h.unreachable(ctx, hr, way)
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
		return // there is no release, it is suspended, or it goes with its namespace
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
		return h.stranded(ctx, hr, plan.Stranded{
			Reason: v1beta1.AccessDeniedReason, Message: err.Error(), Forbidden: true, Terminating: way.terminating,
		})
	}

	if err = unreadable(hr, err); refs.IsObstacle(err) {
		way.obstacle = err
		return h.unreachable(ctx, hr, way)
	}

	return false, 0, err
}

// unreachable handles a deleted object without an identity to uninstall as, or without a cluster to uninstall from.
func (h *handler) unreachable(
	ctx context.Context, hr *v1beta1.HelmRelease, way deletionPlan,
) (bool, time.Duration, error) {
	return h.stranded(ctx, hr, plan.Stranded{
		Reason: refs.ReasonOf(way.obstacle), Message: way.obstacle.Error(), Terminating: way.terminating,
	})
}

// stranded lets a deleted object go whose release cannot be uninstalled, or reports what the uninstall waits for.
func (h *handler) stranded(
	ctx context.Context, hr *v1beta1.HelmRelease, facts plan.Stranded,
) (bool, time.Duration, error) {
	facts.Released = hr.Status.Latest() != nil
	p := facts.Decide(plan.Target{Namespace: hr.GetReleaseNamespace(), Name: hr.GetReleaseName()})
	if p.Step == plan.None {
		log.FromContext(ctx).Info("the Helm release is not uninstalled",
			"because", facts.Message, "namespaceTerminating", facts.Terminating)
		h.recordOrphaned(hr, p)
		return true, 0, nil
	}

	_, err := h.blocker().Blocked(hr, refs.RetryableObstacle(p.Reason, "%s", p.Message))
	return false, p.After, err
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
