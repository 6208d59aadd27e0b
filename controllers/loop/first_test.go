package loop

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func TestObjectsWhoseTaskHasEndedAreReconciledFirst(t *testing.T) {
	t.Parallel()
	queue := priorityqueue.New[reconcile.Request](t.Name())
	defer queue.ShutDown()
	for _, name := range []string{"a", "b", "c"} {
		queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "apps", Name: name}})
	}
	waker := NewWaker()
	waker.WakeFirst(types.NamespacedName{Namespace: "apps", Name: "done"})
	enqueueFirst(t.Context(), <-waker.ended, queue)
	for _, want := range []string{"done", "a", "b", "c"} {
		if got, _ := queue.Get(); got.Name != want {
			t.Errorf("%s comes where %s should", got.Name, want)
		}
	}
}

// An update that can wait comes last, until another one of the same object cannot.
func TestUpdatesThatCanWait(t *testing.T) {
	t.Parallel()
	queue := priorityqueue.New[reconcile.Request](t.Name())
	defer queue.ShutDown()
	watch := Watch{
		Affects: func(_ context.Context, o client.Object) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(o)}}
		},
		CanWait: func(_, after client.Object) bool { return after == nil || after.GetAnnotations() != nil },
	}
	update := func(name string, waits bool) {
		before, after := named(types.NamespacedName{Name: name}), named(types.NamespacedName{Name: name})
		if after.SetResourceVersion("2"); waits {
			after.SetAnnotations(map[string]string{})
		}
		watch.handler().Update(t.Context(), event.UpdateEvent{ObjectOld: before, ObjectNew: after}, queue)
	}
	made := named(types.NamespacedName{Name: "made"})
	made.SetAnnotations(map[string]string{})
	watch.handler().Create(t.Context(), event.CreateEvent{Object: made}, queue)
	watch.handler().Delete(t.Context(), event.DeleteEvent{Object: named(types.NamespacedName{Name: "gone"})}, queue)
	update("waits", true)
	update("both", true)
	update("urgent", false)
	update("both", false)
	for _, want := range []string{"urgent", "both", "made", "gone", "waits"} {
		if got, _ := queue.Get(); got.Name != want {
			t.Errorf("%s comes where %s should", got.Name, want)
		}
	}
}

// What is requeued would keep its priority otherwise, and crowd out what changes.
func TestWhatIsRequeuedHasTheUsualPriority(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{nil, errSentinel} {
		of := requeuesUsually{reconcile.Func(func(context.Context, reconcile.Request) (reconcile.Result, error) {
			return reconcile.Result{RequeueAfter: time.Second}, failure
		})}
		result, err := of.Reconcile(t.Context(), reconcile.Request{})
		if result.Priority == nil || *result.Priority != usually {
			t.Errorf("priority %v", result.Priority)
		}
		if result.RequeueAfter != time.Second || !errors.Is(err, failure) {
			t.Errorf("%+v, %v", result, err)
		}
	}
}
