package kustomization

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/window"
)

// holds adds to inputs what can keep them from being applied: the windows, and the freezes, which are read from the
// cache. Where there are any, it adds the same inputs with the artifact that was applied last.
func (g *gatherer) holds(ctx context.Context, k *v1beta1.Kustomization, in *inputs) error {
	windows, err := window.NewCalendar(window.OfSync(k.Spec.Sync))
	if err != nil {
		return refs.TerminalObstacle(v1beta1.InvalidSyncWindowReason, "spec.sync.%s", err)
	}

	in.windows = windows
	if !g.noFreezes {
		found, err := refs.Freezes(ctx, g.dependencies.Objects, k)
		if err != nil {
			return err
		}
		for _, f := range found {
			in.freezes = append(in.freezes, plan.Freeze{From: f.From, Until: f.Until, Message: f.Message})
		}
	}

	canHold := k.Spec.Sync != nil && len(k.Spec.Sync.Windows) > 0 || len(in.freezes) > 0
	last := v1beta1.Artifact{Revision: k.Status.LastAppliedRevision, Digest: k.Status.LastAppliedArtifact}
	if !canHold || last.Digest == "" || in.artifact.HasRevision(last.Revision, last.Digest) {
		return nil
	}

	former := *in
	former.artifact = last
	former.digest = digestOf(k, former)
	in.former = &former
	return nil
}

// inputsFor are the inputs of an attempt: those with the artifact that was applied last, where the plan says so.
func (p *pass) inputsFor(decided plan.Plan) inputs {
	if decided.Former && p.inputs.former != nil {
		return *p.inputs.former
	}
	return p.inputs
}

// override spends a request to override the windows on an attempt, or on a plan that they hold nothing of.
func (h *handler) override(k *v1beta1.Kustomization, p plan.Plan) {
	token, reason := v1beta1.WindowOverride(k, k.Status.LastHandledOverrideAt)
	switch {
	case token == "":
	case p.Step == plan.Apply && !p.Former:
		status.KustomizationOverridden(k, token)
		h.recordEvent(k, status.WindowOverridden(reason).As(status.ActionApply))
	case p.Settled && p.Held == plan.Held{}:
		status.KustomizationOverridden(k, token)
	}
}

// freezeWatches is the watch of freezes, unless they are left out.
func (h *handler) freezeWatches() []loop.Watch {
	if h.noFreezes {
		return nil
	}
	return []loop.Watch{{Object: &v1beta1.ReleaseFreeze{}, Affects: h.frozen}}
}

// frozen are the Kustomizations that a freeze is about, or was about before a change.
func (h *handler) frozen(ctx context.Context, o client.Object) []reconcile.Request {
	list := &v1beta1.KustomizationList{}
	if err := h.dependencies.Objects.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache answers; it fails only while the process stops
	}

	var found []reconcile.Request
	for i := range list.Items {
		if k := &list.Items[i]; o.(*v1beta1.ReleaseFreeze).Covers(k) {
			key := types.NamespacedName{Namespace: k.Namespace, Name: k.Name}
			found = append(found, reconcile.Request{NamespacedName: key})
		}
	}

	return found
}
