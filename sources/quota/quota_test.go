package quota

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

var small = Bounds{Total: 100, Share: 60}

func sized(namespace, key string, size int64) Item[int64] {
	return Item[int64]{
		Namespace: namespace, Key: key, Most: func() (int64, error) { return size, nil },
		Make: func() (int64, error) { return size, nil },
		Size: func(n int64) int64 { return n },
	}
}

func take(t *testing.T, c *Cache[int64], want Item[int64]) (release func()) {
	t.Helper()
	_, release, err := c.Take(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return release
}

func kept(c *Cache[int64], namespace, key string) bool {
	_, ok := c.Peek(namespace, key)
	return ok
}

// One namespace that takes all it can leaves another what it has.
func TestANoisyNamespacePushesOutItsOwn(t *testing.T) {
	t.Parallel()
	wide := Bounds{Total: 200, Share: 60}
	c := NewCache[int64]("trees", wide)
	take(t, c, sized("victim", "a", 30))()
	for n := range 100 {
		take(t, c, sized("mallory", fmt.Sprint(n), 25))()
		if own, total := c.Used("mallory"); own > wide.Share || total > wide.Total {
			t.Fatalf("%d of %d bytes are taken", own, total)
		}
	}
	if !kept(c, "victim", "a") || !kept(c, "mallory", "99") || kept(c, "mallory", "0") {
		t.Error("something else was pushed out than what was used longest ago")
	}
}

// When many namespaces together are above the total, the one that takes most gives way.
func TestTheLargestGivesWay(t *testing.T) {
	t.Parallel()
	c := NewCache[int64]("trees", small)
	take(t, c, sized("small", "a", 20))()
	take(t, c, sized("large", "a", 30))()
	take(t, c, sized("large", "b", 30))()
	take(t, c, sized("third", "a", 40))()
	if !kept(c, "small", "a") || kept(c, "large", "a") || !kept(c, "third", "a") {
		t.Error("another namespace than the largest has given way")
	}
}

func TestWhatIsInUseIsNotPushedOut(t *testing.T) {
	t.Parallel()
	c := NewCache[int64]("trees", small)
	release := take(t, c, sized("mallory", "a", 50))
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _, err := c.Take(short, sized("mallory", "b", 50))
	if sources.Reason(err) != v1beta1.BudgetExceededReason || !strings.Contains(err.Error(), "waited") {
		t.Errorf("got %v", err)
	}
	take(t, c, sized("victim", "a", 50))() // it does not wait
	waiting := make(chan error)
	go func() {
		_, free, err := c.Take(context.WithoutCancel(t.Context()), sized("mallory", "b", 50))
		if err == nil {
			free()
		}
		waiting <- err
	}()
	release()
	release() // twice is harmless
	if err := <-waiting; err != nil || kept(c, "mallory", "a") {
		t.Errorf("the one that waited got %v", err)
	}
}

func TestMoreThanAShareIsRefused(t *testing.T) {
	t.Parallel()
	c := NewCache[int64]("unpacked files", small)
	_, _, err := c.Take(t.Context(), sized("apps", "a", 61))
	var known *sources.Error
	if !errors.As(err, &known) || known.Reason() != v1beta1.BudgetExceededReason || !known.Retryable() {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"unpacked files", "namespace apps", "61 bytes", "60 bytes", "100 bytes", "tried again"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	if own, total := c.Used("apps"); own != 0 || total != 0 {
		t.Errorf("%d of %d bytes are left over", own, total)
	}
}

func TestAnItemIsMadeOnce(t *testing.T) {
	t.Parallel()
	c := NewCache[int64]("trees", small)
	var made atomic.Int32
	want := sized("apps", "a", 10)
	want.Make = func() (int64, error) { made.Add(1); return 10, nil }
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, release, err := c.Take(t.Context(), want)
			if err != nil {
				t.Error(err)
				return
			}
			release()
		})
	}
	all.Wait()
	if made.Load() != 1 {
		t.Errorf("it was made %d times", made.Load())
	}
}

func TestFailuresAreNotKept(t *testing.T) {
	t.Parallel()
	c := NewCache[int64]("trees", small)
	broken := errors.New("broken")
	fails := sized("apps", "a", 10)
	fails.Make = func() (int64, error) { return 0, broken }
	if _, _, err := c.Take(t.Context(), fails); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	panics := sized("apps", "a", 10)
	panics.Make = func() (int64, error) { panic("stumbles") }
	func() {
		defer func() { _ = recover() }()
		_, _, _ = c.Take(t.Context(), panics)
	}()
	take(t, c, sized("apps", "a", 10))()
	if own, total := c.Used("apps"); own != 10 || total != 10 {
		t.Errorf("%d of %d bytes are taken", own, total)
	}
}

// The one that makes an item is called off; who waits with it makes it.
func TestTheNextOneMakesWhatWasCalledOff(t *testing.T) {
	t.Parallel()
	c := NewCache[int64]("trees", small)
	started, called := make(chan struct{}), make(chan struct{})
	first := sized("apps", "a", 10)
	first.Make = func() (int64, error) {
		close(started)
		<-called
		return 0, context.Canceled
	}
	go func() { _, _, _ = c.Take(context.WithoutCancel(t.Context()), first) }()
	<-started
	second := make(chan error)
	go func() {
		_, _, err := c.Take(context.WithoutCancel(t.Context()), sized("apps", "a", 10))
		second <- err
	}()
	close(called)
	if err := <-second; err != nil {
		t.Error(err)
	}
}

func TestAMeterLeavesOthersTheirShare(t *testing.T) {
	t.Parallel()
	m := NewMeter("packs", small, 2)
	enter := func(namespace string) *Account {
		a, err := m.Enter(t.Context(), namespace)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	one, two := enter("mallory"), enter("mallory")
	if err := errors.Join(one.Grow(30), two.Grow(30)); err != nil {
		t.Fatal(err)
	}
	if err := two.Grow(1); sources.Reason(err) != v1beta1.BudgetExceededReason {
		t.Errorf("got %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := m.Enter(short, "mallory"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third one is under way: %v", err)
	}
	victim := enter("victim")
	if err := victim.Grow(40); err != nil {
		t.Error(err)
	}
	one.Close()
	one.Close()
	three := enter("mallory")
	if err := three.Grow(31); err == nil {
		t.Error("more than the share is under way")
	}
	for _, a := range []*Account{two, three, victim} {
		a.Close()
	}
	if m.total != 0 || len(m.used) != 0 || len(m.running) != 0 {
		t.Errorf("%d bytes are left over", m.total)
	}
}
