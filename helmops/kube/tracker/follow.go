package tracker

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// maxDelay bounds the pause that an API server may ask for.
const maxDelay = 30 * time.Second

// followBackOff is between attempts after a fault. A person may be waiting: it begins short.
var followBackOff = wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 8, Cap: maxDelay}

// Follow watches one object until see returns done or an error, which Follow returns, or until ctx ends. It is for
// objects that a Tracker does not see: hooks, and objects on clusters that refuse cluster-wide watches.
//
// see gets the object as it is now and after every change, nil while it does not exist; the same state may come again.
// Faults of the API server that pass are waited out. An answer that access is forbidden or unauthorized ends it with
// that error.
func Follow(
	ctx context.Context, client dynamic.ResourceInterface, name string,
	see func(*unstructured.Unstructured) (done bool, err error),
) error {
	f := &follower{client: client, name: name, see: see, backOff: followBackOff}
	for {
		done, err := f.attempt(ctx)
		switch {
		case done || f.verdict != nil:
			return f.verdict
		case ctx.Err() != nil:
			return f.interrupted(ctx, err)
		case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
			return fmt.Errorf("watching %q: %w", name, err)
		case err == nil:
			continue
		}

		f.fault = err
		if !pause(ctx, max(f.backOff.Step(), asked(err))) {
			return f.interrupted(ctx, err)
		}
	}
}

// follower is one Follow at work.
type follower struct {
	client  dynamic.ResourceInterface
	name    string
	see     func(*unstructured.Unstructured) (bool, error)
	backOff wait.Backoff
	// version from which to watch on; empty when the object has to be read again.
	version string
	// verdict is the error of see, fault the last one of the API server.
	verdict, fault error
}

// attempt reads the object if need be, and watches until the stream ends. Without an error the next attempt follows
// without a pause.
func (f *follower) attempt(ctx context.Context) (done bool, err error) {
	if f.version == "" {
		if done, err := f.read(ctx); done || err != nil {
			return done, err
		}
	}

	options := f.options()
	options.ResourceVersion = f.version
	options.AllowWatchBookmarks = true
	events, err := f.client.Watch(ctx, options)
	if err != nil {
		f.forget(err)
		return false, err
	}

	defer events.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case event, open := <-events.ResultChan():
			if !open && !told {
				return false, fmt.Errorf("the watch ended without an event")
			}
			if !open {
				return false, nil
			}

			done, err := f.take(event)
			if done || err != nil {
				return done, err
			}

			told = true
			f.backOff = followBackOff
			f.fault = nil
		}
	}
}

func (f *follower) options() metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", f.name).String()}
}

// read the object as it is now. A kind that is not served has no objects.
func (f *follower) read(ctx context.Context) (done bool, err error) {
	list, err := f.client.List(ctx, f.options())
	if apierrors.IsNotFound(err) {
		if f.show(nil) {
			return true, nil
		}
		return false, err
	}
	if err != nil {
		return false, err
	}

	f.version = list.GetResourceVersion()
	for i := range list.Items {
		if list.Items[i].GetName() == f.name {
			return f.show(&list.Items[i]), nil
		}
	}

	return f.show(nil), nil
}

func (f *follower) take(event watch.Event) (done bool, err error) {
	if event.Type == watch.Error {
		err := apierrors.FromObject(event.Object)
		f.forget(err)
		return false, err
	}

	object, ok := event.Object.(*unstructured.Unstructured)
	if !ok {
		return false, fmt.Errorf("the watch sent a %T", event.Object)
	}

	f.version = object.GetResourceVersion()
	switch {
	case event.Type == watch.Bookmark || object.GetName() != f.name:
		return false, nil
	case event.Type == watch.Deleted:
		return f.show(nil), nil
	default:
		return f.show(object), nil
	}
}

// forget where the watch was when it cannot be resumed there.
func (f *follower) forget(err error) {
	if !apierrors.IsTooManyRequests(err) && !apierrors.IsServerTimeout(err) &&
		apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
		f.version = ""
	}
}

// show the object to the caller, and report whether that was the end.
func (f *follower) show(object *unstructured.Unstructured) bool {
	done, err := f.see(object)
	f.verdict = err
	return done || err != nil
}

func (f *follower) interrupted(ctx context.Context, err error) error {
	if f.fault == nil && err != nil && ctx.Err() == nil {
		f.fault = err
	}
	if f.fault != nil {
		return fmt.Errorf("watching %q: %w; the last fault was: %w", f.name, context.Cause(ctx), f.fault)
	}
	return fmt.Errorf("watching %q: %w", f.name, context.Cause(ctx))
}

// asked is the pause that the API server asks for.
func asked(err error) time.Duration {
	seconds, ok := apierrors.SuggestsClientDelay(err)
	if !ok {
		return 0
	}
	return min(max(0, time.Duration(min(seconds, 3600))*time.Second), maxDelay)
}

// pause reports false when ctx ended before.
func pause(ctx context.Context, length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
