package pipeline

import (
	"context"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
)

// transfer is an attempt to copy that was begun.
type transfer struct {
	input string

	mu          sync.Mutex
	stop        context.CancelFunc
	cancelled   bool
	done, total int64
	shown       time.Time
}

// begin returns the context of the attempt, which ends when it is cancelled.
func (t *transfer) begin(ctx context.Context) (context.Context, context.CancelFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ctx, t.stop = context.WithTimeout(ctx, copyTimeout)
	if t.cancelled {
		t.stop()
	}
	return ctx, t.stop
}

// cancel ends the attempt, also one that waits for its turn.
func (t *transfer) cancel() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cancelled = true
	if t.stop != nil {
		t.stop()
	}
}

// arrived notes how far the attempt is.
func (t *transfer) arrived(done, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = max(t.done, done)
	t.total = total
}

// show writes how far the attempt is, every few seconds.
func (t *transfer) show(s *v1beta1.StageCopyStatus, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.shown) >= progressEvery {
		s.Bytes = t.done
		s.Total = t.total
		t.shown = now
	}
}

// start begins an attempt, unless one runs or its result was not taken yet.
func (c *copies) start(key types.NamespacedName, input string, want catalog.Copy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &transfer{input: input}
	want.Progress = t.arrived
	work := func(ctx context.Context) copyResult {
		ctx, cancel := t.begin(ctx)
		defer cancel()
		copied, err := c.copier.Copy(ctx, want)
		return copyResult{input: input, copied: copied, err: err}
	}
	fault := func(err error) copyResult { return copyResult{input: input, err: err} }
	if c.tasks.Start(key, work, fault) {
		c.begun[key] = t
	}
}

// take returns the result of an attempt that has ended, once.
func (c *copies) take(key types.NamespacedName) (copyResult, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	result, ok := c.tasks.Take(key)
	if ok {
		delete(c.begun, key)
	}
	return result, ok
}

// of is the attempt of a stage that runs; nil for none.
func (c *copies) of(key types.NamespacedName) *transfer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun[key]
}

// cancel ends the attempt of a stage, if there is one.
func (c *copies) cancel(key types.NamespacedName) {
	if t := c.of(key); t != nil {
		t.cancel()
	}
}

// forget ends the attempts of all stages of a pipeline.
func (c *copies) forget(pipeline types.NamespacedName) {
	var keys []types.NamespacedName
	c.mu.Lock()
	for key, t := range c.begun {
		if name, _, _ := strings.Cut(key.Name, "/"); key.Namespace == pipeline.Namespace && name == pipeline.Name {
			t.cancel()
			keys = append(keys, key)
		}
	}

	c.mu.Unlock()
	for _, key := range keys {
		c.take(key)
	}
}
