package loop

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

const (
	// usually is the priority of an object that changed.
	usually = 0
	// first is that of one whose task has ended. Of a thousand objects that change at the same time those that are
	// done would otherwise wait until the last of them was looked at. Tasks are bound and fair, so their ends cannot
	// crowd others out.
	first = 1
	// last is that of one that has done what its Reconcile decided, and of one that only has news to show: they can
	// wait for those that have something to decide.
	last = -1
)

// WakeFirst is Wake for an object whose task has ended: it is reconciled before those that only changed.
func (w *Waker) WakeFirst(key types.NamespacedName) {
	w.ended <- event.GenericEvent{Object: named(key)}
}

// sourceOfEnded emits the objects of WakeFirst.
func (w *Waker) sourceOfEnded() source.Source {
	return source.Channel(w.ended, handler.Funcs{GenericFunc: enqueueFirst})
}

func enqueueFirst(
	_ context.Context, e event.TypedGenericEvent[client.Object],
	queue workqueue.TypedRateLimitingInterface[reconcile.Request],
) {
	request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e.Object)}
	if ordered, is := queue.(priorityqueue.PriorityQueue[reconcile.Request]); is {
		ordered.AddWithOpts(priorityqueue.AddOpts{Priority: new(first)}, request)
		return
	}
	queue.Add(request)
}

// ranked is a handler some of whose events can wait.
type ranked struct {
	handler.EventHandler

	canWait func(before, after client.Object) bool
}

// Create implements handler.EventHandler.
func (r ranked) Create(
	ctx context.Context, e event.CreateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request],
) {
	if !e.IsInInitialList { // those come last of all anyway
		queue = r.rank(queue, nil, e.Object)
	}
	r.EventHandler.Create(ctx, e, queue)
}

// Update implements handler.EventHandler.
func (r ranked) Update(
	ctx context.Context, e event.UpdateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request],
) {
	r.EventHandler.Update(ctx, e, r.rank(queue, e.ObjectOld, e.ObjectNew))
}

// Delete implements handler.EventHandler.
func (r ranked) Delete(
	ctx context.Context, e event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request],
) {
	r.EventHandler.Delete(ctx, e, r.rank(queue, e.Object, nil))
}

// rank returns the queue in which the objects that an event affects have their place.
func (r ranked) rank(
	queue workqueue.TypedRateLimitingInterface[reconcile.Request], before, after client.Object,
) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	if ordered, is := queue.(priorityqueue.PriorityQueue[reconcile.Request]); is && r.canWait(before, after) {
		return lastOf{ordered}
	}
	return queue
}

// lastOf is a queue to which objects are added as the last.
type lastOf struct {
	priorityqueue.PriorityQueue[reconcile.Request]
}

// Add implements workqueue.TypedInterface.
func (q lastOf) Add(request reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{Priority: new(last)}, request)
}

// requeuesUsually is a reconciler whose objects come back with the usual priority, also those that were reconciled with
// another one.
type requeuesUsually struct{ reconcile.Reconciler }

// Reconcile implements reconcile.Reconciler.
func (r requeuesUsually) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	result, err := r.Reconciler.Reconcile(ctx, request)
	if result.Priority == nil {
		result.Priority = new(usually)
	}
	return result, err
}
