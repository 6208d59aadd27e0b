package tracker

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"

	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/process/memory"
)

const (
	// linger is how long a kind is watched after its last user has left.
	linger = 10 * time.Minute
	// refusalStands is how long Use repeats a refusal before it asks again.
	refusalStands = time.Minute
	// streamCost is what the watch of a kind counts for in the account of a cluster: its goroutines and buffers.
	streamCost = 16 << 10
)

// Clients of one cluster. They need the right to list and watch the kinds in use in all namespaces.
type Clients struct {
	Dynamic  dynamic.Interface
	Metadata metadata.Interface
	// Memory is the account of what is kept of the cluster; nil when it is trusted. The context of the tracker has to
	// end when the account does.
	Memory *memory.Account
}

// Tracker follows the objects of one scope in one cluster. All methods may be called at the same time.
type Tracker struct {
	ctx      context.Context //nolint:containedctx // It is the life of the streams, which begin in any caller's call.
	clients  Clients
	scope    Scope
	now      func() time.Time
	backOff  wait.Backoff
	strings  sharedStrings
	watchers watchers
	rules    rules

	mu     sync.RWMutex
	slots  map[schema.GroupVersionKind]*slot
	owners map[string]map[schema.GroupVersionKind]bool
}

// slot is the place of a kind: its stream, and who needs it.
type slot struct {
	stream *stream
	owners int
	// unused is since when the kind has no user; zero while it has one.
	unused time.Time
}

// New returns a tracker of the objects in scope that watches nothing yet. ctx is the life of all its streams.
func New(ctx context.Context, clients Clients, scope Scope, now func() time.Time) *Tracker {
	return &Tracker{
		ctx: ctx, clients: clients, scope: scope, now: now, backOff: backOff,
		slots: map[schema.GroupVersionKind]*slot{}, owners: map[string]map[schema.GroupVersionKind]bool{},
	}
}

// Use declares which kinds an owner needs from now on, in place of those it declared before, and waits until each of
// them has been seen completely. When they have been, it costs no request. A kind without users is dropped after ten
// minutes.
//
// The error says that ctx or the tracker's has ended, or is a *RefusedError for each kind that cannot be watched; the
// other kinds are tracked then all the same. A refusal is repeated for a minute before the API server is asked again.
func (t *Tracker) Use(ctx context.Context, owner string, kinds ...Kind) error {
	streams := t.declared(owner, kinds)
	if streams == nil {
		streams = t.declare(owner, kinds) //nolint:contextcheck // Streams outlive the call that began them.
	}

	var refused []error
	for _, s := range streams {
		err := s.await(ctx)
		if is := (*RefusedError)(nil); err != nil && !errors.As(err, &is) {
			return err
		}

		refused = append(refused, err)
	}

	return errors.Join(refused...)
}

// declared returns the streams of kinds when they are exactly what the owner has declared already, and none has to be
// started; nil otherwise.
func (t *Tracker) declared(owner string, kinds []Kind) []*stream {
	t.mu.RLock()
	defer t.mu.RUnlock()
	needs := t.owners[owner]
	distinct := make(map[schema.GroupVersionKind]bool, len(kinds))
	streams := make([]*stream, 0, len(kinds))
	for _, kind := range kinds {
		if !needs[kind.GVK] || t.slots[kind.GVK].stream.stale() {
			return nil
		}
		if !distinct[kind.GVK] {
			distinct[kind.GVK] = true
			streams = append(streams, t.slots[kind.GVK].stream)
		}
	}

	if len(distinct) != len(needs) {
		return nil
	}

	return streams
}

func (t *Tracker) declare(owner string, kinds []Kind) []*stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.owners[owner]
	needs := make(map[schema.GroupVersionKind]bool, len(kinds))
	streams := make([]*stream, 0, len(kinds))
	for _, kind := range kinds {
		if needs[kind.GVK] {
			continue
		}

		needs[kind.GVK] = true
		place := t.slots[kind.GVK]
		if place == nil {
			place = &slot{}
			t.slots[kind.GVK] = place
		}

		if !before[kind.GVK] {
			place.owners++
			place.unused = time.Time{}
		}

		if place.stream == nil || place.stream.stale() {
			place.stream = t.start(kind)
		}

		streams = append(streams, place.stream)
	}

	t.release(before, needs)
	t.owners[owner] = needs
	if len(needs) == 0 {
		delete(t.owners, owner)
	}

	return streams
}

func (t *Tracker) start(kind Kind) *stream {
	s := newStream(t, kind)
	ctx, cancel := context.WithCancel(t.ctx)
	s.cancel = cancel
	_ = t.clients.Memory.Add(streamCost) // when the account has ended, the tracker ends, too
	guard.GoOr("tracking objects", func() {
		defer s.drop()
		s.run(ctx)
	}, s.end)
	return s
}

// Drop ends an owner's need of the kinds it declared.
func (t *Tracker) Drop(owner string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.release(t.owners[owner], nil)
	delete(t.owners, owner)
}

// release gives kinds up that are not kept. The lock is held.
func (t *Tracker) release(kinds, kept map[schema.GroupVersionKind]bool) {
	for gvk := range kinds {
		if kept[gvk] {
			continue
		}

		place := t.slots[gvk]
		if place.owners--; place.owners == 0 {
			place.unused = t.now()
			time.AfterFunc(linger, t.sweep)
		}
	}
}

// sweep ends the streams that had no user for long.
func (t *Tracker) sweep() {
	t.mu.Lock()
	var idle []*slot
	for gvk, place := range t.slots {
		if place.owners == 0 && t.now().Sub(place.unused) >= linger {
			delete(t.slots, gvk)
			idle = append(idle, place)
		}
	}

	t.mu.Unlock()
	for _, place := range idle {
		place.stream.end(errors.New("it had no user for " + linger.String()))
	}
}

func (t *Tracker) stream(gvk schema.GroupVersionKind) *stream {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if place := t.slots[gvk]; place != nil {
		return place.stream
	}
	return nil
}

// Tracks reports whether Get can be relied on for a kind: it was seen completely, is not refused, and its stream is
// connected or was within the last minute, in which the last known state counts. Watchers of the kind are woken when
// that changes.
func (t *Tracker) Tracks(gvk schema.GroupVersionKind) bool {
	s := t.stream(gvk)
	return s != nil && s.tracks()
}

// Get returns what is known of an object. That there is nothing means that the object does not exist, or that Helm does
// not manage it, only if the kind is still tracked afterwards.
func (t *Tracker) Get(ref Ref) (Entry, bool) {
	s := t.stream(ref.GVK)
	if s == nil {
		return Entry{}, false
	}
	return s.contents.get(key{ref.Namespace, ref.Name})
}

// Wrote takes in the API server's answer to a write of ours, so that no caller waits for the watch. payload is a digest
// of what was sent. The answer may be a PartialObjectMetadata: the object then counts as in progress until the watch
// shows it, unless its generation is the one that is known. Answers older than what the watch has reported, of kinds
// without users, and of objects outside of the scope leave no trace.
func (t *Tracker) Wrote(kind Kind, answer *unstructured.Unstructured, payload uint64) {
	s := t.stream(kind.GVK)
	if s == nil || isClosed(s.ended) || !t.scope.selects(answer.GetLabels()) {
		return
	}

	r, err := (*store)(s).take(answer)
	if err != nil {
		return // it takes every unstructured object
	}

	complete := answer.GroupVersionKind() == kind.GVK || health.MetadataOnly(kind.GVK.GroupKind())
	if !complete {
		unknown := health.Report{State: health.InProgress, Message: "its status is not known yet"}
		r.entry.Ready = unknown
		r.entry.Complete = unknown
		r.entry.verdicts = nil
	}

	t.watchers.notify(kind.GVK, s.contents.wrote(r, payload, complete))
	s.count()
}

// Watch returns a channel that receives whenever an entry of one of the objects changed, appeared or went, and when
// their kind was listed again or stopped being tracked. Several changes may be one receipt. Begin to watch first, then
// Get. The caller must call cancel; the channel is never closed.
func (t *Tracker) Watch(refs []Ref) (changed <-chan struct{}, cancel func()) {
	return t.watchers.add(refs)
}

// Subscribe calls f with every object whose entry changed, appeared or went, for as long as the tracker lives. f is
// called from several goroutines, must not block, and may call the tracker.
func (t *Tracker) Subscribe(f func(Change)) { t.watchers.subscribe(f) }

// SubscribeKinds calls f with every kind that was listed again, and that has begun or stopped to be tracked. f is
// called as Subscribe does.
func (t *Tracker) SubscribeKinds(f func(schema.GroupVersionKind)) { t.watchers.subscribeKinds(f) }

// Refused reports whether the API server does not let a kind be watched, or does not serve it. A kind without users
// counts as such.
func (t *Tracker) Refused(gvk schema.GroupVersionKind) bool {
	s := t.stream(gvk)
	return s == nil || s.refused() != nil
}
