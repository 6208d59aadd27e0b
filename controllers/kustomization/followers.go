package kustomization

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// follower is a Kustomization that may take over what another one is about to prune.
type follower struct {
	*v1beta1.Kustomization
	// declared is set when the set of the other one contains it.
	declared bool
	// released is set when the other one is about to prune it.
	released bool
	// waits is set when it waits for the other one to be gone.
	waits bool
}

// awaits reports whether k, which is about to prune objects at a revision, waits for a follower, with the
// reason. It is pure.
func awaits(k *v1beta1.Kustomization, revision string, f follower) (yes bool, why string) {
	switch {
	case client.ObjectKeyFromObject(f) == client.ObjectKeyFromObject(k):
		return false, "it is the one that prunes"
	case f.DeletionTimestamp != nil:
		return false, "it is being deleted"
	case f.released:
		return false, "it is about to be deleted"
	case f.waits:
		return false, "it waits until the other one is gone"
	case f.Spec.Suspend:
		return false, "it is suspended"
	case !sameCluster(k, f.Kustomization):
		return false, "its objects are in another cluster"
	case choiceOf(f.Kustomization) != choiceOf(k) && !f.declared:
		return false, "it follows another source"
	case choiceOf(f.Kustomization) != choiceOf(k):
		return f.Status.LastAppliedRevision == "", "it follows another source and applies it for the first time"
	case f.Status.LastAppliedRevision == revision && f.Status.ObservedGeneration == f.Generation:
		return false, "it has applied the revision"
	default:
		return true, "it follows the same source and has to apply the revision"
	}
}

// takes reports whether k may take over an object from another Kustomization at a revision, with the reason. up
// is the owner of that one, nil when there is none; kin whether the two are trusted with each other's objects.
// It is pure.
func takes(
	k, from, up *v1beta1.Kustomization, id, revision string, kin bool,
) (yes bool, why string) {
	same := choiceOf(k) == choiceOf(from)
	switch {
	case !kin:
		return false, "it is in another namespace and not declared together with the owner"
	case !sameCluster(k, from):
		return false, "the owner has its objects in another cluster"
	case !same && !declares(from, k):
		return false, "it follows another source and is not declared by the owner"
	case from.DeletionTimestamp != nil:
		return true, "the owner is being deleted"
	case from.Status.Released != nil && !same:
		revision = from.Status.Released.Revision
	}
	switch {
	case from.Status.Released.Has(id, revision):
		return true, "the owner has released it"
	case up != nil && up.Status.Released.Has(idOf(from), revision):
		return true, "the owner is about to be deleted"
	default:
		return false, "the owner has not released it"
	}
}

// related reports whether two Kustomizations are trusted with each other's objects: they are in one namespace,
// one declares the other, or a third declares both. Labels do not count, because everybody who may write the
// object can set them: what counts is the inventory of the one that declares.
func related(a, b, up *v1beta1.Kustomization) bool {
	if a.Namespace == b.Namespace || declares(a, b) || declares(b, a) {
		return true
	}
	return up != nil && declares(up, a) && declares(up, b)
}

// declares reports whether a Kustomization has another one among its objects.
func declares(owner, other *v1beta1.Kustomization) bool {
	if owner.Spec.KubeConfig != nil {
		return false
	}
	return contains(owner, client.ObjectKeyFromObject(other))
}

func contains(owner *v1beta1.Kustomization, key types.NamespacedName) bool {
	id := idOfKey(key)
	return slices.ContainsFunc(inventoryOf(owner), func(ref v1beta1.ResourceRef) bool { return ref.ID == id })
}

func idOf(k *v1beta1.Kustomization) string { return idOfKey(client.ObjectKeyFromObject(k)) }

func idOfKey(key types.NamespacedName) string {
	return v1beta1.NewResourceRef(key.Namespace, key.Name, v1beta1.GroupVersion.Group, v1beta1.KustomizationKind, "").ID
}

// sameCluster reports whether two Kustomizations have their objects in one cluster, as far as their specs say.
func sameCluster(a, b *v1beta1.Kustomization) bool {
	if a.Spec.KubeConfig == nil || b.Spec.KubeConfig == nil {
		return a.Spec.KubeConfig == nil && b.Spec.KubeConfig == nil
	}
	return a.Namespace == b.Namespace && a.Spec.KubeConfig.Same(b.Spec.KubeConfig)
}

// heldUntil is when the first of the released objects is not kept any longer. A Namespace or a definition stays
// as long as anything else stays.
func heldUntil(r *v1beta1.ReleasedObjects, timeout time.Duration) time.Time {
	var first, firstContainer time.Time
	for _, o := range r.Objects {
		at := o.Since.Add(timeout)
		earliest := &first
		_, _, _, kind, _ := v1beta1.ResourceRef{ID: o.ID}.Split()
		if kind == "Namespace" || kind == "CustomResourceDefinition" {
			earliest = &firstContainer
		}
		if earliest.IsZero() || at.Before(*earliest) {
			*earliest = at
		}
	}
	if first.IsZero() {
		return firstContainer
	}
	return first
}
