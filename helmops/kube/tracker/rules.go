package tracker

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// rules are how the users of a tracker have objects judged where that is not the usual way. Each user judges for
// itself: what one thinks of an object is nothing to another that has the same object.
type rules struct {
	mu sync.RWMutex
	of map[string]ruling
	// by are the users that judge an object by rules, sorted.
	by map[Ref][]string
}

// ruling are the rules of a user, and the objects that it has of the kinds they are about.
type ruling struct {
	rules   *health.Rules
	objects map[Ref]bool
}

// verdict is the health of an object by the rules of one user.
type verdict struct {
	user string
	// ready and complete are as those of an Entry.
	ready, complete health.Report
}

// For returns the entry as a user judges the object: by its rules where it has some for it, otherwise in the usual
// way.
func (e Entry) For(user string) Entry {
	if e.verdicts == nil {
		return e
	}
	byUser := func(v verdict, user string) int { return cmp.Compare(v.user, user) }
	at, is := slices.BinarySearchFunc(*e.verdicts, user, byUser)
	if is {
		e.Ready, e.Complete = (*e.verdicts)[at].ready, (*e.verdicts)[at].complete
	}
	return e
}

// equal reports whether two entries say the same.
func (e Entry) equal(other Entry) bool {
	var left, right []verdict
	if e.verdicts != nil {
		left = *e.verdicts
	}
	if other.verdicts != nil {
		right = *other.verdicts
	}

	e.verdicts = nil
	other.verdicts = nil
	return e == other && slices.Equal(left, right)
}

// assess adds to an entry what the users with rules for the object think of it.
func (r *rules) assess(entry *Entry, ref Ref, object *unstructured.Unstructured) {
	r.mu.RLock()
	users := r.by[ref]
	judges := make([]*health.Rules, len(users))
	for i, user := range users {
		judges[i] = r.of[user].rules
	}

	r.mu.RUnlock()
	entry.verdicts = nil
	if len(users) == 0 {
		return
	}

	verdicts := make([]verdict, len(users))
	for i, user := range users {
		ready, complete := judges[i].Reports(object)
		verdicts[i] = verdict{user: user, ready: bounded(ready), complete: bounded(complete)}
	}

	entry.verdicts = &verdicts
}

// is reports whether a user has just these rules for just these objects.
func (r *rules) is(user string, wanted ruling) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	known := r.of[user]
	return known.rules.Digest() == wanted.rules.Digest() && maps.Equal(known.objects, wanted.objects)
}

// swap sets the rules of a user and returns the objects that are to be judged again.
func (r *rules) swap(user string, wanted ruling) []Ref {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.of[user]
	sameRules := known.rules.Digest() == wanted.rules.Digest()
	var again []Ref
	for ref := range known.objects {
		if !wanted.objects[ref] {
			r.drop(ref, user)
			again = append(again, ref)
		}
	}

	for ref := range wanted.objects {
		if !known.objects[ref] {
			r.add(ref, user)
		} else if sameRules {
			continue
		}
		again = append(again, ref)
	}

	if len(wanted.objects) == 0 {
		delete(r.of, user)
		return again
	}

	if r.of == nil {
		r.of = map[string]ruling{}
	}

	r.of[user] = wanted
	return again
}

func (r *rules) add(ref Ref, user string) {
	if r.by == nil {
		r.by = map[Ref][]string{}
	}
	at, _ := slices.BinarySearch(r.by[ref], user)
	r.by[ref] = slices.Insert(slices.Clone(r.by[ref]), at, user)
}

func (r *rules) drop(ref Ref, user string) {
	left := slices.DeleteFunc(slices.Clone(r.by[ref]), func(other string) bool { return other == user })
	if len(left) == 0 {
		delete(r.by, ref)
		return
	}
	r.by[ref] = left
}

// Judge has objects judged by rules for a user from now on, and no others; nil rules for none. What others see of the
// same objects stays. Objects that are known already and that the change is about are read once and judged again,
// which subscribers hear of.
func (t *Tracker) Judge(user string, objects []Ref, judge *health.Rules) {
	wanted := ruling{}
	for _, ref := range objects {
		if !judge.Judges(ref.GVK.GroupKind()) {
			continue
		}
		if wanted.objects == nil {
			wanted = ruling{rules: judge, objects: map[Ref]bool{}}
		}

		wanted.objects[ref] = true
	}

	if t.rules.is(user, wanted) {
		return
	}

	byStream := map[*stream][]key{}
	for _, ref := range t.rules.swap(user, wanted) {
		s := t.stream(ref.GVK)
		k := key{ref.Namespace, ref.Name}
		if s == nil {
			continue
		}
		if _, known := s.contents.get(k); known {
			byStream[s] = append(byStream[s], k)
		}
	}

	for s, keys := range byStream {
		guard.Go("judging objects", func() { s.judgeAgain(t.ctx, keys) })
	}
}

// judgeAgain reads objects and takes them in as if the watch had reported them. One that cannot be read is judged when
// it changes.
func (s *stream) judgeAgain(ctx context.Context, keys []key) {
	var client dynamic.ResourceInterface
	resource := s.tracker.clients.Dynamic.Resource(s.kind.gvr())
	for _, k := range keys {
		client = resource
		if s.kind.Namespaced {
			client = resource.Namespace(k.namespace)
		}

		object, err := client.Get(ctx, k.name, metav1.GetOptions{})
		if apierrors.IsForbidden(err) || ctx.Err() != nil {
			return
		}
		if err == nil {
			s.take(object) //nolint:contextcheck // an expression has a time of its own
		}
	}
}

// take takes in how an object that was read is judged now, unless it has changed since or is another one.
func (s *stream) take(object *unstructured.Unstructured) {
	r, err := (*store)(s).take(object)
	if err == nil {
		s.tracker.watchers.notify(s.kind.GVK, s.contents.rejudge(r))
		s.count()
	}
}

// rejudge takes over the health of an object as of the version that is known.
func (c *contents) rejudge(r *reduced) []change {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.entries[r.key]
	if c.over || old == nil || old.UID != r.entry.UID || old.ResourceVersion > r.entry.ResourceVersion {
		return nil
	}

	entry := *old
	entry.Ready, entry.Complete, entry.verdicts = r.entry.Ready, r.entry.Complete, r.entry.verdicts
	if entry.equal(*old) {
		return nil
	}

	c.putLocked(r.key, &entry)
	return []change{{r.key, old, &entry}}
}
