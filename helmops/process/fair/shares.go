// Package fair shares a number of slots among namespaces, so that one with much to do waits for itself.
//
// The next free slot goes to the waiting namespace that holds the fewest; among equals to what is most urgent, and
// then to the namespace that was served longest ago. Within a namespace the most urgent is first, and of that who
// came first. Who gave a slot back to wait for something goes before those who have not begun: what has begun ends
// before more begins. No namespace ever holds more than a maximum that is less than all, so some slots are always
// within reach of the others, however long the holders keep theirs.
//
//	Take ─► slot ─► Release, wait for something, Acquire ─► Close
//	Paced: latency of the API server ─► Pace ─► Resize
package fair

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Shares are slots that namespaces share. They are safe for concurrent use.
type Shares struct {
	mu      sync.Mutex
	maximum int
	free    int // below zero while more are held than there are, after Resize or for urgent work
	total   int
	reserve int // how many more slots urgent work can have
	waits   int // how many wait
	groups  map[string]*group
	clock   uint64 // counts arrivals and grants
	// floor is the latest service of a namespace that was forgotten. A new namespace counts as served then, since it may
	// be one that was forgotten: those that come back could otherwise starve those that wait all the time.
	floor uint64
}

// Kind of work, which decides who goes first.
type Kind int

const (
	// Ordinary work is done in the order in which it came.
	Ordinary Kind = iota
	// Continuing work is a further step of work that was done before. It goes before ordinary work.
	Continuing
	// Urgent work repairs something. It goes before all other work, and has slots in reserve.
	Urgent
)

// Work is what a slot is for.
type Work struct {
	Kind Kind
	// Unwanted is closed when the work is not wanted any more; nil is never.
	Unwanted <-chan struct{}
}

// ErrUnwanted says that work ended before it had a slot, because it is not wanted any more.
var ErrUnwanted = errors.New("the work is not wanted any more")

// rank orders those who wait, the lowest first.
type rank int

const (
	urgentBack rank = iota // urgent work that has waited for something
	urgent
	begun // work that has waited for something, or continues
	fresh
	ranks
)

// of returns the rank of work, which may come back from waiting for something.
func (k Kind) of(back bool) rank {
	switch {
	case k == Urgent && back:
		return urgentBack
	case k == Urgent:
		return urgent
	case k == Continuing, back:
		return begun
	default:
		return fresh
	}
}

// group is what one namespace holds and waits for. One that does neither is forgotten.
type group struct {
	held    int
	urgent  int // of those
	served  uint64
	waiting [ranks][]*waiter // first come first
}

type waiter struct {
	arrived uint64
	granted chan struct{} // closed with the lock held
}

// New returns total slots, of which one namespace can hold maximum at most. It panics unless 1 <= maximum <= total,
// which is a mistake in the program.
func New(total, maximum int) *Shares {
	check(total, maximum)
	return &Shares{maximum: maximum, free: total, total: total, groups: map[string]*group{}}
}

func check(total, maximum int) {
	if maximum < 1 || maximum > total {
		panic(fmt.Sprintf("fair: %d slots of which a namespace can hold %d", total, maximum))
	}
}

// Reserve adds slots for urgent work alone, of which one namespace can hold half. It is for setting up.
func (s *Shares) Reserve(slots int) *Shares {
	s.reserve = slots
	return s
}

// Resize changes how many slots there are, and how many of them a namespace can hold. Who holds one keeps it. It
// panics where New does.
func (s *Shares) Resize(total, maximum int) {
	check(total, maximum)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += total - s.total
	s.total = total
	s.maximum = maximum
	s.grant()
}

// Take waits for a slot for a namespace. The error is that of ctx, which ended first; the slot is nil then.
func (s *Shares) Take(ctx context.Context, namespace string) (*Slot, error) {
	return s.TakeFor(ctx, namespace, Work{})
}

// TakeFor is Take for work of a kind. It fails with ErrUnwanted when the work is not wanted any more before it has a
// slot.
func (s *Shares) TakeFor(ctx context.Context, namespace string, work Work) (*Slot, error) {
	if err := s.take(ctx, namespace, work.Kind.of(false), work.Unwanted); err != nil {
		return nil, err
	}
	return &Slot{shares: s, ctx: ctx, namespace: namespace, kind: work.Kind, holds: true}, nil
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

func (s *Shares) take(ctx context.Context, namespace string, as rank, unwanted <-chan struct{}) error {
	s.mu.Lock()
	g := s.groups[namespace]
	if g == nil {
		g = &group{served: s.floor}
		s.groups[namespace] = g
	}

	s.clock++
	w := &waiter{arrived: s.clock, granted: make(chan struct{})}
	g.waiting[as] = append(g.waiting[as], w)
	s.waits++
	s.grant()
	s.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-unwanted:
	case <-ctx.Done():
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.granted: // at the same moment
		s.giveBack(namespace, as)
	default:
		s.leave(namespace, as, w)
	}

	if ctx.Err() == nil {
		return ErrUnwanted
	}

	return fmt.Errorf("waiting for a free slot: %w", context.Cause(ctx))
}

// leave takes one who gave up out of the queue. The caller holds the lock.
func (s *Shares) leave(namespace string, as rank, gone *waiter) {
	g := s.groups[namespace]
	for i, w := range g.waiting[as] {
		if w == gone {
			g.waiting[as] = append(g.waiting[as][:i:i], g.waiting[as][i+1:]...)
			s.waits--
			break
		}
	}
	s.forget(namespace, g)
}

func (s *Shares) put(namespace string, as rank) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveBack(namespace, as)
}

// giveBack frees a slot of a namespace for the next. The caller holds the lock.
func (s *Shares) giveBack(namespace string, as rank) {
	g := s.groups[namespace]
	g.held--
	if as <= urgent {
		g.urgent--
	}
	s.free++
	s.grant()
	s.forget(namespace, g)
}

// forget needs the lock.
func (s *Shares) forget(namespace string, g *group) {
	if g.held == 0 && g.waits() == 0 {
		s.floor = max(s.floor, g.served)
		delete(s.groups, namespace)
	}
}

// grant hands free slots out. The caller holds the lock.
func (s *Shares) grant() {
	for s.waits > 0 {
		next, as := s.next()
		if next == nil {
			return
		}

		s.free--
		s.waits--
		s.clock++
		next.held++
		if as <= urgent {
			next.urgent++
		}

		next.served = s.clock
		close(next.waiting[as][0].granted)
		next.waiting[as] = next.waiting[as][1:]
	}
}

// next is the namespace whose turn it is, and with which of its work; nil when none may have a slot. The caller holds
// the lock.
func (s *Shares) next() (best *group, as rank) {
	if s.free <= -s.reserve {
		return nil, 0
	}

	for _, g := range s.groups {
		r, ok := g.first()
		if !ok || !s.mayHave(g, r) {
			continue
		}

		if best == nil || g.before(r, best, as) {
			best = g
			as = r
		}
	}

	return best, as
}

// mayHave reports whether a namespace may have a slot more.
func (s *Shares) mayHave(g *group, as rank) bool {
	if as <= urgent {
		return s.free > -s.reserve && g.held < s.maximum+s.reserve/2
	}
	return s.free > 0 && g.held < s.maximum
}

// first is the rank of those who are first of a namespace.
func (g *group) first() (rank, bool) {
	for r, waiting := range g.waiting {
		if len(waiting) > 0 {
			return rank(r), true
		}
	}
	return 0, false
}

func (g *group) waits() int {
	n := 0
	for _, waiting := range g.waiting {
		n += len(waiting)
	}
	return n
}

// before orders two namespaces by what they hold: urgent work only has to wait for urgent work.
func (g *group) before(as rank, other *group, otherAs rank) bool {
	load, otherLoad := g.load(as), other.load(otherAs)
	switch {
	case load != otherLoad:
		return load < otherLoad
	case as != otherAs:
		return as < otherAs
	case g.served != other.served:
		return g.served < other.served
	default:
		return g.waiting[as][0].arrived < other.waiting[otherAs][0].arrived
	}
}

func (g *group) load(as rank) int {
	if as <= urgent {
		return g.urgent
	}
	return g.held
}

// Held returns how many slots a namespace holds, and how many of its callers wait for one.
func (s *Shares) Held(namespace string) (held, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.groups[namespace]; g != nil {
		return g.held, g.waits()
	}
	return 0, 0
}

// Count returns how many slots are held, how many callers wait for one, and how many slots there are.
func (s *Shares) Count() (held, waiting, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total - s.free, s.waits, s.total
}

// Slot is a slot that its holder can give back while it waits for something else. It is safe for concurrent use. The
// methods of nil do nothing.
type Slot struct {
	shares    *Shares
	ctx       context.Context //nolint:containedctx // the life of the work that the slot is for
	namespace string
	kind      Kind

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

// Acquire waits for the slot again after Release, before those who have not begun. It returns without one when the
// context of Take has ended, or after Close.
func (s *Slot) Acquire() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds || s.closed {
		return
	}
	s.holds = s.shares.take(s.ctx, s.namespace, s.kind.of(true), nil) == nil
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
		s.shares.put(s.namespace, s.kind.of(false))
	}
}
