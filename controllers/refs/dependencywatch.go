package refs

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/process/backoff"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// Pauses before an object that could not be watched is tried again: doubled from the first to the last.
const (
	firstPause = 5 * time.Second
	lastPause  = 5 * time.Minute
)

var pauses = backoff.Policy{First: firstPause, Last: lastPause}

// Objects watches single objects of any kind.
type Objects interface {
	// Follow calls see with the object as it is, nil while it does not exist, and again with every change, until see
	// returns true or an error, ctx ends, or the object can no longer be watched. It says why it ended. A kind that the
	// cluster does not know is an error for which meta.IsNoMatchError holds.
	Follow(ctx context.Context, access cluster.Access, kind schema.GroupVersionKind, key types.NamespacedName,
		see func(*unstructured.Unstructured) (bool, error)) error
}

// ObservedState is what is known of an object that a dependent waits for.
type ObservedState struct {
	// Known reports whether the object was read; Object is nil when it does not exist.
	Known  bool
	Object *unstructured.Unstructured
	// Took is for how long the first answer has been awaited.
	Took time.Duration
	// Err is why the object cannot be watched now, Pause how long nothing is tried, Left what is left of that.
	Err         error
	Pause, Left time.Duration
}

// view is one object that a dependent waits for, as one identity sees it.
type view struct {
	ObservedState
	since    time.Time
	retry    time.Time
	failures int
	running  bool
	waiters  map[types.NamespacedName]struct{}
	cancel   context.CancelFunc
}

// viewKey identifies a view.
type viewKey struct {
	user       string
	namespace  string // of the kubeconfig
	kubeconfig [sha256.Size]byte
	kind       schema.GroupVersionKind
	key        types.NamespacedName
}

// DependencyWatcher watches objects on behalf of those who wait for them: each with one watch for all of the same
// identity, and only as long as one of them waits.
type DependencyWatcher struct {
	ctx     context.Context //nolint:containedctx // the life of the watches
	objects Objects
	wake    func(types.NamespacedName)
	now     func() time.Time

	mu    sync.Mutex
	views map[viewKey]*view
	turns map[types.NamespacedName]map[viewKey]bool // what a waiter waits for; true when it asked in its present turn
}

// NewDependencyWatcher returns a dependency watcher whose watches live as long as ctx. wake is called with those who
// wait when something changed.
func NewDependencyWatcher(
	ctx context.Context, objects Objects, wake func(types.NamespacedName), now func() time.Time,
) *DependencyWatcher {
	return &DependencyWatcher{
		ctx: ctx, objects: objects, wake: wake, now: now,
		views: map[viewKey]*view{}, turns: map[types.NamespacedName]map[viewKey]bool{},
	}
}

// Track begins a turn of a waiter. What it has not read when end is called is no longer watched for it.
func (l *DependencyWatcher) Track(waiter types.NamespacedName) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.turns[waiter] {
		l.turns[waiter][key] = false
	}

	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for key, asked := range l.turns[waiter] {
			if !asked {
				l.leave(waiter, key)
			}
		}
	}
}

// Forget has nothing watched for a waiter any more.
func (l *DependencyWatcher) Forget(waiter types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.turns[waiter] {
		l.leave(waiter, key)
	}
}

// leave takes a waiter from a view, and ends the view with the last one. The caller holds the lock.
func (l *DependencyWatcher) leave(waiter types.NamespacedName, key viewKey) {
	delete(l.turns[waiter], key)
	if len(l.turns[waiter]) == 0 {
		delete(l.turns, waiter)
	}

	v := l.views[key]
	delete(v.waiters, waiter)
	if len(v.waiters) == 0 {
		v.cancel()
		delete(l.views, key)
	}
}

// Look returns what is known of an object and has the waiter woken when that changes. It never waits.
func (l *DependencyWatcher) Look(
	waiter types.NamespacedName, access cluster.Access, kind schema.GroupVersionKind, key types.NamespacedName,
) ObservedState {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := viewKey{user: access.User, kubeconfig: sha256.Sum256(access.Kubeconfig), kind: kind, key: key}
	if access.Kubeconfig != nil {
		id.namespace = access.Namespace
	}

	v := l.views[id]
	if v == nil {
		ctx, cancel := context.WithCancel(l.ctx)
		v = &view{waiters: map[types.NamespacedName]struct{}{}, cancel: cancel, since: l.now()}
		l.views[id] = v
		l.start(ctx, v, access, id)
	} else if !v.running && !l.now().Before(v.retry) {
		v.cancel()
		var ctx context.Context
		ctx, v.cancel = context.WithCancel(l.ctx)
		l.start(ctx, v, access, id)
	}

	v.waiters[waiter] = struct{}{}
	if l.turns[waiter] == nil {
		l.turns[waiter] = map[viewKey]bool{}
	}

	l.turns[waiter][id] = true
	seen := v.ObservedState
	seen.Took, seen.Left = l.now().Sub(v.since), max(0, v.retry.Sub(l.now()))
	return seen
}

// start watches an object outside of the worker. The caller holds the lock.
func (l *DependencyWatcher) start(ctx context.Context, v *view, access cluster.Access, id viewKey) {
	v.running = true
	guard.Go("watching an object", func() {
		err := guard.Do("watching an object", func() error {
			return l.objects.Follow(ctx, access, id.kind, id.key, func(object *unstructured.Unstructured) (bool, error) {
				l.record(v, object)
				return false, nil
			})
		})
		if ctx.Err() == nil {
			l.ended(v, err)
		}
	})
}

// record takes over a state of an object.
func (l *DependencyWatcher) record(v *view, object *unstructured.Unstructured) {
	l.mu.Lock()
	v.ObservedState = ObservedState{Known: true, Object: object}
	v.failures = 0
	v.retry = time.Time{}
	waiters := v.waiting()
	l.mu.Unlock()

	l.wakeAll(waiters)
}

// ended takes over why an object cannot be watched for now.
func (l *DependencyWatcher) ended(v *view, err error) {
	if err == nil {
		err = errors.New("its watch ended")
	}

	l.mu.Lock()
	v.failures++
	pause := pauses.After(int64(v.failures))
	v.running = false
	v.ObservedState = ObservedState{Err: err, Pause: pause}
	v.retry = l.now().Add(v.Pause)
	waiters := v.waiting()
	l.mu.Unlock()

	l.wakeAll(waiters)
}

// wakeAll wakes waiters. The caller does not hold the lock: a waiter may ask the watcher.
func (l *DependencyWatcher) wakeAll(waiters []types.NamespacedName) {
	for _, waiter := range waiters {
		l.wake(waiter)
	}
}

// waiting lists the waiters of a view. The caller holds the lock.
func (v *view) waiting() []types.NamespacedName {
	waiters := make([]types.NamespacedName, 0, len(v.waiters))
	for waiter := range v.waiters {
		waiters = append(waiters, waiter)
	}
	return waiters
}
