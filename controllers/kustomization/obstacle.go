package kustomization

import (
	"errors"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

// blockerOf returns the object of others that an error names as what is in the way of a deletion; nil when it
// names none.
func blockerOf(err error) *tracker.Ref {
	var foreign *apply.ForeignError
	if !errors.As(err, &foreign) {
		return nil
	}
	return foreign.First
}

// obstructed notes what was in the way of the last attempt; nil is nothing.
func (h *handler) obstructed(key types.NamespacedName, by *tracker.Ref) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if by == nil {
		delete(h.obstacles, key)
		return
	}

	if h.obstacles == nil {
		h.obstacles = map[types.NamespacedName]tracker.Ref{}
	}

	h.obstacles[key] = *by
}

// freed reports whether what was in the way of the last attempt is gone, and wakes the Kustomization when it goes.
func (h *handler) freed(k *v1beta1.Kustomization, access cluster.Access) bool {
	key := client.ObjectKeyFromObject(k)
	h.mu.Lock()
	obstacle, is := h.obstacles[key]
	attempted := !h.audited[key].IsZero()
	h.mu.Unlock()
	if !is {
		ready := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ReadyCondition)
		// An earlier process was refused, and what was in its way is not known: one attempt finds out.
		return !attempted && ready != nil && ready.Reason == v1beta1.PruneRefusedReason
	}

	at := types.NamespacedName{Namespace: obstacle.Namespace, Name: obstacle.Name}
	seen := h.dependencyWatcher.Look(key, access, obstacle.GVK, at)
	return seen.Known && seen.Object == nil
}
