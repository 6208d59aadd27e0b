package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// deletions is how often the deletion of an object is tried that another client changes meanwhile.
const deletions = 3

// Handover decides how objects change hands between Kustomizations. It answers from memory.
type Handover interface {
	// Hold returns which of the objects, by their IDs in the inventory, must not be pruned yet. declared are the
	// Kustomizations in the set, written those of them that were written just now.
	Hold(gone []string, declared, written []types.NamespacedName) []string
	// MayTake reports whether the owner of an object has released it to this set.
	MayTake(owner types.NamespacedName, id string) bool
}

// hold withholds from pruning what another Kustomization may still take over. A Namespace or a definition stays
// as long as anything stays: objects go with it.
func (r *run) hold() {
	if r.Handover == nil || !r.Prune {
		return
	}

	var declared, written []types.NamespacedName
	for _, i := range r.items {
		if i.GroupVersionKind().GroupKind() != kustomizationKind {
			continue
		}

		key := types.NamespacedName{Namespace: i.GetNamespace(), Name: i.GetName()}
		declared = append(declared, key)
		if i.ownership != "" {
			written = append(written, key)
		}
	}

	gone := r.releasable()
	if len(gone) == 0 {
		return
	}

	held := r.Handover.Hold(gone, declared, written)
	for _, g := range r.gone {
		if !g.there || g.done || len(held) == 0 {
			continue
		}
		if g.forGood || slices.Contains(held, g.ref.ID) {
			g.held = true
			r.result.Held = append(r.result.Held, g.ref.ID)
		}
	}
}

// release names what others may take over although this set was refused: two Kustomizations that exchange
// objects would otherwise wait for each other.
func (r *run) release(err error) {
	var owned *OwnedError
	if r.Handover != nil && r.Prune && errors.As(err, &owned) {
		r.result.Held = r.releasable()
	}
}

// releasable are the objects that would be pruned, by their IDs.
func (r *run) releasable() []string {
	var out []string
	for _, g := range r.gone {
		if g.there && !g.done {
			out = append(out, g.ref.ID)
		}
	}
	return out
}

// refuses reports whether the owner of an object keeps it from this set: it exists and has not released it, and
// is not itself among what this set prunes.
func (r *run) refuses(ctx context.Context, owner types.NamespacedName, id string) bool {
	if !r.exists(ctx, owner) || r.prunes(owner) {
		return false
	}
	return r.Handover == nil || !r.Handover.MayTake(owner, id)
}

func (r *run) prunes(owner types.NamespacedName) bool {
	return r.Prune && slices.ContainsFunc(r.gone, func(g *pruneCandidate) bool {
		return g.there && g.kind.GroupKind() == kustomizationKind && g.namespace == owner.Namespace && g.name == owner.Name
	})
}

// removeAsSeen deletes an object as it was looked at, and reports whether it did. When the object has changed
// since, it is looked at again: another Kustomization may have taken it over.
func (r *run) removeAsSeen(ctx context.Context, g *pruneCandidate) (bool, error) {
	uid := g.uid
	background := metav1.DeletePropagationBackground
	var err error
	for range deletions {
		options := metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &g.uid}}
		if g.version != "" {
			options.Preconditions.ResourceVersion = &g.version
		}

		err = g.client(r.as).Delete(ctx, g.name, options)
		if err == nil || apierrors.IsNotFound(err) {
			return true, nil
		}
		if !apierrors.IsConflict(err) {
			break
		}

		g.there = false
		if err := r.find(ctx, g); err != nil {
			return false, err
		}
		if g.there && g.uid != uid {
			g.done = true // another client has created it again
		}
		if g.done {
			return false, nil
		}
	}

	return false, fmt.Errorf("deleting %s, which is no longer in the source: %w", g, err)
}
