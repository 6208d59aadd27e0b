package tracker

import (
	"context"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"fairlead.dev/fairlead/helmops/guard"
	"fairlead.dev/fairlead/helmops/health"
)

// rules are how the objects of Helm releases are judged where that is not the usual way.
type rules struct {
	mu sync.RWMutex
	of map[releaseKey]*health.Rules
}

type releaseKey struct{ namespace, name string }

// judge puts the health of an object right if its release has rules.
func (r *rules) judge(entry *Entry, object *unstructured.Unstructured) {
	r.mu.RLock()
	judge := r.of[releaseKey{entry.ReleaseNamespace, entry.Release}]
	r.mu.RUnlock()
	if judge.Judges(object.GroupVersionKind().GroupKind()) {
		report := bounded(judge.Assess(object, true))
		entry.Ready, entry.Complete = report, report
	}
}

// swap sets the rules of a release and returns those that it had.
func (r *rules) swap(release releaseKey, judge *health.Rules) (had *health.Rules) {
	r.mu.Lock()
	defer r.mu.Unlock()
	had = r.of[release]
	if judge == nil {
		delete(r.of, release)
		return had
	}
	if r.of == nil {
		r.of = map[releaseKey]*health.Rules{}
	}
	r.of[release] = judge
	return had
}

// Judge has the objects of a Helm release judged by rules from now on; nil for none. Objects that are known already and that
// the change of rules is about are read once and judged anew, which subscribers hear of.
func (t *Tracker) Judge(namespace, name string, judge *health.Rules) {
	release := releaseKey{namespace, name}
	t.rules.mu.RLock()
	same := t.rules.of[release].Digest() == judge.Digest()
	t.rules.mu.RUnlock()
	if same {
		return
	}
	had := t.rules.swap(release, judge)
	for _, s := range t.streams() {
		kind := s.kind.GVK.GroupKind()
		if !had.Judges(kind) && !judge.Judges(kind) {
			continue
		}
		if keys := s.contents.of(release); len(keys) > 0 {
			guard.Go("judging objects", func() { s.judgeAnew(t.ctx, keys) })
		}
	}
}

func (t *Tracker) streams() []*stream {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]*stream, 0, len(t.slots))
	for _, place := range t.slots {
		out = append(out, place.stream)
	}
	return out
}

// judgeAnew reads objects and takes them in as if the watch had told of them. One that cannot be read is judged when it changes.
func (s *stream) judgeAnew(ctx context.Context, keys []key) {
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
		s.tracker.watchers.tell(s.kind.GVK, s.contents.rejudge(r))
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
	entry.Ready, entry.Complete = r.entry.Ready, r.entry.Complete
	if entry == *old {
		return nil
	}
	c.entries[r.key] = &entry
	return []change{{r.key, old, &entry}}
}

// of returns the objects of a Helm release.
func (c *contents) of(release releaseKey) []key {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var keys []key
	for k, entry := range c.entries {
		if entry.Release == release.name && entry.ReleaseNamespace == release.namespace {
			keys = append(keys, k)
		}
	}
	return keys
}
