package kustomization

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/status"
)

const (
	// Pauses between two repairs while a plan waits: after one that has corrected something, and after one that has not.
	repairPause     = 5 * time.Second
	vainRepairPause = 5 * time.Minute
	// replanPause is before a plan is computed again that had changed by the time of its attempt.
	replanPause = 5 * time.Second
)

// buildFor makes the objects of an attempt. A repair is made of the artifact that is applied, or of the newest one
// where the cache and upstream no longer have that: in either case nothing is written that was not applied.
func (h *handler) buildFor(
	ctx context.Context, k *v1beta1.Kustomization, in inputs, t *turn,
) ([]apply.Object, redact.Mask, error) {
	if !t.repair || k.Status.LastAppliedArtifact == "" {
		return h.build(ctx, k, in)
	}

	former := in
	former.artifact = v1beta1.Artifact{Revision: k.Status.LastAppliedRevision, Digest: k.Status.LastAppliedArtifact}
	objects, mask, err := h.build(ctx, k, former)
	if err != nil && ctx.Err() == nil {
		return h.build(ctx, k, in)
	}

	return objects, mask, err
}

// foresee finds out what applying a set would do.
func (h *handler) foresee(
	ctx context.Context, access cluster.Access, set apply.Set, mask redact.Mask, out actionResult,
) actionResult {
	hide := func(text string) string { return mask.Apply(ssa.Scrub(text)) }
	f, err := h.engine.Foresee(ctx, access, set, mask.Apply)
	if err != nil {
		out.applied.Failure = failureOf(fmt.Errorf("planning it failed: %w", err), hide)
		return out
	}

	out.planned = &v1beta1.KustomizationPlanStatus{
		Digest: f.Digest, Risk: f.Risk.String(), Summary: f.Summary(), Unchanged: f.Unchanged,
		Revision: out.applied.Revision, InputDigest: out.applied.Digest, FromDigest: f.Inputs.From,
		BuildDigest: f.Inputs.Build, PruneDigest: f.Inputs.Prune, KubeVersion: f.Inputs.KubeVersion,
		ObservedGeneration: out.applied.Generation, Objects: f.Riskiest(),
	}
	return out
}

// collectPlanChanged records that nothing was done, because it would not have been what the plan says.
func (h *handler) collectPlanChanged(k *v1beta1.Kustomization) {
	h.mu.Lock()
	h.replans[client.ObjectKeyFromObject(k)] = h.now().Add(replanPause)
	h.mu.Unlock()
	status.KustomizationPlanChanged(k, h.now())
}

// collectRepair records a repair that was made while a plan waits. The next one follows after a pause, because the
// objects that it could not correct still differ.
func (h *handler) collectRepair(k *v1beta1.Kustomization, ended actionResult) {
	pause := repairPause
	if len(ended.applied.Corrected)+len(ended.applied.Created) == 0 {
		pause = vainRepairPause
	}

	key := client.ObjectKeyFromObject(k)
	h.mu.Lock()
	h.repairable[key] = h.now().Add(pause)
	if !ended.again.IsZero() {
		h.fightBackoff[key] = ended.again
	}
	h.mu.Unlock()
	ended.applied.Next = fmt.Sprintf("the controller tries again in %s", pause)
	h.recordEvent(k, status.KustomizationRepaired(k, ended.applied, h.now()))
	h.recordRemarks(k, ended)
}
