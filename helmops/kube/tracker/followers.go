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

	"fairlead.dev/fairlead/helmops/process/guard"
)

// followAgain is how soon kinds are tried again that were refused, or not served.
const followAgain = time.Minute

// Followers keeps which owners follow which objects of a tracker, and notifies the owners of changes. All methods may
// be called at the same time.
type Followers struct {
	ctx     context.Context //nolint:containedctx // the life of what is followed
	tracker *Tracker
	mapper  meta.RESTMapper
	moved   func(owner types.NamespacedName)
	now     func() time.Time

	mu       sync.Mutex
	followed map[string]following
	// users of an object. Several can have it in their inventories; each hears of it.
	users map[Ref][]string
}

// following is what the tracker follows for a user.
type following struct {
	owner   types.NamespacedName
	objects []Ref
	kinds   string
	of      map[schema.GroupVersionKind]bool
	// since is when that began, ready whether the kinds were seen completely or refused, complete whether none was
	// refused.
	since           time.Time
	ready, complete bool
}

// NewFollowers returns followers of a tracker. moved is called with the owner of every object that changed in a way
// that matters to it, and with every owner that has objects of a kind that was listed again or is no longer tracked. It
// must not block.
func NewFollowers(
	ctx context.Context, t *Tracker, mapper meta.RESTMapper, moved func(types.NamespacedName), now func() time.Time,
) *Followers {
	f := &Followers{
		ctx: ctx, tracker: t, mapper: mapper, moved: moved, now: now, followed: map[string]following{},
		users: map[Ref][]string{},
	}
	t.SubscribeKinds(func(kind schema.GroupVersionKind) {
		guard.Go("waking releases", func() { f.wake(kind) })
	})
	t.Subscribe(f.changed)
	return f
}

// changed notifies the owners whose inventory has an object. Labels of the object that name an owner do not count:
// every client that may write an object can say so.
func (f *Followers) changed(change Change) {
	f.mu.Lock()
	users := f.users[change.Ref]
	owners := make([]types.NamespacedName, len(users))
	for i, user := range users {
		owners[i] = f.followed[user].owner
	}

	f.mu.Unlock()
	for i, owner := range owners {
		if matters(change, users[i]) {
			f.moved(owner)
		}
	}
}

// Follows reports whether the tracker follows the kinds of a user's objects, and has them followed otherwise. That
// takes a request, and is not waited for, unless tracked says that all of them are tracked already; moved is called
// when it is so. user names the owner among the users of the tracker. The caller does not change objects any more.
func (f *Followers) Follows(user string, owner types.NamespacedName, objects []Ref, tracked bool) bool {
	f.mu.Lock()
	now := f.followed[user]
	same := now.kinds != "" && slices.Equal(now.objects, objects)
	f.mu.Unlock()
	wanted := following{owner: owner, objects: objects, kinds: now.kinds, of: now.of}
	if !same {
		wanted.kinds, wanted.of = kindsOf(objects)
	}

	f.mu.Lock()
	now = f.followed[user]
	known := now.kinds == wanted.kinds && (!now.ready || now.complete || f.now().Sub(now.since) < followAgain)
	if known {
		wanted.since = now.since
		wanted.ready = now.ready
		wanted.complete = now.complete
	} else {
		wanted.since = f.now()
	}

	if !known || !same {
		f.setLocked(user, wanted)
	}

	f.mu.Unlock()
	switch {
	case known:
		return now.ready
	case tracked:
		f.follow(user, wanted.kinds, wanted.of)
		return true
	}

	guard.GoOr("following the objects of a release", func() {
		f.follow(user, wanted.kinds, wanted.of)
		f.moved(owner)
	}, func(error) { f.giveUp(user, wanted.kinds) })
	return false
}

func kindsOf(objects []Ref) (text string, kinds map[schema.GroupVersionKind]bool) {
	kinds = map[schema.GroupVersionKind]bool{}
	for _, ref := range objects {
		kinds[ref.GVK] = true
	}

	names := make([]string, 0, len(kinds))
	for kind := range kinds {
		names = append(names, kind.String())
	}

	slices.Sort(names)
	return strings.Join(names, ";") + ";", kinds
}

// setLocked puts a user in the place of what it followed before.
func (f *Followers) setLocked(user string, wanted following) {
	f.leaveLocked(user)
	f.followed[user] = wanted
	for _, ref := range wanted.objects {
		if !slices.Contains(f.users[ref], user) {
			f.users[ref] = append(slices.Clip(f.users[ref]), user)
		}
	}
}

func (f *Followers) leaveLocked(user string) {
	for _, ref := range f.followed[user].objects {
		left := slices.DeleteFunc(slices.Clone(f.users[ref]), func(other string) bool { return other == user })
		f.users[ref] = left
		if len(left) == 0 {
			delete(f.users, ref)
		}
	}
	delete(f.followed, user)
}

// follow has the tracker follow kinds, and comes back when it has seen them, or may not.
func (f *Followers) follow(user, wanted string, kinds map[schema.GroupVersionKind]bool) {
	mapped := make([]Kind, 0, len(kinds))
	for kind := range kinds {
		mapping, err := f.mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			continue // it is not served: its objects are not tracked
		}

		mapped = append(mapped,
			Kind{
				GVK: kind, Resource: mapping.Resource.Resource, Namespaced: mapping.Scope.Name() == meta.RESTScopeNameNamespace,
			})
	}

	err := f.tracker.Use(f.ctx, user, mapped...) // a refused kind is not tracked, which each object reports
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.followed[user]; now.kinds == wanted {
		now.ready = true
		now.complete = err == nil && len(mapped) == len(kinds)
		f.followed[user] = now
	}
}

// giveUp has the next look follow kinds again.
func (f *Followers) giveUp(user, wanted string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.followed[user].kinds == wanted {
		f.leaveLocked(user)
	}
}

// Forget ends what is kept for a user that is gone.
func (f *Followers) Forget(user string) {
	f.tracker.Drop(user)
	f.tracker.Judge(user, nil, nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaveLocked(user)
}

// WakeAll notifies every owner that has objects: nothing is known of the cluster any more.
func (f *Followers) WakeAll() {
	f.mu.Lock()
	owners := make([]types.NamespacedName, 0, len(f.followed))
	for _, known := range f.followed {
		owners = append(owners, known.owner)
	}
	f.mu.Unlock()
	for _, owner := range owners {
		f.moved(owner)
	}
}

// wake notifies every owner that has objects of a kind.
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

// matters reports whether a change is about health, as the user judges it, or about what the owner owns.
func matters(change Change, user string) bool {
	if change.Before == nil || change.After == nil {
		return true
	}

	before := change.Before.For(user)
	after := change.After.For(user)
	unversioned := after.Generation == 0 || after.Ownership == 0
	content := before.Generation != after.Generation || unversioned && before.ResourceVersion != after.ResourceVersion
	return content || before.Ownership != after.Ownership || before.Ready.State != after.Ready.State ||
		before.Ready.Serving != after.Ready.Serving || before.Complete.State != after.Complete.State ||
		before.Deleting != after.Deleting || before.UID != after.UID || before.Release != after.Release ||
		before.ReleaseNamespace != after.ReleaseNamespace
}
