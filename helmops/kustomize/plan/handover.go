package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
)

// MaxNamed is how many Kustomizations a message names.
const MaxNamed = 3

// unclaimed has released objects pruned that no other Kustomization can take over any more.
func unclaimed(d Desired, o Observed, now time.Time) (Plan, bool) {
	return Plan{Step: Apply, Reason: ReasonUnclaimed, Message: "what was kept for other Kustomizations can be pruned"},
		o.Released != nil && (len(o.Takers.Names) == 0 || o.keptFor(d, now) == 0)
}

// keptFor is how long released objects are kept for other Kustomizations yet; zero when that is not known, or over.
func (o Observed) keptFor(d Desired, now time.Time) time.Duration {
	if o.Released == nil || o.Takers == nil || len(o.Takers.Names) == 0 {
		return 0
	}
	return max(HeldUntil(o.Released, d.Timeout).Sub(now), 0)
}

// Follower is a Kustomization that may take over what another one is about to prune.
type Follower struct {
	*v1beta1.Kustomization
	// Declared is set when the set of the other one contains it.
	Declared bool
	// Released is set when the other one is about to prune it.
	Released bool
	// Waits is set when it waits for the other one to be gone.
	Waits bool
}

// Awaits reports whether k, which is about to prune objects at a revision, waits for a follower, with the reason.
func Awaits(k *v1beta1.Kustomization, revision string, f Follower) (yes bool, why string) {
	switch {
	case keyOf(f.Kustomization) == keyOf(k):
		return false, "it is the one that prunes"
	case f.DeletionTimestamp != nil:
		return false, "it is being deleted"
	case f.Released:
		return false, "it is about to be deleted"
	case f.Waits:
		return false, "it waits until the other one is gone"
	case f.Spec.Suspend:
		return false, "it is suspended"
	case !sameCluster(k, f.Kustomization):
		return false, "its objects are in another cluster"
	case !SameSource(f.Kustomization, k) && !f.Declared:
		return false, "it follows another source"
	case !SameSource(f.Kustomization, k):
		return f.Status.LastAppliedRevision == "", "it follows another source and applies it for the first time"
	case f.Status.LastAppliedRevision == revision && f.Status.ObservedGeneration == f.Generation:
		return false, "it has applied the revision"
	default:
		return true, "it follows the same source and has to apply the revision"
	}
}

// TakersOf names the followers that k, which is about to prune objects at a revision, waits for. unseen are
// Kustomizations in its set that the cache does not have yet.
func TakersOf(
	k *v1beta1.Kustomization, revision string, followers []Follower, unseen []types.NamespacedName,
) []string {
	own := make([]string, 0, len(unseen))
	for _, key := range unseen {
		own = append(own, key.String())
	}

	others := 0
	for _, f := range followers {
		yes, _ := Awaits(k, revision, f)
		switch {
		case !yes:
		case f.Declared || f.Namespace == k.Namespace:
			own = append(own, keyOf(f.Kustomization).String())
		default:
			others++
		}
	}

	return namesOf(own, others)
}

// namesOf names Kustomizations for people. Those of other namespaces are counted: who else follows a source is not for
// everybody to know.
func namesOf(own []string, others int) []string {
	slices.Sort(own)
	var out []string
	for _, key := range own[:min(len(own), MaxNamed)] {
		out = append(out, "Kustomization "+key)
	}
	if more := len(own) - MaxNamed; more > 0 {
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

// HandsOver says which Kustomizations a hand-over of objects waits for.
func HandsOver(names []string) string {
	verb := " has applied the revision"
	if len(names) > 1 {
		verb = " have applied the revision"
	}
	return strings.Join(names, ", ") + verb
}

// Takes reports whether k may take over an object from another Kustomization at a revision, with the reason. up is the
// owner of that one, nil when there is none; kin whether the two are trusted with each other's objects.
func Takes(
	k, from, up *v1beta1.Kustomization, id, revision string, kin bool,
) (yes bool, why string) {
	same := SameSource(k, from)
	switch {
	case !kin:
		return false, "it is in another namespace and not declared together with the owner"
	case !sameCluster(k, from):
		return false, "the owner has its objects in another cluster"
	case !same && !Declares(from, k):
		return false, "it follows another source and is not declared by the owner"
	case from.DeletionTimestamp != nil:
		return true, "the owner is being deleted"
	case from.Status.Released != nil && !same:
		revision = from.Status.Released.Revision
	}

	switch {
	case from.Status.Released.Has(id, revision):
		return true, "the owner has released it"
	case up != nil && up.Status.Released.Has(IDOf(keyOf(from)), revision):
		return true, "the owner is about to be deleted"
	default:
		return false, "the owner has not released it"
	}
}

// Related reports whether two Kustomizations are trusted with each other's objects: they are in one namespace, one
// declares the other, or a third declares both. Labels do not count, because everybody who may write the object can set
// them: what counts is the inventory of the one that declares.
func Related(a, b, up *v1beta1.Kustomization) bool {
	if a.Namespace == b.Namespace || Declares(a, b) || Declares(b, a) {
		return true
	}
	return up != nil && Declares(up, a) && Declares(up, b)
}

// Declares reports whether a Kustomization has another one among its objects.
func Declares(owner, other *v1beta1.Kustomization) bool {
	if owner.Spec.KubeConfig != nil {
		return false
	}
	return Contains(owner, keyOf(other))
}

// Contains reports whether the inventory of a Kustomization has another one.
func Contains(owner *v1beta1.Kustomization, key types.NamespacedName) bool {
	if owner.Status.Inventory == nil {
		return false
	}
	id := IDOf(key)
	entries := owner.Status.Inventory.Entries
	return slices.ContainsFunc(entries, func(ref v1beta1.ResourceRef) bool { return ref.ID == id })
}

// IDOf is the ID of a Kustomization in inventories.
func IDOf(key types.NamespacedName) string {
	return v1beta1.NewResourceRef(key.Namespace, key.Name, v1beta1.GroupVersion.Group, v1beta1.KustomizationKind, "").ID
}

// SameSource reports whether two Kustomizations follow one source.
func SameSource(a, b *v1beta1.Kustomization) bool {
	return a.Spec.SourceRef.Kind == b.Spec.SourceRef.Kind && a.GetSourceKey() == b.GetSourceKey()
}

// sameCluster reports whether two Kustomizations have their objects in one cluster, as far as their specs say.
func sameCluster(a, b *v1beta1.Kustomization) bool {
	if a.Spec.KubeConfig == nil || b.Spec.KubeConfig == nil {
		return a.Spec.KubeConfig == nil && b.Spec.KubeConfig == nil
	}
	return a.Namespace == b.Namespace && a.Spec.KubeConfig.Same(b.Spec.KubeConfig)
}

// Hold returns those of the objects that k is about to prune which are kept for others: each at most for the timeout
// since it was released.
func Hold(k *v1beta1.Kustomization, gone []string, now time.Time) []string {
	var held []string
	for _, id := range gone {
		since := k.Status.Released.Since(id)
		if since == nil || now.Before(since.Add(k.GetTimeout())) {
			held = append(held, id)
		}
	}
	return held
}

// HeldUntil is when the first of the released objects is not kept any longer. A Namespace or a definition stays as long
// as anything else stays.
func HeldUntil(r *v1beta1.ReleasedObjects, timeout time.Duration) time.Time {
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

// Release lists the objects that an attempt at a revision has kept for others; nil when there are none. An object that
// was released before keeps its time.
func Release(k *v1beta1.Kustomization, revision string, held []string, now time.Time) *v1beta1.ReleasedObjects {
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
