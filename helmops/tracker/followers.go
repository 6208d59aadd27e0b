package tracker

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// followAgain is how soon kinds are tried again that were refused, or not served.
const followAgain = time.Minute

// Followers keeps which kinds a tracker follows for whom, and tells the owners of objects what happens to them. All methods may be
// called at the same time.
type Followers struct {
	ctx     context.Context //nolint:containedctx // the life of what is followed
	tracker *Tracker
	mapper  meta.RESTMapper
	moved   func(owner types.NamespacedName)
	now     func() time.Time
	// has tells whether an owner has an object, whose labels are not to be believed; nil believes them.
	has func(owner types.NamespacedName, ref Ref) bool

	mu       sync.Mutex
	followed map[string]following
}

// FollowersOption changes Followers.
type FollowersOption func(*Followers)

// Having has owners called for the objects only of which has says that the owner has them. Everybody can put the labels of an owner on
// an object. has must not block.
func Having(has func(owner types.NamespacedName, ref Ref) bool) FollowersOption {
	return func(f *Followers) { f.has = has }
}

// following is which kinds the tracker follows for an owner.
type following struct {
	owner types.NamespacedName
	kinds string
	of    map[schema.GroupVersionKind]bool
	// since is when that began, ready whether the kinds were seen completely or refused, complete whether none was refused.
	since           time.Time
	ready, complete bool
}

// NewFollowers returns followers of a tracker. moved is called with the owner of every object that changed in a way that matters,
// and with every owner that has objects of a kind that was listed anew or is no longer tracked. It must not block.
func NewFollowers(ctx context.Context, t *Tracker, mapper meta.RESTMapper, moved func(types.NamespacedName), now func() time.Time,
	options ...FollowersOption) *Followers {
	f := &Followers{ctx: ctx, tracker: t, mapper: mapper, moved: moved, now: now, followed: map[string]following{}}
	for _, option := range options {
		option(f)
	}
	t.SubscribeKinds(func(kind schema.GroupVersionKind) { go f.wake(kind) })
	t.Subscribe(func(change Change) {
		if !matters(change) {
			return
		}
		for _, entry := range []*Entry{change.Before, change.After} {
			if entry == nil || entry.Release == "" {
				continue
			}
			owner := types.NamespacedName{Namespace: entry.ReleaseNamespace, Name: entry.Release}
			if f.has == nil || f.has(owner, change.Ref) {
				moved(owner)
			}
		}
	})
	return f
}

// Follows tells whether the tracker follows the kinds of an owner, and has them followed otherwise. That takes a request, and is not
// waited for, unless tracked says that all of them are tracked already; moved is called when it is so. user names the owner among
// the users of the tracker.
func (f *Followers) Follows(user string, owner types.NamespacedName, kinds map[schema.GroupVersionKind]bool, tracked bool) bool {
	names := make([]string, 0, len(kinds))
	for kind := range kinds {
		names = append(names, kind.String())
	}
	slices.Sort(names)
	wanted := strings.Join(names, ";")
	f.mu.Lock()
	now := f.followed[user]
	known := now.kinds == wanted && (!now.ready || now.complete || f.now().Sub(now.since) < followAgain)
	if !known {
		f.followed[user] = following{owner: owner, kinds: wanted, of: kinds, since: f.now()}
	}
	f.mu.Unlock()
	switch {
	case known:
		return now.ready
	case tracked:
		f.follow(user, wanted, kinds)
		return true
	}
	go func() {
		f.follow(user, wanted, kinds)
		f.moved(owner)
	}()
	return false
}

// follow has the tracker follow kinds, and comes back when it has seen them, or may not.
func (f *Followers) follow(user, wanted string, kinds map[schema.GroupVersionKind]bool) {
	mapped := make([]Kind, 0, len(kinds))
	for kind := range kinds {
		mapping, err := f.mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			continue // it is not served: its objects are not tracked
		}
		mapped = append(mapped, Kind{GVK: kind, Resource: mapping.Resource.Resource, Namespaced: mapping.Scope.Name() == meta.RESTScopeNameNamespace})
	}
	err := f.tracker.Use(f.ctx, user, mapped...) // what is refused is not tracked, which is told of each object
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.followed[user]; now.kinds == wanted {
		now.ready, now.complete = true, err == nil && len(mapped) == len(kinds)
		f.followed[user] = now
	}
}

// Forget ends what is kept for an owner that is gone.
func (f *Followers) Forget(user string, owner types.NamespacedName) {
	f.tracker.Drop(user)
	f.tracker.Judge(owner.Namespace, owner.Name, nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.followed, user)
}

// wake tells every owner that has objects of a kind.
func (f *Followers) wake(kind schema.GroupVersionKind) {
	f.mu.Lock()
	var owners []types.NamespacedName
	for _, known := range f.followed {
		if known.of[kind] && known.ready {
			owners = append(owners, known.owner)
		}
	}
	f.mu.Unlock()
	for _, owner := range owners {
		f.moved(owner)
	}
}

// matters tells whether a change is about health or about what the owner owns.
func matters(change Change) bool {
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
