package kustomization

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/status"
)

// maxAwaited is how many Kustomizations a message names.
const maxAwaited = 3

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
	var held []string
	for _, id := range gone {
		since := h.k.Status.Released.Since(id)
		if since == nil || h.now().Before(since.Add(h.k.GetTimeout())) {
			held = append(held, id)
		}
	}
	return held
}

// MayTake implements apply.Handover.
func (h *handover) MayTake(owner types.NamespacedName, id string) bool {
	from := h.cached(h.ctx, owner)
	if from == nil {
		return false
	}
	up := h.cached(h.ctx, ownerOf(from))
	if up != nil && !declares(up, from) {
		up = nil
	}
	yes, _ := takes(h.k, from, up, id, h.revision, related(h.k, from, up))
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
	var own []string
	others := 0
	for key := range declared {
		if slices.Contains(gone, idOfKey(key)) {
			continue
		}
		found := candidates[key]
		if found == nil {
			found = g.cached(ctx, key)
		}
		if found == nil { // the cache does not have it yet
			own = append(own, key.String())
			continue
		}
		candidates[key] = found
	}
	for key, found := range candidates {
		f := follower{
			Kustomization: found, declared: declared[key], waits: above[key], released: slices.Contains(gone, idOfKey(key)),
		}
		yes, _ := awaits(k, revision, f)
		switch {
		case !yes:
		case f.declared || key.Namespace == k.Namespace:
			own = append(own, key.String())
		default:
			others++
		}
	}
	return namesOf(own, others)
}

// namesOf names Kustomizations for people. Those of other namespaces are counted: who else follows a source is
// not for everybody to know.
func namesOf(own []string, others int) []string {
	slices.Sort(own)
	var out []string
	for _, key := range own[:min(len(own), maxAwaited)] {
		out = append(out, "Kustomization "+key)
	}
	if more := len(own) - maxAwaited; more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	switch {
	case others == 1:
		out = append(out, "a Kustomization of another namespace")
	case others > 1:
		out = append(out, fmt.Sprintf("%d Kustomizations of other namespaces", others))
	}
	return out
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

// keep says what is known of objects that were released: whether they can be pruned now, and otherwise when to
// look again.
func (h *handler) keep(
	ctx context.Context, k *v1beta1.Kustomization, revision string,
) (due bool, after time.Duration) {
	r := k.Status.Released
	if r == nil {
		return false, 0
	}
	gone := make([]string, 0, len(r.Objects))
	for _, o := range r.Objects {
		gone = append(gone, o.ID)
	}
	declared := map[types.NamespacedName]bool{}
	for _, ref := range inventoryOf(k) {
		namespace, name, group, kind, _ := ref.Split()
		if k.Spec.KubeConfig == nil && group == v1beta1.GroupVersion.Group && kind == v1beta1.KustomizationKind {
			declared[types.NamespacedName{Namespace: namespace, Name: name}] = true
		}
	}
	r.WaitsFor = h.takers(ctx, k, revision, declared, gone)
	left := heldUntil(r, k.GetTimeout()).Sub(h.now())
	if len(r.WaitsFor) == 0 || left <= 0 {
		return true, 0
	}
	return false, left
}

// releasedBy records which objects an attempt has kept for others.
func releasedBy(k *v1beta1.Kustomization, revision string, held []string, now time.Time) *v1beta1.ReleasedObjects {
	if len(held) == 0 {
		return nil
	}
	out := &v1beta1.ReleasedObjects{Revision: revision}
	for _, id := range held {
		since := k.Status.Released.Since(id)
		if since == nil {
			since = &metav1.Time{Time: now}
		}
		out.Objects = append(out.Objects, v1beta1.ReleasedObject{ID: id, Since: *since})
	}
	return out
}

// departing returns how long the objects of a deleted Kustomization are kept for others yet.
func (h *handler) departing(ctx context.Context, k *v1beta1.Kustomization) time.Duration {
	left := k.DeletionTimestamp.Add(k.GetTimeout()).Sub(h.now())
	if left <= 0 {
		return 0
	}
	artifact, err := h.catalog.Artifact(ctx, choiceOf(k))
	if err != nil && !catalog.IsPending(err) {
		return 0
	}
	// While the source is being fetched, no Kustomization has applied its revision yet.
	names := h.takers(ctx, k, artifact.Revision, nil, nil)
	if len(names) == 0 {
		return 0
	}
	status.Progressing(k, fmt.Sprintf("it is being deleted; its objects are not deleted before %s, at the latest %s",
		status.HandsOver(names), k.DeletionTimestamp.Add(k.GetTimeout()).UTC().Format(time.RFC3339)), h.now())
	return left
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
	choice catalog.Choice
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
	choice, owner := choiceOf(k), ownerOf(k)
	releases := k.Status.Released != nil || k.DeletionTimestamp != nil
	var requests []reconcile.Request
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, in := range h.involved {
		concerned := in.choice == choice || key == owner || contains(k, key)
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
