package kustomization

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
)

// handover decides for one attempt how objects change hands. It implements apply.Handover from the cache of
// the manager.
type handover struct {
	*gatherer
	// ctx is that of the attempt, like k and revision.
	ctx      context.Context //nolint:containedctx // it lives as long as the attempt
	k        *v1beta1.Kustomization
	revision string
	now      func() time.Time
}

// Hold implements apply.Handover.
func (h *handover) Hold(gone []string, declared, written []types.NamespacedName) []string {
	keys := make(map[types.NamespacedName]bool, len(declared))
	for _, key := range declared {
		keys[key] = true
	}
	// What was written just now may not be in the cache yet.
	if len(written) == 0 && len(h.takers(h.ctx, h.k, h.revision, keys, gone)) == 0 {
		return nil
	}
	return plan.Hold(h.k, gone, h.now())
}

// MayTake implements apply.Handover.
func (h *handover) MayTake(owner types.NamespacedName, id string) bool {
	from := h.cached(h.ctx, owner)
	if from == nil {
		return false
	}

	up := h.cached(h.ctx, ownerOf(from))
	if up != nil && !plan.Declares(up, from) {
		up = nil
	}

	yes, _ := plan.Takes(h.k, from, up, id, h.revision, plan.Related(h.k, from, up))
	return yes
}

// cached returns a Kustomization by the cache; nil when there is none.
func (g *gatherer) cached(ctx context.Context, key types.NamespacedName) *v1beta1.Kustomization {
	found := &v1beta1.Kustomization{}
	if key.Name == "" || g.dependencies.Objects.Get(ctx, key, found) != nil {
		return nil
	}
	return found
}

// ownerOf is the Kustomization that has another one among its objects, by its labels.
func ownerOf(k *v1beta1.Kustomization) types.NamespacedName {
	return types.NamespacedName{
		Namespace: k.Labels[v1beta1.KustomizationNamespaceLabel], Name: k.Labels[v1beta1.KustomizationNameLabel],
	}
}

// takers names the Kustomizations that may still take over what k is about to prune at a revision. declared are
// those in its set, gone the objects that it is about to prune.
func (g *gatherer) takers(
	ctx context.Context, k *v1beta1.Kustomization, revision string, declared map[types.NamespacedName]bool, gone []string,
) []string {
	list := &v1beta1.KustomizationList{}
	same := client.MatchingFields{sourceIndex: sourceKey(choiceOf(k))}
	if err := g.dependencies.Objects.List(ctx, list, same, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache answers; it fails only while the process stops
	}

	candidates := map[types.NamespacedName]*v1beta1.Kustomization{}
	for i := range list.Items {
		candidates[client.ObjectKeyFromObject(&list.Items[i])] = &list.Items[i]
	}

	above := g.above(ctx, k)
	var unseen []types.NamespacedName
	for key := range declared {
		if slices.Contains(gone, plan.IDOf(key)) {
			continue
		}

		found := candidates[key]
		if found == nil {
			found = g.cached(ctx, key)
		}

		if found == nil {
			unseen = append(unseen, key)
			continue
		}

		candidates[key] = found
	}

	followers := make([]plan.Follower, 0, len(candidates))
	for key, found := range candidates {
		followers = append(followers, plan.Follower{
			Kustomization: found, Declared: declared[key], Waits: above[key],
			Released: slices.Contains(gone, plan.IDOf(key)),
		})
	}

	return plan.TakersOf(k, revision, followers, unseen)
}

// above are the Kustomizations that wait until k is gone, because it is being deleted and is one of their objects.
func (g *gatherer) above(ctx context.Context, k *v1beta1.Kustomization) map[types.NamespacedName]bool {
	out := map[types.NamespacedName]bool{}
	for at := k; at != nil && at.DeletionTimestamp != nil; {
		key := ownerOf(at)
		if key.Name == "" || out[key] {
			break
		}

		out[key] = true
		at = g.cached(ctx, key)
	}

	return out
}

// claimants names the Kustomizations that may still take over objects that k has released.
func (g *gatherer) claimants(ctx context.Context, k *v1beta1.Kustomization, revision string) []string {
	gone := make([]string, 0, len(k.Status.Released.Objects))
	for _, o := range k.Status.Released.Objects {
		gone = append(gone, o.ID)
	}

	declared := map[types.NamespacedName]bool{}
	for _, ref := range inventoryOf(k) {
		namespace, name, group, kind, _ := ref.Split()
		if k.Spec.KubeConfig == nil && group == v1beta1.GroupVersion.Group && kind == v1beta1.KustomizationKind {
			declared[types.NamespacedName{Namespace: namespace, Name: name}] = true
		}
	}

	return g.takers(ctx, k, revision, declared, gone)
}

// heirs names the Kustomizations that may still take over the objects of a deleted one.
func (h *handler) heirs(ctx context.Context, k *v1beta1.Kustomization) []string {
	h.follow(k, true)
	artifact, err := h.catalog.Artifact(ctx, choiceOf(k))
	if err != nil && !catalog.IsPending(err) {
		return nil
	}
	// While the source is being fetched, no Kustomization has applied its revision yet.
	return h.takers(ctx, k, artifact.Revision, nil, nil)
}

// follow notes whether a Kustomization has to be looked at when others apply or release something.
func (h *handler) follow(k *v1beta1.Kustomization, yes bool) {
	key := client.ObjectKeyFromObject(k)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.involved == nil {
		h.involved = map[types.NamespacedName]involvement{}
	}

	if !yes {
		delete(h.involved, key)
		return
	}

	// One that an attempt is made for may be refused because another one has not released an object yet.
	h.involved[key] = involvement{choice: choiceOf(k), keeps: k.Status.Released != nil || k.DeletionTimestamp != nil}
}

// involvement is how a Kustomization takes part in a hand-over.
type involvement struct {
	choice catalog.ChartRef
	// keeps is set when it waits for others to take its objects, unset when it wants objects of others.
	keeps bool
}

// refused reports whether the last attempt failed because an object belongs to another Kustomization.
func refused(k *v1beta1.Kustomization) bool {
	ready := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ReadyCondition)
	return ready != nil && ready.Reason == v1beta1.OwnershipConflictReason
}

// handsOver finds the Kustomizations that wait for another one to apply a revision or to release objects.
func (h *handler) handsOver(_ context.Context, object client.Object) []reconcile.Request {
	k, ok := object.(*v1beta1.Kustomization)
	if !ok {
		return nil
	}

	choice := choiceOf(k)
	owner := ownerOf(k)
	releases := k.Status.Released != nil || k.DeletionTimestamp != nil
	var requests []reconcile.Request
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, in := range h.involved {
		concerned := in.choice == choice || key == owner || plan.Contains(k, key)
		if !concerned || key == client.ObjectKeyFromObject(k) {
			continue
		}

		if releases {
			h.awaited[key] = true
		} else if !in.keeps {
			continue
		}

		requests = append(requests, reconcile.Request{NamespacedName: key})
	}

	return requests
}

// releasedOrApplied lets the events through that can end a wait of handsOver.
func releasedOrApplied() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		DeleteFunc: func(event.DeleteEvent) bool { return true },
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, ok := e.ObjectOld.(*v1beta1.Kustomization)
			is, alsoOK := e.ObjectNew.(*v1beta1.Kustomization)
			return ok && alsoOK && (was.Status.LastAppliedRevision != is.Status.LastAppliedRevision ||
				was.Status.ObservedGeneration != is.Status.ObservedGeneration || was.Spec.Suspend != is.Spec.Suspend ||
				was.DeletionTimestamp.IsZero() != is.DeletionTimestamp.IsZero() ||
				!sameReleased(was.Status.Released, is.Status.Released))
		},
	}
}

func sameReleased(a, b *v1beta1.ReleasedObjects) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Revision == b.Revision && slices.EqualFunc(a.Objects, b.Objects, func(x, y v1beta1.ReleasedObject) bool {
		return x.ID == y.ID
	})
}
