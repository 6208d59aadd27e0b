package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/helmops/view"
)

// feed lists and follows the objects of one kind.
type feed struct {
	cluster  *connection
	resource string
	// empty makes a list of the kind.
	empty func() client.ObjectList
	// namespace is empty for all namespaces, and for kinds of the whole cluster.
	namespace string
	selector  labels.Selector
	// wants chooses objects; nil for all of them.
	wants func(client.Object) bool
}

func (f feed) options() []client.ListOption {
	options := []client.ListOption{client.InNamespace(f.namespace)}
	if !f.selector.Empty() {
		options = append(options, client.MatchingLabelsSelector{Selector: f.selector})
	}
	return options
}

func (f feed) failed(verb string, err error) error {
	return requestError(verb, f.resource, f.namespace, "", err)
}

func (f feed) has(o client.Object) bool {
	return f.selector.Matches(labels.Set(o.GetLabels())) && (f.wants == nil || f.wants(o))
}

// read lists the objects, sorted by namespace and name.
func (f feed) read(ctx context.Context) ([]client.Object, error) {
	list := f.empty()
	if err := f.cluster.client.List(ctx, list, f.options()...); err != nil {
		return nil, f.failed("list", err)
	}

	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, fmt.Errorf("read the list of %s: %w", f.resource, err)
	}

	found := map[types.NamespacedName]client.Object{}
	for _, item := range items {
		if o, ok := item.(client.Object); ok && f.has(o) {
			found[client.ObjectKeyFromObject(o)] = o
		}
	}

	return inOrder(found), nil
}

func inOrder(found map[types.NamespacedName]client.Object) []client.Object {
	return slices.SortedFunc(maps.Values(found), func(a, b client.Object) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	})
}

// follow calls show with all objects, after the list, after each change, and each time that passes, until ctx ends,
// which is no error. A zero time is none.
func (f feed) follow(ctx context.Context, every time.Duration, show func([]client.Object) error) error {
	return reopening(ctx, func(ctx context.Context, _ bool) error { return f.once(ctx, every, show) })
}

// once opens a watch, lists the objects and follows them until the watch ends. The watch is opened first, so that no
// change between the two is missed.
func (f feed) once(ctx context.Context, every time.Duration, show func([]client.Object) error) error {
	events, err := f.cluster.watcher.Watch(ctx, f.empty(), f.options()...)
	if err != nil {
		return f.failed("watch", err)
	}

	defer events.Stop()
	objects, err := f.read(ctx)
	if err != nil {
		return err
	}

	found := map[types.NamespacedName]client.Object{}
	for _, o := range objects {
		found[client.ObjectKeyFromObject(o)] = o
	}

	var tick <-chan time.Time
	if every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		tick = ticker.C
	}

	for {
		if err := show(inOrder(found)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick:
		case event, open := <-events.ResultChan():
			if !open {
				return errWatchEnded
			}
			if err := f.take(found, event); err != nil {
				return err
			}
		}
	}
}

// take brings what is known of the objects to what an event says.
func (f feed) take(found map[types.NamespacedName]client.Object, event watch.Event) error {
	if event.Type == watch.Error {
		err := apierrors.FromObject(event.Object)
		if watchHasEnded(err) {
			return errWatchEnded
		}

		return &view.RequestError{Verb: "watch", Resource: f.resource, Namespace: f.namespace, Err: err}
	}

	o, ok := event.Object.(client.Object)
	if !ok || event.Type == watch.Bookmark {
		return nil
	}

	key := client.ObjectKeyFromObject(o)
	if event.Type == watch.Deleted || !f.has(o) {
		delete(found, key)
		return nil
	}

	found[key] = o
	return nil
}
