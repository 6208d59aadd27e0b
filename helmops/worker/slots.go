package worker

import (
	"context"
	"slices"
	"sync"
)

// slots are handed out to namespaces in turn. One namespace never has all of them, unless there is only one.
type slots struct {
	mu      sync.Mutex
	free    int
	share   int
	held    map[string]int
	waiting []*waiter
	// served counts, and turns note when a namespace that holds or awaits a slot was served last.
	served int64
	turns  map[string]int64
}

type waiter struct {
	namespace string
	ready     chan struct{}
}

func newSlots(n int) *slots {
	return &slots{free: n, share: max(1, n-1), held: map[string]int{}, turns: map[string]int64{}}
}

// take waits for a slot. The error is that of ctx.
func (s *slots) take(ctx context.Context, namespace string) error {
	w := &waiter{namespace: namespace, ready: make(chan struct{})}
	s.mu.Lock()
	s.waiting = append(s.waiting, w)
	s.serve()
	s.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	at := slices.Index(s.waiting, w)
	if at >= 0 {
		s.waiting = slices.Delete(s.waiting, at, at+1)
	}
	s.mu.Unlock()
	if at < 0 { // it was served meanwhile
		s.give(namespace)
	}
	return ctx.Err()
}

// give returns a slot.
func (s *slots) give(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	if s.held[namespace]--; s.held[namespace] == 0 {
		delete(s.held, namespace)
	}
	s.serve()
	if !slices.ContainsFunc(s.waiting, func(w *waiter) bool { return w.namespace == namespace }) && s.held[namespace] == 0 {
		delete(s.turns, namespace)
	}
}

// serve hands out free slots: to the namespace whose last turn is longest ago, and within it in the order of arrival.
func (s *slots) serve() {
	for s.free > 0 {
		next := -1
		for i, w := range s.waiting {
			if s.held[w.namespace] < s.share && (next < 0 || s.turns[w.namespace] < s.turns[s.waiting[next].namespace]) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		w := s.waiting[next]
		s.waiting = slices.Delete(s.waiting, next, next+1)
		s.free--
		s.held[w.namespace]++
		s.served++
		s.turns[w.namespace] = s.served
		close(w.ready)
	}
}
