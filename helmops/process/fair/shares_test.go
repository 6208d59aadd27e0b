package fair

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// queue takes slots in goroutines and notes in which order they were granted.
type queue struct {
	t      *testing.T
	shares *Shares

	mu    sync.Mutex
	order []string
	slots []*Slot
}

// ask takes a slot for a namespace, and returns once it was granted or waits.
func (q *queue) ask(namespace string) {
	q.t.Helper()
	go func() {
		slot, err := q.shares.Take(context.Background(), namespace)
		if err != nil {
			q.t.Error(err)
			return
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		q.order = append(q.order, namespace)
		q.slots = append(q.slots, slot)
	}()
	synctest.Wait()
}

// end gives back the oldest slot of a namespace.
func (q *queue) end(namespace string) {
	q.t.Helper()
	q.mu.Lock()
	at := slices.IndexFunc(q.slots, func(s *Slot) bool { return s.namespace == namespace })
	if at < 0 {
		q.t.Fatalf("%s holds no slot", namespace)
	}
	slot := q.slots[at]
	q.slots = slices.Delete(q.slots, at, at+1)
	q.order = nil
	q.mu.Unlock()
	slot.Close()
	synctest.Wait()
}

func (q *queue) expect(what string, namespaces ...string) {
	q.t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.Equal(q.order, namespaces) {
		q.t.Errorf("%s: slots went to %v, want %v", what, q.order, namespaces)
	}
}

func inBubble(t *testing.T, total, maximum int, test func(*queue)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := &queue{t: t, shares: New(total, maximum)}
		test(q)
		for len(q.slots) > 0 { // no work may wait when the bubble ends
			q.end(q.slots[0].namespace)
		}
		if len(q.shares.groups) != 0 || q.shares.free != total {
			t.Errorf("%d namespaces are remembered and %d slots are free when all is over", len(q.shares.groups), q.shares.free)
		}
	})
}

func TestANeighbourFindsASlotWhileANoisyNamespaceKeepsItsOwn(t *testing.T) {
	inBubble(t, 4, 3, func(q *queue) {
		for range 50 {
			q.ask("noisy")
		}
		if held, waiting := q.shares.Held("noisy"); held != 3 || waiting != 47 {
			t.Fatalf("the noisy namespace holds %d and waits for %d", held, waiting)
		}
		q.order = nil
		q.ask("quiet")
		q.expect("at its first request", "quiet")
	})
}

func TestTheNextFreeSlotGoesToWhoHoldsTheFewest(t *testing.T) {
	inBubble(t, 6, 3, func(q *queue) {
		for range 20 {
			q.ask("one")
			q.ask("two")
		}
		q.ask("quiet")
		q.end("one")
		q.expect("after the first slot was given back", "quiet")
		q.end("two")
		q.expect("after the second", "one") // two holds 2, one holds 2 and was served before
	})
}

func TestWhoHoldsFewerGoesBeforeWhoWasServedLongerAgo(t *testing.T) {
	inBubble(t, 4, 4, func(q *queue) {
		for _, namespace := range []string{"one", "one", "one", "two"} {
			q.ask(namespace)
		}
		q.ask("one")
		q.ask("two")
		q.end("one") // it holds 2 now, the other 1
		q.expect("after one of three was given back", "two")
	})
}

func TestNamespacesOfEqualWeightTakeTurns(t *testing.T) {
	inBubble(t, 1, 1, func(q *queue) {
		q.ask("a")
		for range 3 {
			q.ask("a")
		}
		q.ask("b")
		q.ask("c")
		q.ask("b")
		var turns []string
		for holder := "a"; len(turns) < 6; holder = turns[len(turns)-1] {
			q.end(holder)
			turns = append(turns, q.order...)
		}
		if want := []string{"b", "c", "a", "b", "a", "a"}; !slices.Equal(turns, want) {
			t.Errorf("the slot went to %v, want %v", turns, want)
		}
	})
}

func TestWithinANamespaceWhoCameFirstIsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(1, 1)
		holder, err := s.Take(t.Context(), "apps")
		if err != nil {
			t.Fatal(err)
		}
		var order []int
		for i := range 5 {
			go func() {
				_ = s.Do(context.Background(), "apps", func() error {
					order = append(order, i)
					return nil
				})
			}()
			synctest.Wait()
		}
		holder.Close()
		synctest.Wait()
		if !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
			t.Errorf("served in the order %v", order)
		}
	})
}

func TestWhoGivesUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(1, 1)
		holder, err := s.Take(t.Context(), "apps")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := s.Take(ctx, "apps")
			ended <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v", err)
		}
		holder.Close()
		if len(s.groups) != 0 || s.free != 1 {
			t.Errorf("%d namespaces are remembered and %d slots are free", len(s.groups), s.free)
		}
	})
}

func TestASlotThatIsReleasedServesOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(1, 1)
		slot, err := s.Take(t.Context(), "apps")
		if err != nil {
			t.Fatal(err)
		}
		slot.Release()
		slot.Release()
		sentinel := errors.New("as arranged")
		if err := s.Do(t.Context(), "apps", func() error { return sentinel }); !errors.Is(err, sentinel) {
			t.Errorf("error = %v", err)
		}
		slot.Acquire()
		slot.Acquire()
		if held, _ := s.Held("apps"); held != 1 {
			t.Errorf("%d slots are held after it was acquired again", held)
		}
		slot.Close()
		slot.Close()
		slot.Acquire()
		if held, _ := s.Held("apps"); held != 0 || s.free != 1 {
			t.Errorf("%d slots are held and %d free after the end", held, s.free)
		}
	})
}

func TestASlotIsNotTakenAgainAfterTheEndOfTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(1, 1)
		ctx, cancel := context.WithCancel(t.Context())
		slot, err := s.Take(ctx, "apps")
		if err != nil {
			t.Fatal(err)
		}
		slot.Release()
		other, err := s.Take(t.Context(), "apps")
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		slot.Acquire() // returns although another one holds the slot
		slot.Close()
		if held, _ := s.Held("apps"); held != 1 {
			t.Errorf("%d slots are held, want that of the other", held)
		}
		other.Close()
	})
}
