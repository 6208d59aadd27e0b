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
)

// WakeFirst is Wake for an object whose task has ended: it is reconciled before those that only changed.
func (w *Waker) WakeFirst(key types.NamespacedName) {
	w.ended <- event.GenericEvent{Object: named(key)}
}

// sourceOfEnded tells of the objects of WakeFirst.
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

// requeuesUsually is a reconciler whose objects come back with the usual priority, whatever they were reconciled with.
type requeuesUsually struct{ reconcile.Reconciler }

// Reconcile implements reconcile.Reconciler.
func (r requeuesUsually) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	result, err := r.Reconciler.Reconcile(ctx, request)
	if result.Priority == nil {
		result.Priority = new(usually)
	}
	return result, err
}
