package kustomization

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// Finalize implements loop.Handler.
func (h *handler) Finalize(ctx context.Context, k *v1beta1.Kustomization) (bool, time.Duration, error) {
	defer h.dependencyWatcher.Track(client.ObjectKeyFromObject(k))()
	pass := h.observe(ctx, k)
	p, err := h.decide(ctx, pass)
	if err != nil {
		return false, 0, err
	}
	return p.Step == plan.Leave, h.act(pass, p), nil
}

// leave lets a deleted Kustomization go.
func (h *handler) leave(k *v1beta1.Kustomization, p plan.Plan) {
	if p.Reason != plan.ReasonStranded {
		h.engine.Forget(client.ObjectKeyFromObject(k))
	}
	h.recordEvent(k, status.KustomizationLeft(p))
}

// deleteObjects deletes the objects outside of the worker.
func (h *handler) deleteObjects(k *v1beta1.Kustomization, access cluster.Access, how apply.Departure) {
	wanted := k.DeepCopy()
	key := client.ObjectKeyFromObject(k)
	h.mu.Lock()
	h.audited[key] = h.now()
	h.mu.Unlock()
	h.tasks.Start(key, func(ctx context.Context) actionResult {
		started := h.now()
		ctx, cancel := context.WithTimeout(ctx, wanted.GetTimeout())
		defer cancel()
		result := h.engine.Delete(ctx, access, how)
		out := actionResult{spared: result.Spared, took: h.now().Sub(started)}
		out.applied = status.Applied{
			Generation: wanted.Generation, Revision: wanted.Status.LastAppliedRevision, Digest: plan.Departure,
			Departing: true, Deleted: result.Deleted, Inventory: result.Inventory,
			Retained: result.Retained, Request: wanted.Annotations[v1beta1.ReconcileRequestAnnotation],
		}
		if result.Err != nil {
			out.obstacle = blockerOf(result.Err)
			reason, _ := apply.Reason(result.Err)
			mask := redact.NewMask(cluster.Secrets(access.Kubeconfig)...)
			out.applied.Failure = &status.Failure{Reason: reason, Message: mask.Apply(ssa.Scrub(result.Err.Error())) +
				"; to leave the objects behind, set spec.deletionPolicy to " + v1beta1.DeletionPolicyOrphan}
		}

		return out
	}, func(fault error) actionResult {
		return faulted(wanted, wanted.Status.LastAppliedRevision, plan.Departure, fault)
	})
}
