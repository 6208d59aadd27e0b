package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/view"
)

// listWatch prints a list, then a line for each object that changes.
type listWatch struct {
	app     *app
	cluster *connection
	query   query
	out     *output
	table   *table
	// printed is what the table says of each object, without its age.
	printed map[view.Reference]string
	// titled is set when the titles are printed.
	titled bool
}

// watchList prints the objects and what changes of them until ctx ends, which is no error.
func (a *app) watchList(ctx context.Context, c *connection, q query, out *output) error {
	w := &listWatch{
		app: a, cluster: c, query: q, out: out,
		table: a.table(out, columnsOf(q, out)...), printed: map[view.Reference]string{},
	}
	return reopening(ctx, w.once)
}

// once opens the watches, lists the objects and follows them until a watch ends. The watches are opened first, so that no change
// between the two is missed.
func (w *listWatch) once(ctx context.Context, first bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := w.open(ctx)
	if err != nil {
		return err
	}

	rows, err := read(ctx, view.NewReader(w.cluster.client), w.query)
	if err != nil {
		return err
	}
	if err := w.list(ctx, rows, first); err != nil {
		return err
	}

	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event := <-events:
			if err := w.handle(event); err != nil {
				return err
			}
		}
	}
}

// list prints what is new in a list, and the objects that are no longer in it.
func (w *listWatch) list(ctx context.Context, rows []row, first bool) error {
	if first {
		if err := w.app.allNamed(ctx, w.query, rows); err != nil {
			return err
		}
	}

	var changed []row
	there := map[view.Reference]bool{}
	for _, r := range rows {
		object, _ := identify(r)
		there[object] = true
		if w.isNews(r) {
			changed = append(changed, r)
		}
	}

	for _, object := range slices.SortedFunc(maps.Keys(w.printed), compareReferences) {
		if !there[object] {
			changed = append(changed, w.gone(object))
		}
	}

	if first && len(changed) == 0 {
		w.app.nothing(w.cluster, w.query)
	}

	return w.print(changed...)
}

func compareReferences(a, b view.Reference) int { return strings.Compare(a.String(), b.String()) }

// event is an event of one of the watches.
type listEvent struct {
	kind kind
	watch.Event
	// ended is set when the watch has ended.
	ended bool
}

// open watches every kind of the query. The events come through one channel until ctx ends.
func (w *listWatch) open(ctx context.Context) (<-chan listEvent, error) {
	namespace := w.query.namespace
	if w.query.all {
		namespace = ""
	}

	out := make(chan listEvent)
	for _, name := range w.query.kinds {
		k, _ := kindByName(name)
		options := []client.ListOption{client.InNamespace(namespace)}
		if !w.query.selector.Empty() {
			options = append(options, client.MatchingLabelsSelector{Selector: w.query.selector})
		}

		events, err := w.cluster.watcher.Watch(ctx, view.NewList(name), options...)
		if err != nil {
			return nil, &view.RequestError{Verb: "watch", Resource: k.resource(), Namespace: namespace, Err: err}
		}

		guard.Go("watching", func() { forward(ctx, k, events, out) })
	}

	return out, nil
}

// forward sends the events of a watch until it, or ctx, ends.
func forward(ctx context.Context, k kind, events watch.Interface, out chan<- listEvent) {
	defer events.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event, open := <-events.ResultChan():
			if !open {
				send(ctx, out, listEvent{kind: k, ended: true})
				return
			}
			send(ctx, out, listEvent{kind: k, Event: event})
		}
	}
}

func send(ctx context.Context, to chan<- listEvent, event listEvent) {
	select {
	case to <- event:
	case <-ctx.Done():
	}
}

// handle prints the object of an event, unless the table says the same of it already.
func (w *listWatch) handle(event listEvent) error {
	if event.ended {
		return errWatchEnded
	}

	if event.Type == watch.Error {
		err := apierrors.FromObject(event.Object)
		if watchHasEnded(err) {
			return errWatchEnded
		}

		return &view.RequestError{Verb: "watch", Resource: event.kind.resource(), Namespace: w.query.namespace, Err: err}
	}

	object, ok := event.Object.(view.Object)
	if !ok || event.Type == watch.Bookmark {
		return nil
	}

	r := rowOf(object)
	reference, _ := identify(r)
	_, known := w.printed[reference]
	switch {
	case event.Type == watch.Deleted && known:
		return w.print(w.gone(reference))
	case event.Type == watch.Deleted || !w.query.selector.Matches(labels.Set(object.GetLabels())):
		return nil
	case w.isNews(r):
		return w.print(r)
	}

	return nil
}

// isNews reports whether the table says something else of the object, or nothing yet. An object that has left the phases that are
// asked for is printed once more.
func (w *listWatch) isNews(r row) bool {
	reference, _ := identify(r)
	text := w.textOf(r)
	last, known := w.printed[reference]
	if !w.query.matches(r) {
		delete(w.printed, reference)
		return known
	}
	w.printed[reference] = text
	return !known || last != text
}

// textOf is what the table says of an object, without the columns that only count time.
func (w *listWatch) textOf(r row) string {
	cells := slices.Clone(w.app.cellsOf(r, w.out))
	for i, c := range w.table.columns {
		if c.skip || c.title == "AGE" || c.title == "UPDATED" || c.title == "DEPLOYED" {
			cells[i] = ""
		}
	}
	return strings.Join(cells, "\x00")
}

// gone is the row of an object that was deleted, or whose labels match no longer.
func (w *listWatch) gone(object view.Reference) row {
	delete(w.printed, object)
	r := rowOf(view.NewObject(object.Kind))
	message := "it was deleted"
	if !w.query.selector.Empty() {
		message += ", or its labels no longer match"
	}

	switch v := r.(type) {
	case view.ReleaseRow:
		v.Namespace = object.Namespace
		v.Name = object.Name
		v.Phase = view.Missing
		v.Message = message
		return v
	case view.KustomizationRow:
		v.Namespace = object.Namespace
		v.Name = object.Name
		v.Phase = view.Missing
		v.Message = message
		v.Source = nil
		return v
	case view.SourceRow:
		v.Namespace = object.Namespace
		v.Name = object.Name
		v.Phase = view.Missing
		v.Message = message
		v.Source = nil
		return v
	}

	return r
}

// print prints rows, after the titles when these are the first ones.
func (w *listWatch) print(rows ...row) error {
	if len(rows) == 0 {
		return nil
	}

	w.table.rows = nil
	for _, r := range rows {
		w.table.add(w.app.cellsOf(r, w.out)...)
	}

	width := w.app.tableWidth(w.out)
	if w.titled {
		return w.table.writeRows(w.app.out, width)
	}

	w.titled = true
	return w.table.write(w.app.out, width)
}
