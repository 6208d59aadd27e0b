// Package fair shares a number of slots among namespaces, so that one with much to do waits for itself.
//
// The next free slot goes to the waiting namespace that holds the fewest; among equals to the one that was served longest
// ago. Within a namespace who came first is first. No namespace ever holds more than a maximum that is less than all, so some
// slots are always within reach of the others, however long the holders keep theirs.
package fair

import (
	"context"
	"fmt"
	"sync"
)

// Shares are slots that namespaces share. They are safe for concurrent use.
type Shares struct {
	maximum int

	mu     sync.Mutex
	free   int
	groups map[string]*group
	clock  uint64 // counts arrivals and grants
}

// group is what one namespace holds and waits for. One that does neither is forgotten.
type group struct {
	held    int
	served  uint64
	waiting []*waiter // first come first
}

type waiter struct {
	arrived uint64
	granted chan struct{} // closed with the lock held
}

// New returns total slots, of which one namespace can hold maximum at most. It panics unless 1 <= maximum <= total, which is
// a mistake in the program.
func New(total, maximum int) *Shares {
	if maximum < 1 || maximum > total {
		panic(fmt.Sprintf("fair: %d slots of which a namespace can hold %d", total, maximum))
	}
	return &Shares{maximum: maximum, free: total, groups: map[string]*group{}}
}

// Take waits for a slot for a namespace. The error is that of ctx, which ended first; the slot is nil then.
func (s *Shares) Take(ctx context.Context, namespace string) (*Slot, error) {
	if err := s.take(ctx, namespace); err != nil {
		return nil, err
	}
	return &Slot{shares: s, ctx: ctx, namespace: namespace, holds: true}, nil
}

// Do runs work with a slot for a namespace. The error is that of work, or of ctx when it ended before there was a slot.
func (s *Shares) Do(ctx context.Context, namespace string, work func() error) error {
	slot, err := s.Take(ctx, namespace)
	if err != nil {
		return err
	}
	defer slot.Close()
	return work()
}

func (s *Shares) take(ctx context.Context, namespace string) error {
	s.mu.Lock()
	g := s.groups[namespace]
	if g == nil {
		g = &group{}
		s.groups[namespace] = g
	}
	s.clock++
	w := &waiter{arrived: s.clock, granted: make(chan struct{})}
	g.waiting = append(g.waiting, w)
	s.grant()
	s.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.granted: // at the same moment
		s.giveBack(namespace)
	default:
		s.leave(namespace, w)
	}
	return fmt.Errorf("waiting for a free slot: %w", context.Cause(ctx))
}

// leave takes one who gave up out of the queue. The caller holds the lock.
func (s *Shares) leave(namespace string, gone *waiter) {
	g := s.groups[namespace]
	for i, w := range g.waiting {
		if w == gone {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			break
		}
	}
	s.forget(namespace, g)
}

func (s *Shares) put(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveBack(namespace)
}

// giveBack frees a slot of a namespace for the next. The caller holds the lock.
func (s *Shares) giveBack(namespace string) {
	g := s.groups[namespace]
	g.held--
	s.free++
	s.grant()
	s.forget(namespace, g)
}

// forget needs the lock.
func (s *Shares) forget(namespace string, g *group) {
	if g.held == 0 && len(g.waiting) == 0 {
		delete(s.groups, namespace)
	}
}

// grant hands free slots out. The caller holds the lock.
func (s *Shares) grant() {
	for s.free > 0 {
		next := s.next()
		if next == nil {
			return
		}
		s.free--
		s.clock++
		next.held++
		next.served = s.clock
		close(next.waiting[0].granted)
		next.waiting = next.waiting[1:]
	}
}

// next is the namespace whose turn it is; nil when none may have a slot. The caller holds the lock.
func (s *Shares) next() *group {
	var best *group
	for _, g := range s.groups {
		if len(g.waiting) == 0 || g.held >= s.maximum {
			continue
		}
		if best == nil || g.before(best) {
			best = g
		}
	}
	return best
}

func (g *group) before(other *group) bool {
	switch {
	case g.held != other.held:
		return g.held < other.held
	case g.served != other.served:
		return g.served < other.served
	default:
		return g.waiting[0].arrived < other.waiting[0].arrived
	}
}

// Held returns how many slots a namespace holds, and how many of its callers wait for one.
func (s *Shares) Held(namespace string) (held, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.groups[namespace]; g != nil {
		return g.held, len(g.waiting)
	}
	return 0, 0
}

// Slot is a slot that its holder can give back while it waits for something else. It is safe for concurrent use. The methods
// of nil do nothing.
type Slot struct {
	shares    *Shares
	ctx       context.Context //nolint:containedctx // the life of the work that the slot is for
	namespace string

	mu     sync.Mutex
	holds  bool
	closed bool
}

// Release gives the slot back until Acquire is called.
func (s *Slot) Release() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
}

// Acquire waits for the slot again after Release. It returns without one when the context of Take has ended, or after Close.
func (s *Slot) Acquire() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds || s.closed {
		return
	}
	s.holds = s.shares.take(s.ctx, s.namespace) == nil
}

// Close gives the slot back. It is safe to call after Release, and more than once.
func (s *Slot) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.drop()
}

// drop needs the lock.
func (s *Slot) drop() {
	if s.holds {
		s.holds = false
		s.shares.put(s.namespace)
	}
}
