package loop

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Tasks runs what takes time outside of the workers, one task per object.
type Tasks[R any] struct {
	ctx  context.Context //nolint:containedctx // the life of the process, not of a call
	wake func(types.NamespacedName)
	now  func() time.Time

	mu      sync.Mutex
	running map[types.NamespacedName]time.Time
	done    map[types.NamespacedName]R
}

// NewTasks returns an empty set of tasks. wake is called with the name of an object when its task has ended. Tasks get ctx;
// the result of one that ends after ctx did is dropped.
func NewTasks[R any](ctx context.Context, wake func(types.NamespacedName), now func() time.Time) *Tasks[R] {
	return &Tasks[R]{
		ctx: ctx, wake: wake, now: now,
		running: map[types.NamespacedName]time.Time{}, done: map[types.NamespacedName]R{},
	}
}

// Start runs work for an object, and tells whether it did: it does not while another task of the object runs or its result
// was not taken yet.
func (t *Tasks[R]) Start(key types.NamespacedName, work func(context.Context) R) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, busy := t.running[key]; busy || t.ctx.Err() != nil {
		return false
	}
	if _, waiting := t.done[key]; waiting {
		return false
	}
	t.running[key] = t.now()
	go func() {
		result := work(t.ctx)
		if t.ctx.Err() != nil {
			return
		}
		t.mu.Lock()
		delete(t.running, key)
		t.done[key] = result
		t.mu.Unlock()
		t.wake(key)
	}()
	return true
}

// Take returns the result of a task that has ended, once.
func (t *Tasks[R]) Take(key types.NamespacedName) (R, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	result, ok := t.done[key]
	delete(t.done, key)
	return result, ok
}

// Running tells for how long a task of the object has been running.
func (t *Tasks[R]) Running(key types.NamespacedName) (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	since, ok := t.running[key]
	if !ok {
		return 0, false
	}
	return t.now().Sub(since), true
}

// Count is the number of tasks that are running.
func (t *Tasks[R]) Count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.running)
}
