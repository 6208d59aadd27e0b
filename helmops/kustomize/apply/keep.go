package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/keep"
)

// keepAll decides, before anything is written, which of the objects that are no longer wanted stay. Claims come
// first: a namespace stays with those that are in it. When the Kustomization itself goes, an object that holds
// others is an error instead: it waits until they are gone.
func (r *run) keepAll(ctx context.Context) error {
	for _, first := range []bool{true, false} {
		for _, g := range r.gone {
			if !g.there || g.done || g.to != "" || (g.kind.GroupKind() == keep.Claim) != first {
				continue
			}

			verdict, err := r.verdict(ctx, g, true)
			if err != nil {
				return err
			}

			g.kept = verdict
		}
	}
	return nil
}

// verdict decides whether an object stays. soon is as for occupied.
func (r *run) verdict(ctx context.Context, g *pruneCandidate, soon bool) (keep.Verdict, error) {
	kind := g.kind.GroupKind()
	if !keep.Holds(kind) {
		return keep.Verdict{}, nil
	}

	found, err := r.wanted(ctx, g)
	if err != nil {
		return keep.Verdict{}, err
	}

	switch {
	case found.Wanted != "", kind == keep.Claim, keep.Asks(r.PruneKinds, kind):
	case kind == keep.Definition && !r.departs:
		live, err := g.live(ctx, r.as)
		if apierrors.IsNotFound(err) {
			return keep.Verdict{}, nil
		}
		if err != nil {
			return keep.Verdict{}, fmt.Errorf("reading %s, which is no longer in the source: %w", g, err)
		}

		found = keep.Look{Metadata: r.as.Metadata(), Goes: r.goesToo}.At(ctx, live)
	default:
		if err := r.counts(r.occupied(ctx, g, soon), &found); err != nil {
			return keep.Verdict{}, err
		}
	}

	return keep.Decide(kind, r.PruneKinds, found), nil
}

// goesToo reports whether an object is pruned by the same run.
func (r *run) goesToo(resource schema.GroupResource, namespace, name string) bool {
	return slices.ContainsFunc(r.gone, func(g *pruneCandidate) bool {
		same := g.resource.GroupResource() == resource && g.namespace == namespace && g.name == name
		return same && g.there && g.to == "" && !g.kept.Keep
	})
}

// counts takes over what occupied says, and returns its error where the object is not simply kept.
func (r *run) counts(err error, found *keep.Found) error {
	var foreign *ForeignError
	var unseen *UnseenError
	switch {
	case len(found.Claims) > 0 && !slices.Contains(r.PruneKinds, keep.Claim.Kind):
		return nil // it stays whatever others have in it
	case r.departs:
		return err
	case errors.As(err, &foreign):
		found.Objects = foreign.Holds
		found.Count = len(foreign.Holds)
		return nil
	case errors.As(err, &unseen):
		found.Unseen = unseen.Resources
		return nil
	default:
		return err
	}
}

// wanted finds out what of the set itself needs an object that it no longer has, and which of its claims stay in it.
func (r *run) wanted(ctx context.Context, g *pruneCandidate) (keep.Found, error) {
	var found keep.Found
	switch g.kind.GroupKind() {
	case keep.Namespace:
		for _, i := range r.items {
			if i.GetNamespace() == g.name {
				found.Wanted = "the source still has " + i.String()
				return found, nil
			}
		}
		found.Claims = r.claimsIn(g.name)
	case keep.Definition:
		live, err := g.live(ctx, r.as)
		if apierrors.IsNotFound(err) {
			return found, nil
		}
		if err != nil {
			return found, fmt.Errorf("reading %s, which is no longer in the source: %w", g, err)
		}

		group, _, _ := unstructured.NestedString(live.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(live.Object, "spec", "names", "kind")
		for _, i := range r.items {
			if i.GroupVersionKind().GroupKind() == (schema.GroupKind{Group: group, Kind: kind}) {
				found.Wanted = "the source still has " + i.String()
				return found, nil
			}
		}
	}

	return found, nil
}

// claimsIn returns the claims in a namespace that the set no longer has and that stay.
func (r *run) claimsIn(namespace string) []string {
	var out []string
	for _, g := range r.gone {
		if g.kind.GroupKind() == keep.Claim && g.namespace == namespace && g.kept.Keep {
			out = append(out, g.namespace+"/"+g.name)
		}
	}

	for _, o := range r.result.Retained {
		if o.Kind == keep.Claim.Kind && o.Namespace == namespace {
			out = append(out, o.Namespace+"/"+o.Name)
		}
	}

	slices.Sort(out)
	return slices.Compact(out)
}

// spare decides once more, now that the object would be deleted, and leaves one that stays without the labels of
// its owner.
func (r *run) spare(ctx context.Context, g *pruneCandidate) (bool, error) {
	verdict := g.kept
	if !verdict.Keep {
		var err error
		verdict, err = r.verdict(ctx, g, false)
		if err != nil {
			return false, err
		}
	}

	if !verdict.Keep {
		return false, nil
	}

	live, err := g.live(ctx, r.as)
	if apierrors.IsNotFound(err) {
		g.done = true
		return true, nil
	}

	if err == nil {
		err = keep.ReleaseFromKustomization(ctx, g.client(r.as), live)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		verdict.Reason += "; the labels of the Kustomization could not be removed from it"
	}

	g.done = true
	r.result.Retained = append(r.result.Retained, v1beta1.KeptObject{
		Group: g.kind.Group, Kind: g.kind.Kind, Namespace: g.namespace, Name: g.name, Reason: verdict.Reason,
	})
	return true, nil
}

// letGo takes the labels of the Kustomization off what leaves the set and is not deleted, so that it can have
// another owner. An object from which they cannot be removed is reported, and does not fail the attempt.
func (r *run) letGo(ctx context.Context) {
	for _, g := range r.gone {
		if r.Prune && !g.spared {
			continue
		}

		live, err := r.seek(ctx, g)
		if err == nil && live != nil && ownerOf(live) == r.Owner {
			err = keep.ReleaseFromKustomization(ctx, g.client(r.as), live)
		}
		if err != nil && !apierrors.IsNotFound(err) {
			r.result.Spared = append(r.result.Spared,
				fmt.Sprintf("%s (the labels of the Kustomization could not be removed from it: %s)", g, err))
		}
	}
}

// ownerOf is the Kustomization that an object belongs to by its labels; empty when it belongs to none.
func ownerOf(live metav1.Object) types.NamespacedName {
	labels := live.GetLabels()
	return types.NamespacedName{
		Namespace: labels[v1beta1.KustomizationNamespaceLabel], Name: labels[v1beta1.KustomizationNameLabel],
	}
}

// stillRetained returns those of the objects that were kept before that are there and have no owner yet. One that
// cannot be read counts as there.
func (r *run) stillRetained(ctx context.Context) []v1beta1.KeptObject {
	return keep.Objects{Mapper: r.site.cluster.Mapper(), Dynamic: r.as.Dynamic()}.Still(ctx, r.Kept)
}
