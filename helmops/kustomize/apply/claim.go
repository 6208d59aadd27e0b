package apply

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
)

// claim notes that the objects of the set are those of its owner from now on. An object has one owner: the second one
// is refused, whether the first has written it already or is about to. It comes after the trial of the objects: no
// owner can keep an object from others who may not write it.
func (r *run) claim(ctx context.Context) error {
	for _, i := range r.items {
		owner := types.NamespacedName{Namespace: i.entry.ReleaseNamespace, Name: i.entry.Release}
		if i.there && owner.Name != "" && owner != r.Owner && r.refuses(ctx, owner, i.id) {
			return &OwnedError{Object: i.place(), Owner: r.otherOwner(owner)}
		}
	}

	r.site.mu.Lock()
	defer r.site.mu.Unlock()
	for _, i := range r.items {
		if owner, is := r.site.claims[i.id]; is && owner != r.Owner && r.refuses(ctx, owner, i.id) {
			return &OwnedError{Object: i.place(), Owner: r.otherOwner(owner)}
		}
	}

	for _, i := range r.items {
		r.site.claims[i.id] = r.Owner
	}

	return nil
}

// otherOwner names another owner. One of another namespace is not named: the labels of objects, and who else works on them,
// are not for everybody to know.
func (r *run) otherOwner(owner types.NamespacedName) string {
	if owner.Namespace != r.Owner.Namespace {
		return "a Kustomization of another namespace"
	}
	return kustomization(owner)
}

func (r *run) exists(ctx context.Context, owner types.NamespacedName) bool {
	return r.engine.config.Exists == nil || r.engine.config.Exists(ctx, owner)
}

// settle keeps the claims to what an owner has by now.
func (s *clusterState) settle(owner types.NamespacedName, inventory []v1beta1.ResourceRef) {
	has := map[string]bool{}
	for _, ref := range inventory {
		has[ref.ID] = true
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	for id, by := range s.claims {
		if by == owner && !has[id] {
			delete(s.claims, id)
		}
	}

	for id := range s.left[owner] {
		if !has[id] {
			delete(s.left[owner], id)
		}
	}
}

// leave notes that an object differs and is left so, in a state.
func (s *clusterState) leave(owner types.NamespacedName, id, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left[owner] == nil {
		s.left[owner] = map[string]string{}
	}
	s.left[owner][id] = state
}

// wasLeft reports whether an object was left in the state in which it is.
func (s *clusterState) wasLeft(owner types.NamespacedName, id, state string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, is := s.left[owner][id]
	return is && was == state
}

func (s *clusterState) forget(owner types.NamespacedName) {
	s.followers.Forget(userOf(owner))
	s.warnings.Forget(owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.left, owner)
	for id, by := range s.claims {
		if by == owner {
			delete(s.claims, id)
		}
	}
}

// userOf names an owner among the users of the tracker.
func userOf(owner types.NamespacedName) string { return owner.String() }
