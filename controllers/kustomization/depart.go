package kustomization

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/refusal"
	"fairlead.dev/fairlead/helmops/status"
)

// Finalize implements loop.Handler.
func (h *handler) Finalize(ctx context.Context, k *v1beta1.Kustomization) (bool, time.Duration, error) {
	key := client.ObjectKeyFromObject(k)
	defer h.lookout.Turn(key)()
	h.land(ctx, k)
	if elapsed, running := h.tasks.Running(key); running {
		return false, h.progress(k, elapsed), nil
	}
	refs := inventoryOf(k)
	if leavesObjects(k) || len(refs) == 0 {
		h.engine.Forget(key)
		if len(refs) > 0 {
			h.tell(k, status.Event{
				Reason: v1beta1.OrphanedReason, Message: fmt.Sprintf("%d objects stay in the cluster", len(refs)),
			})
		}
		return true, 0, nil
	}
	access, err := h.access(ctx, k)
	if err != nil {
		return h.stranded(ctx, k, err)
	}
	free := h.freed(k, access) //nolint:contextcheck // a watch outlives the look
	left := pause(retryDelay(k, k.Status.Failures, false), free) - h.sinceAttempt(k)
	if k.Status.Failures > 0 && k.Status.LastAttemptedDigest == departs && left > 0 {
		return false, left, nil
	}
	h.follow(k, true)
	if left := h.departing(ctx, k); left > 0 {
		return false, left, nil
	}
	h.depart(k, access, departureOf(k, refs))
	return false, slow, nil
}

// leavesObjects reports whether the objects of a Kustomization stay when it is deleted.
func leavesObjects(k *v1beta1.Kustomization) bool {
	return k.Spec.Suspend || k.GetDeletionPolicy() == v1beta1.DeletionPolicyOrphan
}

// departs stands for the digest of a Kustomization that is being deleted.
const departs = "deleted"

// deleting reports that a Kustomization is being deleted. While a failed deletion is tried again, its failure stays in
// the condition.
func (h *handler) deleting(k *v1beta1.Kustomization) {
	if k.Status.Failures > 0 && k.Status.LastAttemptedDigest == departs {
		return
	}
	message := fmt.Sprintf("the Kustomization is being deleted; deleting its objects, %d in all", len(inventoryOf(k)))
	if leavesObjects(k) {
		message = "the Kustomization is being deleted; its objects stay in the cluster"
	}
	status.Progressing(k, message, h.now())
}

func (h *handler) sinceAttempt(k *v1beta1.Kustomization) time.Duration {
	if k.Status.LastAttemptedAt == nil {
		return 0
	}
	return h.now().Sub(k.Status.LastAttemptedAt.Time)
}

// depart deletes the objects outside of the worker.
func (h *handler) depart(k *v1beta1.Kustomization, access cluster.Access, how apply.Departure) {
	wanted := k.DeepCopy()
	key := client.ObjectKeyFromObject(k)
	h.mu.Lock()
	h.audited[key] = h.now()
	h.mu.Unlock()
	h.tasks.Start(key, func(ctx context.Context) landed {
		started := h.now()
		ctx, cancel := context.WithTimeout(ctx, wanted.GetTimeout())
		defer cancel()
		result := h.engine.Delete(ctx, access, how)
		out := landed{
			spared: result.Spared, took: h.now().Sub(started), request: wanted.Annotations[v1beta1.ReconcileRequestAnnotation],
		}
		out.applied = status.Applied{
			Generation: wanted.Generation, Revision: wanted.Status.LastAppliedRevision, Digest: departs,
			Departing: true, Deleted: result.Deleted, Inventory: result.Inventory,
			Retained: result.Retained,
		}
		if result.Err != nil {
			out.obstacle = blockerOf(result.Err)
			reason, _ := apply.Reason(result.Err)
			mask := redact.NewMask(cluster.Secrets(access.Kubeconfig)...)
			out.applied.Failure = &status.Failure{Reason: reason, Message: mask.Apply(refusal.Scrub(result.Err.Error())) +
				"; to leave the objects behind, set spec.deletionPolicy to " + v1beta1.DeletionPolicyOrphan}
		}
		return out
	}, func(fault error) landed { return faulted(wanted, wanted.Status.LastAppliedRevision, departs, fault) })
}

// stranded decides about a deleted object whose cluster cannot be reached, or whose identity does not exist. In a
// namespace that is being deleted, too, the identity does not come back.
func (h *handler) stranded(ctx context.Context, k *v1beta1.Kustomization, err error) (bool, time.Duration, error) {
	if !refs.IsObstacle(err) {
		return false, 0, err
	}
	gone, lookErr := h.identities.Terminating(ctx, k.Namespace)
	if lookErr != nil {
		return false, 0, lookErr
	}
	if gone {
		h.tell(k, status.Event{Warning: true, Reason: v1beta1.OrphanedReason, Message: fmt.Sprintf(
			"%s; the namespace is being deleted, so the object goes without deleting its objects in other namespaces", err)})
		return true, 0, nil
	}
	_, err = h.blocked(k, refs.Hindered(refs.ReasonOf(err),
		"cannot delete the objects: %s; to leave them behind, set spec.deletionPolicy to %s",
		err, v1beta1.DeletionPolicyOrphan))
	return false, time.Minute, err
}
