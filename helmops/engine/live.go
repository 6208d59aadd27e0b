package engine

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// Observed is what is known of one object of a release.
type Observed struct {
	Ref v1beta1.ResourceRef
	// Kind, Group, Namespace and Name of the object.
	Kind, Group, Namespace, Name string
	// Tracked is unset while the kind of the object is not watched, because the API server cannot be reached or because it
	// refuses; Refused is set then.
	Tracked, Refused bool
	// There is set when the object exists and Helm manages it. Entry is what is known of it then.
	There bool
	Entry tracker.Entry
}

// Ownership returns the digest of the fields that the release owns, as an inventory has it.
func (s Observed) Ownership() string { return tracker.OwnershipText(s.Entry.Ownership) }

// Owned reports whether the object says which fields the release owns. One of an API that does not keep count of that
// has to be compared whenever it changes.
func (s Observed) Owned() bool { return s.Entry.Ownership != 0 }

// Live returns what is known of objects of a HelmRelease at the moment, without a request. It is ready once their kinds
// have been seen completely; until then, which Moved tells, the answer is false.
//
// The objects are judged by rules, nil for the usual ones, for this HelmRelease alone. From then on Moved is called
// when one of them changes, until Forget.
func (e *Engine) Live(
	access cluster.Access, owner types.NamespacedName, inventory []v1beta1.ResourceRef, rules *health.Rules,
) ([]Observed, bool) {
	at, _, err := e.sites.Get(access)
	if err != nil {
		return nil, false
	}

	user := owner.String()
	out, refs, tracked := sightings(inventory, at.tracker)
	at.tracker.Judge(user, refs, rules)
	for i := range out {
		s := &out[i]
		s.Entry, s.There = at.tracker.Get(refs[i])
		s.Tracked = s.Tracked && (s.There || at.tracker.Tracks(refs[i].GVK)) // what is known may have been dropped meanwhile
		s.Entry = s.Entry.For(user)
	}

	if !at.followers.Follows(user, owner, refs, tracked) {
		return nil, false
	}

	return out, true
}

// sightings begins what is known of each object, and reports whether all kinds are tracked.
func sightings(
	inventory []v1beta1.ResourceRef, seen *tracker.Tracker,
) (out []Observed, refs []tracker.Ref, tracked bool) {
	tracked = true
	for _, ref := range inventory {
		namespace, name, group, kind, ok := ref.Split()
		if !ok {
			continue
		}

		gvk := schema.GroupVersionKind{Group: group, Version: ref.Version, Kind: kind}
		s := Observed{Ref: ref, Kind: kind, Group: group, Namespace: namespace, Name: name, Tracked: seen.Tracks(gvk)}
		s.Refused = !s.Tracked && seen.Refused(gvk)
		tracked = tracked && s.Tracked
		out = append(out, s)
		refs = append(refs, tracker.Ref{GVK: gvk, Namespace: namespace, Name: name})
	}

	return out, refs, tracked
}

// Forget ends what is kept for a HelmRelease that is gone, or that owns no Helm release any more.
func (e *Engine) Forget(owner types.NamespacedName) {
	for _, at := range e.sites.All() {
		at.followers.Forget(owner.String())
		at.warnings.Forget(owner)
	}
}
