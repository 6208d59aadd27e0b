package loop

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// stackOf panics in a goroutine of its own and returns the stack.
func stackOf(depth int) []byte {
	stack := make(chan []byte)
	go func() {
		defer func() {
			if recover() != nil {
				stack <- debug.Stack()
			}
		}()
		descend(depth)
	}()
	return <-stack
}

func descend(depth int) {
	if depth == 0 {
		panic("boom")
	}
	descend(depth - 1)
}

func TestAStackIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var s stacks
	for i, want := range []bool{true, false, false} {
		if got := s.isNew(stackOf(1)); got != want {
			t.Errorf("time %d: new = %v", i+1, got)
		}
	}
	if !s.isNew(stackOf(2)) {
		t.Error("another stack counts as the same")
	}
}

func TestOnlySoManyStacksAreLogged(t *testing.T) {
	t.Parallel()
	var s stacks
	for i := range 10 * maxStacks {
		s.isNew([]byte(fmt.Sprintf("main.f%d", i)))
	}
	if len(s.seen) != maxStacks {
		t.Errorf("%d stacks are remembered, want %d", len(s.seen), maxStacks)
	}
}

// counted is how many panics were counted.
func counted(t *testing.T) float64 {
	t.Helper()
	panics()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	count := 0.0
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "fairlead_panics_total" {
				count += metric.GetCounter().GetValue()
			}
		}
	}
	return count
}

// The panic handlers are one for the process, so this test does not run in parallel.
func TestAPanicInClientGoIsCountedAndDoesNotEndTheProcess(t *testing.T) {
	crash, handlers := utilruntime.ReallyCrash, utilruntime.PanicHandlers
	t.Cleanup(func() { utilruntime.ReallyCrash, utilruntime.PanicHandlers = crash, handlers })
	CatchFaults()
	before := counted(t)
	func() {
		defer utilruntime.HandleCrash()
		panic("as arranged")
	}()
	if got := counted(t) - before; got != 1 {
		t.Errorf("%v panics were counted, want 1", got)
	}
}

func TestATaskThatPanicsHasAFailedResult(t *testing.T) {
	t.Parallel()
	b := newBench(t.Context())
	attacker, neighbour := types.NamespacedName{Namespace: "attacker", Name: "bomb"}, web
	b.Start(attacker, func(context.Context) string { panic("password: hunter2") },
		func(err error) string { return err.Error() })
	b.Start(neighbour, func(context.Context) string { return "fine" }, func(error) string { return "faulted" })
	<-b.woken
	<-b.woken
	result, ok := b.Take(attacker)
	if !ok || !strings.Contains(result, "controller fault") || strings.Contains(result, "hunter2") {
		t.Errorf("the result of the task that panicked is %q, %v", result, ok)
	}
	if result, _ := b.Take(neighbour); result != "fine" {
		t.Errorf("the result of the neighbour is %q", result)
	}
	if _, running := b.Running(attacker); running {
		t.Error("the task that panicked runs for ever")
	}
}

func TestATaskWithoutAResultIsDroppedAndNotRepeatedWithoutAPause(t *testing.T) {
	t.Parallel()
	b := newBench(t.Context())
	b.Start(web, func(context.Context) string { panic("one") }, func(error) string { panic("two") })
	for {
		if _, running := b.Running(web); !running {
			break
		}
	}
	if len(b.woken) != 0 {
		t.Error("its object was woken, and would be worked on again at once")
	}
	if _, ok := b.Take(web); ok {
		t.Error("it has a result")
	}
}

func TestAPanicInAReconcileIsAnErrorThatDoesNotQuoteIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &handlerFake{reconcile: func(*v1beta1.HelmRelease) (time.Duration, error) {
		panic("password: hunter2")
	}},
		release(v1beta1.Finalizer))
	_, err := f.run(t)
	var caught *guard.PanicError
	if !errors.As(err, &caught) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error = %v", err)
	}
}

func TestAPanicWhileAnEventIsMappedEndsOnlyThat(t *testing.T) {
	t.Parallel()
	affects := guarded(func(context.Context, client.Object) []reconcile.Request { panic("as arranged") })
	if requests := affects(t.Context(), release()); len(requests) != 0 {
		t.Errorf("affects %v", requests)
	}
}
