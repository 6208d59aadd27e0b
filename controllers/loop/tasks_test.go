package loop

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/process/fair"
)

var (
	web  = types.NamespacedName{Namespace: "apps", Name: "web"}
	shop = types.NamespacedName{Namespace: "apps", Name: "shop"}
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// bench is a set of tasks whose ends and wakes are seen on channels.
type bench struct {
	*Tasks[string]
	clock   atomic.Int64 // seconds after noon
	woken   chan types.NamespacedName
	release chan string
}

func newBench(ctx context.Context) *bench {
	b := &bench{woken: make(chan types.NamespacedName, 10), release: make(chan string)}
	b.Tasks = NewTasks[string](ctx, func(key types.NamespacedName) { b.woken <- key }, func() time.Time {
		return noon.Add(time.Duration(b.clock.Load()) * time.Second)
	})
	return b
}

// work ends when its result is released.
func (b *bench) work(context.Context) string { return <-b.release }

// start starts such work.
func (b *bench) start(key types.NamespacedName) bool { return b.Start(key, b.work, failed) }

// failed is the result of work that panicked.
func failed(error) string { return "failed" }

func TestTasksRunOnePerObject(t *testing.T) {
	t.Parallel()
	b := newBench(t.Context())
	if !b.start(web) {
		t.Fatal("the first task did not start")
	}
	if b.start(web) {
		t.Error("a second task of the object was started")
	}
	if !b.start(shop) || b.Count() != 2 {
		t.Errorf("a task of another object did not start; %d run", b.Count())
	}
	if _, ok := b.Take(web); ok {
		t.Error("a task that runs has a result")
	}
	b.release <- "one"
	b.release <- "two"
	<-b.woken
	<-b.woken
	if b.Count() != 0 {
		t.Errorf("%d tasks run after both have ended", b.Count())
	}
}

func TestTheResultOfATaskIsTakenOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t.Context())
	b.start(web)
	b.release <- "fine"
	if key := <-b.woken; key != web {
		t.Errorf("woke %s", key)
	}
	if _, running := b.Running(web); running {
		t.Error("a task runs that has woken its object")
	}
	if b.start(web) {
		t.Error("a task was started before the result of the last one was taken")
	}
	if result, ok := b.Take(web); !ok || result != "fine" {
		t.Errorf("took %q, %v", result, ok)
	}
	if result, ok := b.Take(web); ok {
		t.Errorf("took %q a second time", result)
	}
	if !b.Start(web, func(context.Context) string { return "again" }, failed) {
		t.Error("no new task after the result was taken")
	}
	<-b.woken
}

func TestRunningTellsForHowLong(t *testing.T) {
	t.Parallel()
	b := newBench(t.Context())
	b.start(web)
	b.clock.Store(90)
	if elapsed, running := b.Running(web); !running || elapsed != 90*time.Second {
		t.Errorf("running %v for %s, want 90 s", running, elapsed)
	}
	if elapsed, running := b.Running(shop); running || elapsed != 0 {
		t.Errorf("a task that never was runs for %s", elapsed)
	}
	b.release <- ""
	<-b.woken
}

func TestATaskThatOutlivesTheProcessIsDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := newBench(ctx)
		b.Start(web, func(ctx context.Context) string {
			<-ctx.Done()
			return "too late"
		}, failed)
		cancel()
		synctest.Wait() // the task has ended
		if b.start(shop) {
			t.Error("a task was started after the end")
		}
		if _, ok := b.Take(web); ok {
			t.Error("the result of a task that ended too late was kept")
		}
		if _, running := b.Running(web); !running {
			t.Error("the task counts as ended, so that another one could start")
		}
		if len(b.woken) != 0 {
			t.Errorf("%s was woken", <-b.woken)
		}
	})
}

func TestANamespaceWithManyTasksWaitsForItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		shares := fair.New(3, 2)
		b := newBench(ctx)
		b.Within(shares)
		var began []string
		var mu sync.Mutex
		work := func(name string) func(context.Context) string {
			return func(ctx context.Context) string {
				mu.Lock()
				began = append(began, name)
				mu.Unlock()
				<-ctx.Done()
				return ""
			}
		}
		for i := range 50 {
			key := types.NamespacedName{Namespace: "noisy", Name: fmt.Sprint("source-", i)}
			if !b.Start(key, work("noisy"), failed) {
				t.Fatalf("%s was not started", key)
			}
			if _, running := b.Running(key); !running {
				t.Fatalf("%s does not count as running while it waits, and would be started again without a pause", key)
			}
		}
		synctest.Wait()
		if len(began) != 2 {
			t.Fatalf("%d tasks of the noisy namespace run, want 2", len(began))
		}
		b.Start(web, work("apps"), failed)
		synctest.Wait()
		if len(began) != 3 || began[2] != "apps" {
			t.Errorf("what began is %v, want the task of the neighbour at its first try", began)
		}
	})
}
