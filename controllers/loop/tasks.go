package loop

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// Tasks runs what takes time outside of the workers, one task per object.
type Tasks[R any] struct {
	ctx  context.Context //nolint:containedctx // the life of the process, not of a call
	wake func(types.NamespacedName)
	now  func() time.Time
	// shares bound how many tasks run, nil is no bound.
	shares *fair.Shares

	mu      sync.Mutex
	running map[types.NamespacedName]time.Time
	done    map[types.NamespacedName]R
}

// NewTasks returns an empty set of tasks. wake is called with the name of an object when its task has ended. Tasks get
// ctx; the result of one that ends after ctx did is dropped.
func NewTasks[R any](ctx context.Context, wake func(types.NamespacedName), now func() time.Time) *Tasks[R] {
	return &Tasks[R]{
		ctx: ctx, wake: wake, now: now,
		running: map[types.NamespacedName]time.Time{}, done: map[types.NamespacedName]R{},
	}
}

// Within bounds how many tasks run at the same time: each takes a slot of its namespace first. Several sets of tasks
// may have the same shares. It is for setting up.
func (t *Tasks[R]) Within(shares *fair.Shares) *Tasks[R] {
	t.shares = shares
	return t
}

// Start runs work for an object, and returns whether it did: it does not while another task of the object runs or its
// result was not taken yet. A task that waits for a slot counts as running. When work panics, fault makes the result.
func (t *Tasks[R]) Start(key types.NamespacedName, work func(context.Context) R, fault func(error) R) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, busy := t.running[key]; busy || t.ctx.Err() != nil {
		return false
	}
	if _, waiting := t.done[key]; waiting {
		return false
	}

	t.running[key] = t.now()
	guard.GoOr("working on an object", func() { t.run(key, work, fault) }, func(error) { t.drop(key) })
	return true
}

// run runs one task to its end.
func (t *Tasks[R]) run(key types.NamespacedName, work func(context.Context) R, fault func(error) R) {
	result, ok := t.result(key, work, fault)
	if !ok || t.ctx.Err() != nil {
		return
	}
	t.mu.Lock()
	delete(t.running, key)
	t.done[key] = result
	t.mu.Unlock()
	t.wake(key)
}

// result returns what work, or its panic, came to; false when the process ended before there was a slot.
func (t *Tasks[R]) result(
	key types.NamespacedName, work func(context.Context) R, fault func(error) R,
) (result R, ok bool) {
	if t.shares != nil {
		slot, err := t.shares.Take(t.ctx, key.Namespace)
		if err != nil {
			return result, false
		}

		defer slot.Close()
	}

	err := guard.Do("working on an object", func() error {
		result = work(t.ctx)
		return nil
	})
	if err != nil {
		result = fault(err)
	}

	return result, true
}

// drop ends a task without a result, because even making one of its panic failed. The object is reconciled again at its
// interval: if it were woken, it would meet the same fault without a pause.
func (t *Tasks[R]) drop(key types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.running, key)
}

// Take returns the result of a task that has ended, once.
func (t *Tasks[R]) Take(key types.NamespacedName) (R, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	result, ok := t.done[key]
	delete(t.done, key)
	return result, ok
}

// Running returns for how long a task of the object has been running.
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
