package quota

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// Item is something that can be made, kept and made again.
type Item[V any] struct {
	// Namespace pays for it, Key names it. Two namespaces never share an item, even under one key.
	Namespace, Key string
	// Most is how many bytes making it may take; it is asked once, before Make.
	Most func() (int64, error)
	// Make makes it.
	Make func() (V, error)
	// Size is how many bytes it takes once it was made.
	Size func(V) int64
}

// Cache keeps items within a budget, what is being made and what is in use included. It is safe for concurrent use.
type Cache[V any] struct {
	what   string
	bounds Bounds

	mu      sync.Mutex
	total   int64
	used    map[string]int64 // by namespace
	items   map[itemKey]*item[V]
	recent  *list.List // of *item, the last used first
	changed chan struct{}
}

type itemKey struct{ namespace, key string }

type item[V any] struct {
	itemKey
	element *list.Element
	size    int64
	users   int
	ready   chan struct{} // closed once value or err is there
	made    bool
	value   V
	err     error
}

// NewCache returns a cache of what, which is the subject of messages.
func NewCache[V any](what string, b Bounds) *Cache[V] {
	return &Cache[V]{
		what: what, bounds: b, used: map[string]int64{}, items: map[itemKey]*item[V]{}, recent: list.New(),
		changed: make(chan struct{}),
	}
}

// Take returns an item, which is made once for all who ask at the same time, and stays until release is called. It
// waits while the budget is taken by items in use. An item that is larger than a share is an error with reason
// BudgetExceeded. A failure is not kept.
func (c *Cache[V]) Take(ctx context.Context, want Item[V]) (value V, release func(), err error) {
	for {
		own, isNew := c.join(itemKey{want.Namespace, want.Key})
		if isNew {
			c.make(ctx, own, want)
		} else if err := own.wait(ctx); err != nil {
			c.leave(own)
			return value, nil, err
		}

		if own.err == nil {
			return own.value, sync.OnceFunc(func() { c.leave(own) }), nil
		}

		c.leave(own)
		// The one who made it may have been called off; that says nothing to others.
		if isNew || ctx.Err() != nil ||
			!errors.Is(own.err, context.Canceled) && !errors.Is(own.err, context.DeadlineExceeded) {
			return value, nil, own.err
		}
	}
}

// Peek returns an item if it is there. It may be used after it was pushed out.
func (c *Cache[V]) Peek(namespace, key string) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own, known := c.items[itemKey{namespace, key}]
	if !known || !own.made {
		return value, false
	}
	c.recent.MoveToFront(own.element)
	return own.value, true
}

// Used is how many bytes a namespace takes, and all together.
func (c *Cache[V]) Used(namespace string) (own, total int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used[namespace], c.total
}

func (c *Cache[V]) join(key itemKey) (own *item[V], isNew bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own, known := c.items[key]
	if !known {
		own = &item[V]{itemKey: key, ready: make(chan struct{})}
		own.element = c.recent.PushFront(own)
		c.items[key] = own
	}

	own.users++
	c.recent.MoveToFront(own.element)
	return own, !known
}

func (c *Cache[V]) leave(own *item[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own.users--
	c.tell()
}

func (i *item[V]) wait(ctx context.Context) error {
	select {
	case <-i.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// make makes an item. Whatever happens in it, others do not wait for it in vain.
func (c *Cache[V]) make(ctx context.Context, own *item[V], want Item[V]) {
	value := *new(V)
	err := errors.New(c.what + ": making it has failed")
	defer func() { c.settle(own, value, want.Size, err) }()
	most, failed := want.Most()
	if failed == nil {
		failed = c.reserve(ctx, own, most)
	}

	if err = failed; err == nil {
		err = errors.New(c.what + ": making it has failed")
		value, err = want.Make()
	}
}

// settle counts what an item takes, or drops it when it could not be made.
func (c *Cache[V]) settle(own *item[V], value V, size func(V) int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.account(own, size(value))
		own.value = value
		own.made = true
		c.makeRoom(own.namespace, 0)
	} else {
		own.err = err
		c.drop(own)
	}

	close(own.ready)
	c.tell()
}

// reserve waits until there is room.
func (c *Cache[V]) reserve(ctx context.Context, own *item[V], size int64) error {
	if size > c.bounds.Share {
		return Exceeded(c.what, own.namespace, size, c.bounds)
	}
	for {
		c.mu.Lock()
		if c.makeRoom(own.namespace, size) {
			c.account(own, size)
			c.mu.Unlock()
			return nil
		}

		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return Exceeded(c.what+" (waited for others to end)", own.namespace, size, c.bounds)
		}
	}
}

// makeRoom pushes items out until size more bytes fit: those of the same namespace while that is above its share, then
// those of the namespace that takes most. It needs the lock.
func (c *Cache[V]) makeRoom(namespace string, size int64) bool {
	for c.used[namespace]+size > c.bounds.Share {
		if !c.evict(namespace) {
			return false
		}
	}

	for c.total+size > c.bounds.Total {
		if !c.evict(c.largest()) {
			return false
		}
	}

	return true
}

// evict drops the item of a namespace that was used longest ago and is not in use. It needs the lock.
func (c *Cache[V]) evict(namespace string) bool {
	for element := c.recent.Back(); element != nil; element = element.Prev() {
		own := element.Value.(*item[V]) //nolint:forcetypeassert // nothing else is put there
		if own.namespace == namespace && own.made && own.users == 0 {
			c.drop(own)
			return true
		}
	}
	return false
}

// largest is the namespace that takes most, of those with an item that can be dropped. It needs the lock.
func (c *Cache[V]) largest() string {
	most := int64(-1)
	name := ""
	for _, own := range c.items {
		if used := c.used[own.namespace]; own.made && own.users == 0 && used > most {
			most = used
			name = own.namespace
		}
	}
	return name
}

// drop needs the lock.
func (c *Cache[V]) drop(own *item[V]) {
	c.account(own, 0)
	c.recent.Remove(own.element)
	delete(c.items, own.itemKey)
}

// account changes what an item counts for. It needs the lock.
func (c *Cache[V]) account(own *item[V], size int64) {
	c.total += size - own.size
	c.used[own.namespace] += size - own.size
	if c.used[own.namespace] == 0 {
		delete(c.used, own.namespace)
	}
	own.size = size
}

// tell wakes those who wait for room. It needs the lock.
func (c *Cache[V]) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}
