package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/cluster"
	"fairlead.dev/fairlead/helmops/health"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/tracker"
)

// Sighting is what is known of one object of a release.
type Sighting struct {
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
func (s Sighting) Ownership() string { return fmt.Sprintf("%016x", s.Entry.Ownership) }

// Owned tells whether the object says which fields the release owns. One of an API that does not keep count of that has to be
// compared whenever it changes.
func (s Sighting) Owned() bool { return s.Entry.Ownership != 0 }

// Live returns what is known of objects of a release at the moment, without a request. It is ready once their kinds have been
// seen completely; until then, which Moved tells, the answer is false.
//
// The objects are judged by rules, nil for the usual ones.
func (e *Engine) Live(access cluster.Access, target plan.Target, refs []v1beta1.ResourceRef, rules *health.Rules) ([]Sighting, bool) {
	at, _, err := e.sites.of(access)
	if err != nil {
		return nil, false
	}
	at.tracker.Judge(target.Namespace, target.Name, rules)
	out, tracked := make([]Sighting, 0, len(refs)), true
	kinds := map[schema.GroupVersionKind]bool{}
	for _, ref := range refs {
		namespace, name, group, kind, ok := ref.Split()
		if !ok {
			continue
		}
		gvk := schema.GroupVersionKind{Group: group, Version: ref.Version, Kind: kind}
		kinds[gvk] = true
		s := Sighting{Ref: ref, Kind: kind, Group: group, Namespace: namespace, Name: name, Tracked: at.tracker.Tracks(gvk)}
		s.Entry, s.There = at.tracker.Get(tracker.Ref{GVK: gvk, Namespace: namespace, Name: name})
		s.Refused = !s.Tracked && at.tracker.Refused(gvk)
		tracked = tracked && s.Tracked
		out = append(out, s)
	}
	if !at.follows(target, kinds, tracked) {
		return nil, false
	}
	return out, true
}

// follows tells whether the tracker follows the kinds of a release, and has them followed otherwise. That takes a request, and is
// not waited for, unless all of them are tracked already.
func (s *site) follows(target plan.Target, kinds map[schema.GroupVersionKind]bool, tracked bool) bool {
	names := make([]string, 0, len(kinds))
	for kind := range kinds {
		names = append(names, kind.String())
	}
	slices.Sort(names)
	wanted, owner := strings.Join(names, ";"), ownerOf(target)
	s.mu.Lock()
	now := s.followed[owner]
	known := now.kinds == wanted && (!now.ready || now.complete || s.now().Sub(now.since) < followAgain)
	if !known {
		s.followed[owner] = following{target: target, kinds: wanted, of: kinds, since: s.now()}
	}
	s.mu.Unlock()
	switch {
	case known:
		return now.ready
	case tracked:
		s.follow(owner, wanted, kinds)
		return true
	}
	go func() {
		s.follow(owner, wanted, kinds)
		s.moved(target.Namespace, target.Name)
	}()
	return false
}

// followAgain is how soon kinds are tried again that were refused, or not served.
const followAgain = time.Minute

// following is which kinds the tracker follows for a release.
type following struct {
	target plan.Target
	kinds  string
	of     map[schema.GroupVersionKind]bool
	// since is when that began, ready whether the kinds were seen completely or refused, complete whether none was refused.
	since           time.Time
	ready, complete bool
}

// follow has the tracker follow kinds, and comes back when it has seen them, or may not.
func (s *site) follow(owner, wanted string, kinds map[schema.GroupVersionKind]bool) {
	mapped := make([]tracker.Kind, 0, len(kinds))
	for kind := range kinds {
		mapping, err := s.cluster.Mapper().RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			continue // it is not served: its objects are not tracked
		}
		mapped = append(mapped, tracker.Kind{
			GVK: kind, Resource: mapping.Resource.Resource, Namespaced: mapping.Scope.Name() == meta.RESTScopeNameNamespace,
		})
	}
	err := s.tracker.Use(s.ctx, owner, mapped...) // what is refused is not tracked, which Live tells
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.followed[owner]; now.kinds == wanted {
		now.ready, now.complete = true, err == nil && len(mapped) == len(kinds)
		s.followed[owner] = now
	}
}

// forget ends what is kept for a Helm release that is gone.
func (s *site) forget(target plan.Target) {
	s.tracker.Drop(ownerOf(target))
	s.tracker.Judge(target.Namespace, target.Name, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.followed, ownerOf(target))
}

// wakeFollowers tells of every release that has objects of a kind.
func (s *site) wakeFollowers(kind schema.GroupVersionKind) {
	s.mu.Lock()
	var targets []plan.Target
	for _, f := range s.followed {
		if f.of[kind] && f.ready {
			targets = append(targets, f.target)
		}
	}
	s.mu.Unlock()
	for _, target := range targets {
		s.moved(target.Namespace, target.Name)
	}
}

// listen tells of objects that changed in a way that matters to their release.
func (s *site) listen(ctx context.Context, moved func(namespace, release string)) {
	s.ctx, s.moved, s.followed = ctx, moved, map[string]following{}
	s.tracker.SubscribeKinds(func(kind schema.GroupVersionKind) { go s.wakeFollowers(kind) })
	s.tracker.Subscribe(func(change tracker.Change) {
		if !matters(change) {
			return
		}
		for _, entry := range []*tracker.Entry{change.Before, change.After} {
			if entry != nil && entry.Release != "" {
				moved(entry.ReleaseNamespace, entry.Release)
			}
		}
	})
}

// matters tells whether a change is about health or about what the release owns.
func matters(change tracker.Change) bool {
	before, after := change.Before, change.After
	if before == nil || after == nil {
		return true
	}
	unversioned := after.Generation == 0 || after.Ownership == 0
	content := before.Generation != after.Generation || unversioned && before.ResourceVersion != after.ResourceVersion
	return content || before.Ownership != after.Ownership || before.Ready.State != after.Ready.State ||
		before.Ready.Serving != after.Ready.Serving || before.Complete.State != after.Complete.State ||
		before.Deleting != after.Deleting || before.UID != after.UID || before.Release != after.Release ||
		before.ReleaseNamespace != after.ReleaseNamespace
}
