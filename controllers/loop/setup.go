package loop

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// firstAgain and lastAgain bound the pause before an object is reconciled again after an error, which is about the API
// server: what an object can do about is in its conditions. Once the server is back no object should wait long.
const (
	firstAgain = 20 * time.Millisecond
	lastAgain  = 15 * time.Second
)

// Watch has a controller look at objects of its own kind when an object of another kind changes.
type Watch struct {
	// Object of the kind that is watched.
	Object client.Object
	// MetadataOnly keeps nothing but metadata of it in memory.
	MetadataOnly bool
	// Affects returns the objects to look at.
	Affects func(context.Context, client.Object) []reconcile.Request
	// When filters the events; nil lets all through.
	When predicate.Predicate
	// CanWait reports whether the objects that an event affects come after those that others affect; nil for none.
	// before is nil for an object that is new, after for one that is gone.
	CanWait func(before, after client.Object) bool
}

// handler makes the requests of a watch.
func (w Watch) handler() handler.EventHandler {
	requests := handler.EnqueueRequestsFromMapFunc(guarded(w.Affects))
	if w.CanWait == nil {
		return requests
	}
	return ranked{EventHandler: requests, canWait: w.CanWait}
}

// Controller describes one controller.
type Controller[T Object] struct {
	// Name in logs and metrics.
	Name string
	// Empty makes an object of the kind.
	Empty func() T
	// Handler decides and acts.
	Handler Handler[T]
	// Finalizer to keep on the objects; none when empty. FormerFinalizer is one of earlier versions that it replaces.
	Finalizer       string
	FormerFinalizer string
	// Waker brings the handler's tasks back.
	Waker *Waker
	// Watches on other kinds.
	Watches []Watch
	// Concurrency is the number of workers.
	Concurrency int
	// When filters the objects of the kind; nil lets all through.
	When predicate.Predicate
}

func (c Controller[T]) when() predicate.Predicate {
	if c.When == nil {
		return predicate.Funcs{}
	}
	return c.When
}

// releases lets all events through. What this process wrote is not needed any more once the cache has it: of objects
// that are not reconciled again it would otherwise be kept for ever.
func releases[T Object](wrote *Written[T]) predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		if e.ObjectNew != nil {
			wrote.Release(e.ObjectNew)
		}
		return true
	}}
}

// Setup adds a controller to the manager.
func Setup[T Object](manager ctrl.Manager, c Controller[T]) error {
	writer := client.WithFieldValidation(client.WithFieldOwner(manager.GetClient(), "fairlead"), "Strict")
	kind := reflect.TypeOf(c.Empty()).Elem().Name()
	wrote := &Written[T]{}
	build := ctrl.NewControllerManagedBy(manager).
		Named(c.Name).
		For(c.Empty(), builder.WithPredicates(releases(wrote), c.when(), wanted())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: c.Concurrency,
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstAgain,
				lastAgain),
		}).
		WatchesRawSource(c.Waker.source()).
		WatchesRawSource(c.Waker.sourceOfEnded())
	for _, w := range c.Watches {
		var options []builder.WatchesOption
		if w.MetadataOnly {
			options = append(options, builder.OnlyMetadata)
		}
		if w.When != nil {
			options = append(options, builder.WithPredicates(w.When))
		}

		build = build.Watches(w.Object, w.handler(), options...)
	}

	err := build.Complete(requeuesUsually{&reconciler[T]{
		client: writer, handler: c.Handler, empty: c.Empty, finalizer: c.Finalizer, former: c.FormerFinalizer,
		written: wrote,
		metrics: readiness{kind: kind}, requeues: requeues{kind: kind},
	}})
	if err != nil {
		return fmt.Errorf("setting up the %s controller: %w", c.Name, err)
	}

	return nil
}

// guarded keeps a panic of a mapping from ending the informer that calls it. The event is lost; the objects are looked
// at again at their interval.
func guarded(affects handler.MapFunc) handler.MapFunc {
	return func(ctx context.Context, object client.Object) (requests []reconcile.Request) {
		guard.Run("finding the objects that an event affects", func() { requests = affects(ctx, object) })
		return requests
	}
}

// wanted lets events through that change what is wanted: the spec, the annotations by which a user asks for
// something, deletion. Our own status writes are not among them.
func wanted() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			if e.ObjectOld == nil || e.ObjectNew == nil {
				return false
			}
			return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() ||
				e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero() ||
				asked(e.ObjectOld) != asked(e.ObjectNew)
		},
	}
}

// asked is what a user asks of an object by its annotations.
func asked(object client.Object) [3]string {
	annotations := object.GetAnnotations()
	return [3]string{
		annotations[v1beta1.ReconcileRequestAnnotation], annotations[v1beta1.RollbackRequestAnnotation],
		annotations[v1beta1.PreviewAnnotation],
	}
}
