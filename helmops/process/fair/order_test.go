package fair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// line is a queue whose callers have names.
type line struct {
	*Shares
	t     *testing.T
	order []string
	slots map[string]*Slot
	errs  map[string]error
}

func newLine(t *testing.T, shares *Shares) *line {
	t.Helper()
	return &line{Shares: shares, t: t, slots: map[string]*Slot{}, errs: map[string]error{}}
}

// ask asks for a slot in a goroutine, and returns once it was granted or waits. The namespace is what precedes the
// slash.
func (l *line) ask(name string, work Work) {
	l.t.Helper()
	namespace, _, _ := strings.Cut(name, "/")
	go func() {
		slot, err := l.TakeFor(context.Background(), namespace, work)
		l.note(name, slot, err)
	}()
	synctest.Wait()
}

// back has one come back from a wait.
func (l *line) back(name string) {
	l.t.Helper()
	go func() {
		l.slots[name].Acquire()
		l.note(name+" again", l.slots[name], nil)
	}()
	synctest.Wait()
}

func (l *line) note(name string, slot *Slot, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.errs[name] = err
		return
	}
	l.order = append(l.order, name)
	l.slots[name] = slot
}

func (l *line) end(names ...string) {
	l.t.Helper()
	for _, name := range names {
		if l.slots[name] == nil {
			l.t.Fatalf("%s has no slot; the order was %v", name, l.order)
		}
		l.slots[name].Close()
		synctest.Wait()
	}
}

func (l *line) expect(names ...string) {
	l.t.Helper()
	if !slices.Equal(l.order, names) {
		l.t.Errorf("slots went to %v, want %v", l.order, names)
	}
}

// over fails when anything is left.
func (l *line) over() {
	l.t.Helper()
	held, waiting, total := l.Count()
	if held != 0 || waiting != 0 || l.free != total || len(l.groups) != 0 {
		l.t.Errorf("at the end %d slots are held, %d wait, %d of %d are free, %d namespaces are known",
			held, waiting, l.free, total, len(l.groups))
	}
}

func TestWhatHasBegunEndsBeforeMoreBegins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, New(1, 1))
		l.ask("a/1", Work{})
		l.ask("a/2", Work{})
		l.ask("a/3", Work{})
		l.slots["a/1"].Release() // it waits for something; the second begins
		synctest.Wait()
		l.back("a/1")
		l.end("a/2")
		l.expect("a/1", "a/2", "a/1 again")
		l.end("a/1", "a/3")
		l.expect("a/1", "a/2", "a/1 again", "a/3")
		l.over()
	})
}

func TestAFurtherStepGoesBeforeWhatHasNotBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, New(1, 1))
		l.ask("a/1", Work{})
		l.ask("a/2", Work{})
		l.ask("a/tests of 0", Work{Kind: Continuing})
		l.end("a/1", "a/tests of 0", "a/2")
		l.expect("a/1", "a/tests of 0", "a/2")
		l.over()
	})
}

func TestRepairsGoFirstInEveryNamespace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, New(4, 3))
		for _, name := range []string{"a/1", "a/2", "a/3", "b/1"} {
			l.ask(name, Work{})
		}
		// Most are of namespaces that hold nothing, and were never served.
		for _, name := range []string{"c/1", "d/1", "e/1", "a/4"} {
			l.ask(name, Work{})
		}
		l.ask("a/repair", Work{Kind: Urgent})
		l.order = nil
		l.end("a/1")
		l.expect("a/repair")
		l.end("a/repair", "a/2", "a/3", "b/1", "c/1", "d/1", "e/1", "a/4")
		l.over()
	})
}

func TestANamespaceThatRepairsWithoutEndDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, New(2, 1))
		l.ask("noisy/0", Work{Kind: Urgent})
		l.ask("other/0", Work{})
		for _, name := range []string{"noisy/1", "noisy/2", "noisy/3"} {
			l.ask(name, Work{Kind: Urgent})
		}
		l.ask("quiet/1", Work{})
		l.order = nil
		l.end("other/0")
		l.expect("quiet/1")
		l.end("quiet/1", "noisy/0", "noisy/1", "noisy/2", "noisy/3")
		l.over()
	})
}

func TestRepairsHaveSlotsInReserve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, New(2, 1).Reserve(4))
		l.ask("a/1", Work{})
		l.ask("b/1", Work{})
		l.ask("c/1", Work{})
		for _, repair := range []string{"c/repair 1", "c/repair 2", "c/repair 3", "c/repair 4"} {
			l.ask(repair, Work{Kind: Urgent})
		}
		// A namespace can have its maximum and half of the reserve, while there is more.
		l.expect("a/1", "b/1", "c/repair 1", "c/repair 2", "c/repair 3")
		if held, waiting, total := l.Count(); held != 5 || waiting != 2 || total != 2 {
			t.Errorf("%d are held and %d wait for %d slots", held, waiting, total)
		}
		l.end("c/repair 1")
		l.expect("a/1", "b/1", "c/repair 1", "c/repair 2", "c/repair 3", "c/repair 4")
		l.end("a/1", "c/repair 2", "c/repair 3", "c/repair 4")
		l.expect("a/1", "b/1", "c/repair 1", "c/repair 2", "c/repair 3", "c/repair 4", "c/1")
		l.end("b/1", "c/1")
		l.over()
	})
}

func TestWhatIsNotWantedLeavesTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, unwanted := newLine(t, New(1, 1)), make(chan struct{})
		l.ask("a/1", Work{})
		l.ask("a/2", Work{Unwanted: unwanted})
		l.ask("a/3", Work{})
		close(unwanted)
		synctest.Wait()
		if !errors.Is(l.errs["a/2"], ErrUnwanted) {
			t.Errorf("error = %v", l.errs["a/2"])
		}
		l.end("a/1", "a/3")
		l.expect("a/1", "a/3")
		l.over()
	})
}

func TestSharesGrowAndShrinkWhileTheyAreInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, New(1, 1))
		for _, name := range []string{"a/1", "a/2", "a/3", "a/4"} {
			l.ask(name, Work{})
		}
		for total := 2; total <= 3; total++ {
			l.Resize(total, total)
			synctest.Wait()
		}
		l.expect("a/1", "a/2", "a/3")
		l.Resize(1, 1)
		l.end("a/1", "a/2") // more are held than there are
		l.expect("a/1", "a/2", "a/3")
		l.end("a/3")
		l.expect("a/1", "a/2", "a/3", "a/4")
		l.end("a/4")
		l.over()
	})
}

func TestSharesFollowTheirPace(t *testing.T) {
	t.Parallel()
	p := NewPaced(2)
	if _, _, total := p.Count(); total != 16 || p.maximum != 12 {
		t.Fatalf("%d slots to begin with, %d for a namespace", total, p.maximum)
	}
	at := noon
	for range leastSample + 1 {
		at = at.Add(window)
		p.Answered(time.Millisecond, true, at)
	}
	if _, _, total := p.Count(); total != 6 || p.maximum != 4 {
		t.Errorf("%d slots, %d for a namespace, although the server has too many requests", total, p.maximum)
	}
}

// Namespaces come, are served and leave, so that always one of them waits. One that waits all the time has its turn
// nevertheless.
func TestThoseThatComeBackDoNotStarveThoseThatStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, New(1, 1))
		endLast := func() { l.end(l.order[len(l.order)-1]) }
		l.ask("stays/1", Work{})
		l.ask("stays/2", Work{})
		l.ask("comes 0/1", Work{})
		for i := 1; i <= 20 && l.slots["stays/2"] == nil; i++ {
			l.ask(fmt.Sprintf("comes %d/1", i), Work{})
			endLast()
		}
		if l.slots["stays/2"] == nil {
			t.Errorf("stays/2 has no slot; the order was %v", l.order)
		}
		for held, _, _ := l.Count(); held > 0; held, _, _ = l.Count() {
			endLast()
		}
		l.over()
	})
}
