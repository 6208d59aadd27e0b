package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/helmops/view"
)

// reopenPause keeps a watch that ends at once from being opened in a tight loop.
const reopenPause = time.Second

// progressEvery is how often the time that has passed is shown on a terminal.
const progressEvery = time.Second

// errWatchEnded: the stream ended, which API servers and proxies do now and then; it has to be opened again.
var errWatchEnded = errors.New("watch ended")

// reopening repeats a watch each time its stream ends, until ctx ends, which is no error. first is set for the first watch.
func reopening(ctx context.Context, watch func(ctx context.Context, first bool) error) error {
	for first := true; ; first = false {
		err := watch(ctx, first)
		if ctx.Err() != nil {
			err = nil // it was interrupted, which is how it ends
		}
		if !errors.Is(err, errWatchEnded) {
			return err
		}

		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reopenPause):
		}
	}
}

// errGone: the object was deleted while it was followed.
var errGone = errors.New("deleted")

// follower follows one object by watch until it has settled.
type follower struct {
	cluster *connection
	kind    kind
	key     types.NamespacedName
	// token that has to be handled, empty when none was set.
	token string
	// generation that has to be reached; taken from the answer of begin.
	generation int64
	progress   *progress
	// now is the clock; began and timeout say how long the command has worked and how long it may.
	now     func() time.Time
	began   time.Time
	timeout time.Duration
	// state is how the object was last seen.
	state view.Settlement
}

// follower makes a follower of an object that shows its progress on standard error. The request has the token.
func (a *app) follower(c *connection, k kind, key types.NamespacedName, token string, timeout time.Duration) *follower {
	return &follower{
		cluster: c, kind: k, key: key, token: token, progress: &progress{w: a.err, width: a.width},
		now: a.now, began: a.began, timeout: timeout,
	}
}

// follow opens the watch, begins the change and reports how the object is until it has settled or ctx ends. The watch is
// opened first, so that nothing between the two is missed and a missing right is noticed before anything is changed. At the
// end of ctx the last state is returned, not done.
func (f *follower) follow(ctx context.Context, begin func(context.Context) (view.Object, error)) (view.Settlement, error) {
	events, err := f.open(ctx)
	if err != nil {
		return view.Settlement{}, err
	}

	defer func() { events.Stop() }()
	object, err := begin(ctx)
	if err != nil {
		return view.Settlement{}, err
	}

	f.generation = object.GetGeneration()
	state := view.Settle(object, f.token, f.generation)
	for !state.Done {
		f.state = state
		f.progress.show(f.text())
		object, err = f.next(ctx, events)
		if errors.Is(err, errWatchEnded) {
			events.Stop()
			events, object, err = f.reopen(ctx)
		}

		switch {
		case ctx.Err() != nil:
			f.progress.clear()
			return state, stopped(ctx)
		case errors.Is(err, errGone):
			f.progress.clear()
			return view.Settlement{Done: true, Phase: view.Missing, Message: "it was deleted in the meantime"}, nil
		case err != nil:
			f.progress.clear()
			return state, err
		}

		state = view.Settle(object, f.token, f.generation)
	}

	f.progress.clear()
	return state, nil
}

// stopped tells the end of the patience, which is an answer, from an interruption.
func stopped(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil
	}
	return errors.New("interrupted; the controller continues what was requested")
}

func (f *follower) open(ctx context.Context) (watch.Interface, error) {
	events, err := f.cluster.watcher.Watch(ctx, view.NewList(f.kind.name), client.InNamespace(f.key.Namespace),
		client.MatchingFields{"metadata.name": f.key.Name})
	if err != nil {
		return watch.NewEmptyWatch(), f.failed("watch", err)
	}
	return events, nil
}

// reopen starts a new watch and reads the object once, because what happened between two watches is in neither.
func (f *follower) reopen(ctx context.Context) (watch.Interface, view.Object, error) {
	pause := time.NewTimer(reopenPause)
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return watch.NewEmptyWatch(), nil, ctx.Err()
	case <-pause.C:
	}

	events, err := f.open(ctx)
	if err != nil {
		return events, nil, err
	}

	object, err := view.NewReader(f.cluster.client).Object(ctx, f.kind.name, f.key)
	if apierrors.IsNotFound(err) {
		err = errGone
	}

	return events, object, err
}

// next waits for the next state of the object.
func (f *follower) next(ctx context.Context, events watch.Interface) (view.Object, error) {
	var tick <-chan time.Time
	if f.progress.width > 0 {
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		tick = ticker.C
	}

	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick:
			f.progress.show(f.text())
		case event, open := <-events.ResultChan():
			if !open {
				return nil, errWatchEnded
			}
			if event.Type == watch.Error {
				return nil, f.watchError(apierrors.FromObject(event.Object))
			}

			object, ok := event.Object.(view.Object)
			if !ok || object.GetName() != f.key.Name || event.Type == watch.Bookmark {
				continue
			}
			if event.Type == watch.Deleted {
				return nil, errGone
			}

			return object, nil
		}
	}
}

// watchError tells the errors that only mean "begin again" from the others.
func (f *follower) watchError(err error) error {
	if watchHasEnded(err) {
		return errWatchEnded
	}
	return f.failed("watch", err)
}

// watchHasEnded reports whether an error of a watch only means that it has to be opened again.
func watchHasEnded(err error) bool {
	return apierrors.IsGone(err) || apierrors.IsResourceExpired(err) || apierrors.IsTimeout(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsInternalError(err) || apierrors.IsTooManyRequests(err)
}

func (f *follower) failed(verb string, err error) error {
	return &view.RequestError{Verb: verb, Resource: f.kind.resource(), Namespace: f.key.Namespace, Name: f.key.Name, Err: err}
}

// text is the progress: on a terminal with the time that has passed, the deadline and the number of objects, before the message,
// which may be cut; otherwise without what changes by itself.
func (f *follower) text() string {
	name := f.kind.describe(f.key)
	phase := string(f.state.Phase)
	if !f.state.Started {
		phase = "waiting for the controller"
	}

	if f.progress.width > 0 {
		passed := f.now().Sub(f.began).Truncate(time.Second)
		phase = strings.Join(append([]string{phase, fmt.Sprintf("%s of %s", passed, f.timeout)}, objectsText(f.state)...), ", ")
	}

	switch message := oneLine(f.state.Message); {
	case !f.state.Started || message == "":
		return name + ": " + phase
	case f.progress.width > 0:
		return name + ": " + phase + ": " + message
	default:
		return name + ": " + phase + ", " + message
	}
}

// objectsText says how many objects there are and, where that is known, how many are healthy.
func objectsText(s view.Settlement) []string {
	switch {
	case s.Objects == 0:
		return nil
	case !s.HealthKnown:
		return []string{plural(s.Objects, "object")}
	case s.Unhealthy == 0:
		return []string{fmt.Sprintf("%d of %s healthy", s.Objects, plural(s.Objects, "object"))}
	case s.More:
		return []string{fmt.Sprintf("at most %d of %s healthy", max(0, s.Objects-s.Unhealthy), plural(s.Objects, "object"))}
	default:
		return []string{fmt.Sprintf("%d of %s healthy", max(0, s.Objects-s.Unhealthy), plural(s.Objects, "object"))}
	}
}

// conclude prints how the object ended, and returns errNotReady when that is not Ready.
func (a *app) conclude(k kind, key types.NamespacedName, s view.Settlement, timeout time.Duration) error {
	name := k.describe(key)
	state := a.paint(string(s.Phase), string(s.Phase))
	if message := oneLine(s.Message); message != "" {
		state += ": " + message
	}

	switch {
	case s.Done:
		a.say("%s is %s", name, state)
	case !s.Started:
		a.say("%s: the controller has not answered the request within %s; to see whether it runs: fairlead check", name, timeout)
	default:
		a.say("%s is not ready after %s; it is %s", name, timeout, state)
	}

	if s.Done && s.Phase == view.Ready {
		return nil
	}

	return errNotReady
}
