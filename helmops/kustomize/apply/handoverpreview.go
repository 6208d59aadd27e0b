package apply

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// HandoverPreview foretells how objects change hands between Kustomizations. The objects are named by their IDs in the
// inventory.
type HandoverPreview interface {
	// Takes reports whether the set will take an object over from its owner.
	Takes(ctx context.Context, owner types.NamespacedName, id string) bool
	// HandsTo returns who takes over an object that the set no longer has; empty for none. unsure says who may do so
	// without that being known.
	HandsTo(ctx context.Context, id string) (to types.NamespacedName, unsure string)
}

// takenFrom returns the owner that an object is taken over from, empty when no other Kustomization has it. It fails
// when the object stays with another one.
func (r *run) takenFrom(ctx context.Context, i *item, live *unstructured.Unstructured) (string, error) {
	owner := ownerOf(live)
	switch {
	case owner.Name == "" || owner == r.Owner || !r.exists(ctx, owner):
		return "", nil
	case r.tolerant:
		return owner.String(), nil // who gets the object is decided when it is applied
	case r.foresight != nil && r.foresight.Takes(ctx, owner, i.id):
		return owner.String(), nil
	}
	return "", &OwnedError{Object: i.place(), Owner: kustomization(owner)}
}

// handOver finds out who takes over what the set no longer has.
func (r *run) handOver(ctx context.Context) {
	if r.foresight == nil {
		return
	}
	for _, g := range r.gone {
		if !g.there || g.done {
			continue
		}

		to, unsure := r.foresight.HandsTo(ctx, g.ref.ID)
		g.unsure = unsure
		if to.Name != "" {
			g.to = to.String()
		}
	}
}

// leaves reports whether an object of the set goes to another owner, so that it counts as one of others.
func (r *run) leaves(o *metav1.PartialObjectMetadata, resource schema.GroupVersionResource) bool {
	return slices.ContainsFunc(r.gone, func(g *pruneCandidate) bool {
		return g.to != "" && g.resource.GroupResource() == resource.GroupResource() &&
			g.namespace == o.Namespace && g.name == o.Name
	})
}
