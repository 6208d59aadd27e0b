package kustomization

import (
	"context"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// attempt builds the objects and brings them into the cluster, or finds out what that would do, when it is its turn.
func (h *handler) attempt(ctx context.Context, k *v1beta1.Kustomization, in inputs, t *turn) actionResult {
	ctx, end := t.uncancelled(ctx)
	defer end()
	out := actionResult{
		applied: status.Applied{
			Generation: k.Generation, Revision: in.artifact.Revision, Digest: in.digest, Artifact: in.artifact.Digest,
		},
	}
	place, err := h.place(ctx, k, in, t)
	if err != nil {
		out.applied.Failure = cancellation(ctx)
		out.unwanted = out.applied.Failure == nil
		return out
	}

	defer place.Close()
	ctx, cancel := context.WithTimeout(ctx, k.GetTimeout())
	defer cancel()
	out = h.attemptInTurn(ctx, k, in, t, place.Close, out)
	if cancelled := cancellation(ctx); cancelled != nil && out.applied.Failure != nil {
		out.applied.Failure = cancelled
	}

	return out
}

// attemptInTurn makes an attempt whose turn it is. begun is called when the objects are written, and others may begin.
func (h *handler) attemptInTurn(
	ctx context.Context, k *v1beta1.Kustomization, in inputs, t *turn, begun func(), out actionResult,
) actionResult {
	objects, mask, err := h.buildFor(ctx, k, in, t)
	mask = mask.Join(redact.NewMask(cluster.Secrets(in.access.Kubeconfig)...))
	if err != nil {
		reason, final := reasonOf(err)
		out.applied.Failure = &status.Failure{Reason: reason, Final: final, Message: mask.Apply(ssa.Scrub(err.Error()))}
		return out
	}

	set := setOf(k, objects, in.ignore)
	set.Kind = t.kind
	set.Begun = begun
	set.Revision = in.artifact.Revision
	set.From = k.Status.LastAppliedDigest
	if t.preview {
		return h.foresee(ctx, in.access, set, mask, out)
	}

	set.Approved = t.approved
	set.Confirmed = t.confirms
	set.Repair = t.repair
	set.Handover = &handover{gatherer: h.gatherer, ctx: ctx, k: k, revision: in.artifact.Revision, now: h.now}
	result := h.engine.Apply(ctx, in.access, set)
	if !t.repair {
		out.applied.Released = plan.Release(k, in.artifact.Revision, result.Held, h.now())
	}

	out.planChanged = apply.IsPlanChanged(result.Err)
	out.record(result, mask)
	return out
}

// record takes over how applying ended, without secrets.
func (out *actionResult) record(result apply.Result, mask redact.Mask) {
	hide := func(text string) string { return mask.Apply(ssa.Scrub(text)) }
	for _, spared := range result.Spared {
		out.spared = append(out.spared, hide(spared))
	}

	out.again = result.Again
	out.applied.Retained = result.Retained
	out.applied.StillRetained = result.StillRetained
	out.applied.RetainedKnown = true
	for _, dropped := range result.Dropped {
		out.applied.Dropped = append(out.applied.Dropped, mask.Apply(dropped))
	}

	for _, object := range result.Warned {
		out.warned = append(out.warned, object.Masked(hide))
	}

	out.applied.Inventory = result.Inventory
	out.applied.Created = result.Created
	out.applied.Changed = result.Changed
	out.applied.Deleted = result.Deleted
	out.applied.Corrected = result.Corrected
	out.applied.Kept = result.Kept
	out.applied.Unconfirmed = result.Unconfirmed
	if result.Err != nil {
		out.obstacle = blockerOf(result.Err)
		out.applied.Failure = failureOf(result.Err, hide)
	}
}

func failureOf(err error, hide func(string) string) *status.Failure {
	reason, final := apply.Reason(err)
	return &status.Failure{Reason: reason, Final: final, Message: hide(err.Error())}
}
