package tracker

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/process/memory"
)

const (
	// trusted is how long the last known state is answered after the connection was lost.
	trusted = time.Minute
	// quiet is how long a connection has to be good for the next fault to count as the first.
	quiet = 2 * time.Minute
)

// backOff between attempts to list and watch, the same as client-go's own.
var backOff = wait.Backoff{Duration: 800 * time.Millisecond, Factor: 2, Jitter: 1, Steps: 38, Cap: 30 * time.Second}

// stream is the watch of one kind. It is made once and never started again.
type stream struct {
	kind     Kind
	contents contents
	tracker  *Tracker
	// first is what the reflector holds of a list that is not complete.
	first memory.Pages

	// ready is closed after the first list, ended when the stream has given up.
	ready, ended chan struct{}
	cancel       context.CancelFunc

	mu sync.Mutex
	// fault is the last answer, nil when it was good.
	fault error
	// lost is when the connection was lost; zero while it is up.
	lost time.Time
	// told is set when watchers were notified that the kind is not tracked any more.
	told bool
	// over is when the stream has ended; zero before.
	over time.Time
}

func newStream(t *Tracker, kind Kind) *stream {
	return &stream{
		kind: kind, tracker: t, contents: contents{entries: map[key]*Entry{}},
		first: memory.Pages{Of: t.clients.Memory},
		ready: make(chan struct{}), ended: make(chan struct{}), lost: t.now(),
	}
}

// run lists and watches until ctx or the stream ends.
func (s *stream) run(ctx context.Context) {
	counts.streams.Add(1)
	defer counts.streams.Add(-1)
	options := cache.ReflectorOptions{Name: "tracker", TypeDescription: s.kind.GVK.String(), Backoff: &s.tracker.backOff}
	reflector := cache.NewReflectorWithOptions(s.listerWatcher(), nil, (*store)(s), options)
	delay := s.tracker.backOff.DelayWithReset(clock.RealClock{}, quiet)
	// It ends with ctx only, and that is no fault.
	_ = delay.Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		// The answers of the API server were judged one by one.
		_ = reflector.ListAndWatchWithContext(ctx)
		return false, nil
	})
}

func (s *stream) listerWatcher() cache.ListerWatcher {
	list, open, client := s.calls()
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			s.connecting()
			o.LabelSelector = s.tracker.scope.selector()
			answer, err := list(ctx, o)
			if err != nil {
				return nil, s.classify(ctx, err)
			}

			return s.page(o, answer) //nolint:contextcheck // rules are bounded by what they may cost
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			s.connecting()
			s.first.Done()
			o.LabelSelector = s.tracker.scope.selector()
			events, err := open(ctx, o)
			if err == nil && o.SendInitialEvents == nil {
				s.connected()
			}

			return events, s.classify(ctx, err)
		},
	}, client)
}

// calls are the requests that list and watch the kind, and the client that makes them.
func (s *stream) calls() (cache.ListWithContextFunc, cache.WatchFuncWithContext, any) {
	if health.MetadataOnly(s.kind.GVK.GroupKind()) {
		resource := s.tracker.clients.Metadata.Resource(s.kind.gvr())
		return func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return resource.List(ctx, o) },
			resource.Watch, s.tracker.clients.Metadata
	}
	resource := s.tracker.clients.Dynamic.Resource(s.kind.gvr())
	return func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return resource.List(ctx, o) },
		resource.Watch, s.tracker.clients.Dynamic
}

// connecting notes that there is no connection at the moment.
func (s *stream) connecting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost.IsZero() {
		counts.restarts.Add(1)
		s.lost = s.tracker.now()
		time.AfterFunc(trusted+time.Second, s.miss)
	}
}

// miss reports that the last known state does not count any more, if the connection is still lost.
func (s *stream) miss() {
	s.mu.Lock()
	tell := isClosed(s.ready) && s.over.IsZero() && !s.told && !s.usable()
	s.told = s.told || tell
	s.mu.Unlock()
	if tell {
		s.tracker.watchers.wake(s.kind.GVK)
	}
}

// connected notes that what is known is complete, and kept up to date from here on.
func (s *stream) connected() {
	s.mu.Lock()
	tell := s.told
	s.fault = nil
	s.lost = time.Time{}
	s.told = false
	s.mu.Unlock()
	if tell {
		s.tracker.watchers.wake(s.kind.GVK)
	}
}

// classify an answer of the API server. A kind that is refused from the start, or not served any more, ends the stream;
// what was refused later is tried again, because rights and credentials come back.
func (s *stream) classify(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}

	synced := isClosed(s.ready)
	if apierrors.IsNotFound(err) || refusal(err) && !synced {
		s.end(err)
		return err
	}

	s.mu.Lock()
	s.fault = brief(err)
	tell := synced && !s.told && !s.usable()
	s.told = s.told || tell
	s.mu.Unlock()
	if tell {
		s.tracker.watchers.wake(s.kind.GVK)
	}

	return err
}

// usable: the answer of the entries counts. The lock is held.
func (s *stream) usable() bool {
	if s.fault != nil && refusal(s.fault) {
		return false
	}
	return s.over.IsZero() && (s.lost.IsZero() || s.tracker.now().Sub(s.lost) <= trusted)
}

// end gives up and forgets the objects.
func (s *stream) end(err error) {
	s.mu.Lock()
	if !s.over.IsZero() {
		s.mu.Unlock()
		return
	}

	s.fault, s.over = brief(err), s.tracker.now()
	s.mu.Unlock()
	gone := s.contents.clear()
	s.count()
	close(s.ended)
	s.cancel()
	s.tracker.watchers.notify(s.kind.GVK, gone)
	s.tracker.watchers.wake(s.kind.GVK)
}

// tracks reports whether what is known can be relied on.
func (s *stream) tracks() bool {
	if !isClosed(s.ready) || s.tracker.ctx.Err() != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usable()
}

// refused returns the answer with which the kind is refused at present; nil when it is not.
func (s *stream) refused() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil && (refusal(s.fault) || !s.over.IsZero()) {
		return &RefusedError{Kind: s.kind, Err: s.fault}
	}
	return nil
}

// stale: the stream has ended, and it is time to try again. A kind that was missing may have come at any moment; a
// refusal stands for a while, so that a thousand releases do not ask for it a thousand times.
func (s *stream) stale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.over.IsZero() && (apierrors.IsNotFound(s.fault) || s.tracker.now().Sub(s.over) >= refusalStands)
}

// await the first list.
func (s *stream) await(ctx context.Context) error {
	select {
	case <-s.ready:
		return s.refused()
	default:
	}

	select {
	case <-s.ready:
	case <-s.ended:
		return s.refused()
	case <-s.tracker.ctx.Done():
		return fmt.Errorf("watching %s: the tracker has ended: %w", s.kind, s.tracker.ctx.Err())
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.fault != nil {
			return fmt.Errorf("waiting for the first list of %s: %w; the API server last answered: %w", s.kind,
				context.Cause(ctx), s.fault)
		}

		return fmt.Errorf("waiting for the first list of %s: %w", s.kind, context.Cause(ctx))
	}

	return s.refused()
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// store is the side of a stream that the reflector fills.
type store stream

var (
	_ cache.TransformingStore      = (*store)(nil)
	_ cache.ReflectorBookmarkStore = (*store)(nil)
)

// Transformer implements cache.TransformingStore: not even the first list is held in full.
func (s *store) Transformer() cache.TransformFunc {
	return func(object any) (any, error) {
		r, err := s.take(object)
		if err != nil {
			return nil, err
		}
		if s.first.Add(sizeOf(r.key, &r.entry)) != nil {
			return nameless, nil //nolint:nilerr // the tracker ends; the reflector would log an error with the object
		}

		return r, nil
	}
}

func (s *store) take(object any) (*reduced, error) {
	r, err := s.tracker.scope.take(object)
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", s.kind, err)
	}
	if full, is := object.(*unstructured.Unstructured); is {
		s.tracker.rules.assess(&r.entry, Ref{GVK: s.kind.GVK, Namespace: r.key.namespace, Name: r.key.name}, full)
	}

	if !s.tracker.clients.Memory.Bounded() { // what is shared is not counted
		s.tracker.strings.share(
			&r.key.namespace, &r.entry.Release, &r.entry.ReleaseNamespace,
			&r.entry.Ready.Message, &r.entry.Ready.Quote, &r.entry.Complete.Message, &r.entry.Complete.Quote,
		)
	}

	return r, nil
}

// Add implements cache.ReflectorStore.
func (s *store) Add(object any) error { return s.Update(object) }

// Update implements cache.ReflectorStore.
func (s *store) Update(object any) error {
	r, err := s.take(object)
	if err == nil {
		s.tracker.watchers.notify(s.kind.GVK, s.contents.put(r))
		(*stream)(s).count()
	}
	return err
}

// Delete implements cache.ReflectorStore.
func (s *store) Delete(object any) error {
	r, err := s.tracker.scope.take(object)
	if err == nil {
		s.tracker.watchers.notify(s.kind.GVK, s.contents.remove(r.key, r.entry.ResourceVersion))
		(*stream)(s).count()
	}
	return err
}

// Replace implements cache.ReflectorStore.
func (s *store) Replace(objects []any, version string) error {
	list := make([]*reduced, 0, len(objects))
	for _, object := range objects {
		r, err := s.take(object)
		if err != nil {
			return err
		}

		list = append(list, r)
	}

	changed := s.contents.replace(list, number(version))
	s.first.Done()
	(*stream)(s).count()
	(*stream)(s).connected()
	if !isClosed(s.ready) {
		close(s.ready)
	}

	s.tracker.watchers.notify(s.kind.GVK, changed)
	s.tracker.watchers.wake(s.kind.GVK)
	return nil
}

// Bookmark implements cache.ReflectorBookmarkStore.
func (s *store) Bookmark(version string) error {
	s.contents.passed(number(version))
	return nil
}

// Resync implements cache.ReflectorStore. There is nothing to do.
func (s *store) Resync() error { return nil }
