package loop

import (
	"context"
	"fmt"
	"reflect"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// conflictRetry is when an object is reconciled again after a conflict, unless its change in the cache comes first.
const conflictRetry = time.Second

// Object is an object with a status that a handler keeps.
type Object interface {
	client.Object
	v1beta1.Conditioned
}

// Handler brings one object closer to what it asks for. It changes the status of the object it is given and nothing
// else of it; the loop writes the status when it changed.
type Handler[T Object] interface {
	// Reconcile looks at the object and returns when to look again without an event; zero is never, and less than
	// leastRequeue is leastRequeue. An error is for what the object's conditions cannot say, and is tried again with
	// back-off.
	Reconcile(ctx context.Context, object T) (again time.Duration, err error)
	// Finalize is called instead of Reconcile when the object is being deleted. The finalizer goes once it returns done.
	Finalize(ctx context.Context, object T) (done bool, again time.Duration, err error)
	// Forget is called when an object is gone.
	Forget(key types.NamespacedName)
}

// reconciler runs a handler.
type reconciler[T Object] struct {
	client    client.Client
	handler   Handler[T]
	empty     func() T
	finalizer string
	// former is a finalizer of earlier versions; empty for none.
	former    string
	written   *Written[T]
	unwritten unwritten[T]
	metrics   readiness
	requeues  requeues
}

// Reconcile implements reconcile.Reconciler.
func (r *reconciler[T]) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	// controller-runtime would catch a panic, too, but its log quotes the value.
	err = guard.Do("reconciling an object", func() error {
		result, err = r.reconcile(ctx, request)
		return err
	})
	return result, err
}

func (r *reconciler[T]) reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	r.requeues.count(request.NamespacedName)

	object, err := r.read(ctx, request.NamespacedName)
	if apierrors.IsNotFound(err) {
		r.forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading %s: %w", request, err)
	}

	if err := r.addFinalizer(ctx, object); err != nil {
		if apierrors.IsNotFound(err) { // the cache lags behind its deletion
			r.forget(request.NamespacedName)
			return ctrl.Result{}, nil
		}
		return afterConflict(err)
	}

	before := object.DeepCopyObject().(T)
	object = r.unwritten.resume(object)
	handling, follow := Following(ctx)
	done, again, err := r.handle(handling, object)
	there, patchErr := r.patchStatus(ctx, before, object)
	if patchErr != nil {
		return ctrl.Result{}, patchErr
	}

	r.metrics.observe(object)
	if done {
		return afterConflict(r.dropFinalizer(ctx, object))
	}

	result := ctrl.Result{RequeueAfter: r.requeues.notTooSoon(ctx, request.NamespacedName, again)}
	if there && err == nil && follow(ctx) {
		result.Priority = new(last)
	}

	return result, err
}

// afterConflict requeues an object that another client changed while its finalizers were written. The cache receives
// that change soon; a conflict is not a fault and is not logged as one.
func afterConflict(err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	}
	return ctrl.Result{}, err
}

func (r *reconciler[T]) handle(ctx context.Context, object T) (done bool, again time.Duration, err error) {
	if !object.GetDeletionTimestamp().IsZero() {
		if !r.keeps(object) {
			return false, 0, nil
		}
		return r.handler.Finalize(ctx, object)
	}
	again, err = r.handler.Reconcile(ctx, object)
	return false, again, err
}

// read returns the object as it is in the cache, or as this process wrote it last when the cache lags behind that.
func (r *reconciler[T]) read(ctx context.Context, key types.NamespacedName) (T, error) {
	object := r.empty()
	if err := r.client.Get(ctx, key, object, client.UnsafeDisableDeepCopy); err != nil { // Newer copies it
		return object, err
	}
	return r.written.Newer(key, object), nil
}

// patchStatus writes the status when it changed. there is false when the object was deleted meanwhile.
func (r *reconciler[T]) patchStatus(ctx context.Context, before, after T) (there bool, err error) {
	if reflect.DeepEqual(before, after) {
		return true, nil
	}

	wanted := after.DeepCopyObject().(T)
	err = r.client.Status().Patch(ctx, after, client.MergeFrom(before))
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		r.unwritten.remember(wanted)
		return true, fmt.Errorf("writing the status of %s: %w", client.ObjectKeyFromObject(after), err)
	}

	r.unwritten.forget(client.ObjectKeyFromObject(after))
	r.remember(ctx, after)
	return true, nil
}

// keeps reports whether an object that is being deleted waits for this controller.
func (r *reconciler[T]) keeps(object T) bool {
	return r.finalizer != "" && controllerutil.ContainsFinalizer(object, r.finalizer) || r.hasFormer(object)
}

func (r *reconciler[T]) hasFormer(object T) bool {
	return r.former != "" && controllerutil.ContainsFinalizer(object, r.former)
}

// addFinalizer puts the finalizer on before anything is done that would have to be undone, in place of a former one.
func (r *reconciler[T]) addFinalizer(ctx context.Context, object T) error {
	deleting := !object.GetDeletionTimestamp().IsZero()
	if r.finalizer == "" || deleting {
		return nil
	}
	if controllerutil.ContainsFinalizer(object, r.finalizer) && !r.hasFormer(object) {
		return nil
	}

	return r.patchFinalizers(ctx, object, func(o T) {
		controllerutil.AddFinalizer(o, r.finalizer)
		controllerutil.RemoveFinalizer(o, r.former)
	})
}

func (r *reconciler[T]) dropFinalizer(ctx context.Context, object T) error {
	err := r.patchFinalizers(ctx, object, func(o T) {
		controllerutil.RemoveFinalizer(o, r.finalizer)
		controllerutil.RemoveFinalizer(o, r.former)
	})
	if err == nil {
		log.FromContext(ctx).Info("finalizer removed")
	}
	return client.IgnoreNotFound(err)
}

// patchFinalizers changes the finalizers with the resource version as a condition, because a merge patch replaces the
// whole list, and takes over nothing but the metadata of the answer.
func (r *reconciler[T]) patchFinalizers(ctx context.Context, object T, change func(T)) error {
	before := object.DeepCopyObject().(T)
	after := object.DeepCopyObject().(T)
	change(after)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, after, patch); err != nil {
		return fmt.Errorf("writing the finalizers of %s: %w", client.ObjectKeyFromObject(object), err)
	}

	object.SetFinalizers(after.GetFinalizers())
	object.SetResourceVersion(after.GetResourceVersion())
	r.remember(ctx, after)
	return nil
}

// remember keeps what was written until the cache has it. The event that brings it releases it; when that came before
// the answer to the write, the cache has it now.
func (r *reconciler[T]) remember(ctx context.Context, wrote T) {
	r.written.Remember(wrote)
	cached := r.empty()
	if r.client.Get(ctx, client.ObjectKeyFromObject(wrote), cached, client.UnsafeDisableDeepCopy) == nil {
		r.written.Release(cached)
	}
}

func (r *reconciler[T]) forget(key types.NamespacedName) {
	r.written.Forget(key)
	r.unwritten.forget(key)
	r.metrics.forget(key)
	r.requeues.forget(key)
	r.handler.Forget(key)
}
