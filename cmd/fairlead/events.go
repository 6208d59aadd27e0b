package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"fairlead.dev/fairlead/helmops/view"
)

func newEventsCommand(a *app) *cobra.Command {
	var all, follow bool
	cmd := &cobra.Command{
		Use:   "events [KIND [NAME]]",
		Short: "List what the controller has reported about objects, newest last",
		Long: `List the events of the objects of Fairlead: what the controller has done and what failed, newest last.
With KIND only those of that kind, with NAME only those of one object. The API server keeps events for one hour unless it is configured otherwise.
"kubectl events" lists the events of the objects that a release has made.

--watch prints further events as they happen, until it is interrupted.

Kinds:` + kindTable(eventWords...),
		Example: `  fairlead events -n web
  fairlead events release shop -n web --watch
  fairlead events kustomizations -A
  fairlead events -A -o json | jq -r '.items[] | select(.type == "Warning") | .message'`,
		ValidArgsFunction: a.completeKindAndName(eventWords...),
	}
	a.addClusterFlags(cmd)
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "events of all namespaces, whatever --namespace says")
	cmd.Flags().BoolVarP(&follow, "watch", "w", false, "after the list, print further events as they happen")
	out := addOutputFlag(cmd, outputWide, outputJSON, outputYAML)
	addHeadersFlag(cmd, out)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		filter, err := eventFilter(cmd, args)
		if err != nil {
			return err
		}
		if follow && out.machine() {
			return usagef(cmd, "--watch prints a table; it cannot be combined with -o %s", out.format)
		}

		c, err := a.open()
		if err != nil {
			return err
		}
		if !all {
			filter.Namespace = c.namespace
		}
		if follow {
			return a.watchEvents(cmd.Context(), c, filter, out)
		}

		return a.listEvents(cmd.Context(), c, filter, out)
	}
	return cmd
}

// eventFilter reads the arguments, except for the namespace.
func eventFilter(cmd *cobra.Command, args []string) (view.EventFilter, error) {
	args = splitKindAndName(args)
	if len(args) == 0 {
		return view.EventFilter{}, nil
	}

	k, known := kindByWord(args[0])
	switch {
	case !known:
		return view.EventFilter{}, unknownKind(cmd, args, eventWords)
	case k.ofCluster:
		return view.EventFilter{}, wrongKind(cmd, k, eventWords, args[1:])
	case len(args) > 2:
		return view.EventFilter{}, usagef(cmd, "expected at most KIND and NAME, got %s", plural(len(args), "argument"))
	case len(args) == 2 && args[1] == "":
		return view.EventFilter{}, usagef(cmd, "a NAME is empty")
	case len(args) == 1:
		return view.EventFilter{Kind: k.name}, nil
	}

	return view.EventFilter{Kind: k.name, Name: args[1]}, nil
}

func (a *app) listEvents(ctx context.Context, c *connection, filter view.EventFilter, out *output) error {
	found, err := view.NewReader(c.client).Events(ctx, filter)
	if err != nil {
		return err
	}

	if len(found.Items) == 0 {
		if err := a.noEvents(ctx, c, filter); err != nil {
			return err
		}
	}

	if out.machine() {
		return out.write(a.out, found)
	}
	if len(found.Items) == 0 {
		return nil
	}

	return a.eventTable(filter, found.Items, out).write(a.out, a.tableWidth(out))
}

// noEvents says where there are none. It is an error when the object that was named does not exist.
func (a *app) noEvents(ctx context.Context, c *connection, filter view.EventFilter) error {
	about := ""
	if k, known := kindByName(filter.Kind); known {
		about = " about " + k.plural()
		if filter.Name != "" {
			about = " about " + k.word + " " + filter.Name
		}

		key := types.NamespacedName{Namespace: filter.Namespace, Name: filter.Name}
		if filter.Name != "" && filter.Namespace != "" {
			_, err := view.NewReader(c.client).Object(ctx, k.name, key)
			if apierrors.IsNotFound(err) {
				return a.notFound(ctx, k, key, err)
			}
		}
	}

	where := "in namespace " + filter.Namespace
	if filter.Namespace == "" {
		where = "in any namespace"
	}

	a.note("no events%s %s (%s); the API server keeps them for a limited time", about, where, c.describe())
	return nil
}

func (a *app) eventTable(filter view.EventFilter, rows []view.EventRow, out *output) *table {
	t := a.table(out, []column{
		{"NAMESPACE", filter.Namespace != ""}, {"LAST SEEN", false}, {"TYPE", false}, {"REASON", false},
		{"OBJECT", filter.Name != ""}, {"MESSAGE", false},
	}...)
	for _, r := range rows {
		seen := a.age(&r.LastSeen)
		if r.Count > 1 {
			seen += fmt.Sprintf(" (%dx)", r.Count)
		}

		t.add(r.Object.Namespace, seen, r.Type, r.Reason, r.Object.Kind+"/"+r.Object.Name, r.Message)
	}

	return t
}

// eventWatch prints events, each as often as it happens.
type eventWatch struct {
	app     *app
	cluster *connection
	filter  view.EventFilter
	out     *output
	table   *table
	// counts is how often each event that was printed had happened.
	counts map[string]int32
}

// watchEvents prints the events and further ones until ctx ends, which is no error.
func (a *app) watchEvents(ctx context.Context, c *connection, filter view.EventFilter, out *output) error {
	w := &eventWatch{app: a, cluster: c, filter: filter, out: out, counts: map[string]int32{}}
	return reopening(ctx, w.once)
}

// once opens the watch, lists the events and follows them until the watch ends. The watch is opened first, so that
// no event between the two is missed.
func (w *eventWatch) once(ctx context.Context, first bool) error {
	events, err := w.cluster.watcher.Watch(ctx, &corev1.EventList{}, w.filter.Options()...)
	if err != nil {
		return w.failed(err)
	}

	defer events.Stop()
	found, err := view.NewReader(w.cluster.client).Events(ctx, w.filter)
	if err != nil {
		return err
	}

	if first && len(found.Items) == 0 {
		if err := w.app.noEvents(ctx, w.cluster, w.filter); err != nil {
			return err
		}
	}

	if err := w.print(found.Items...); err != nil {
		return err
	}

	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event, open := <-events.ResultChan():
			if !open {
				return errWatchEnded
			}
			if err := w.handle(event); err != nil {
				return err
			}
		}
	}
}

func (w *eventWatch) failed(err error) error {
	return &view.RequestError{Verb: "watch", Resource: view.EventsResource, Namespace: w.filter.Namespace, Err: err}
}

func (w *eventWatch) handle(event watch.Event) error {
	switch event.Type {
	case watch.Error:
		err := apierrors.FromObject(event.Object)
		if watchHasEnded(err) {
			return errWatchEnded
		}

		return w.failed(err)
	case watch.Added, watch.Modified:
		if happened, ok := event.Object.(*corev1.Event); ok {
			return w.print(view.NewEventRow(happened))
		}
	case watch.Deleted, watch.Bookmark:
	}
	return nil
}

// print prints what has happened since it was printed last, after the titles when these are the first rows.
func (w *eventWatch) print(rows ...view.EventRow) error {
	var news []view.EventRow
	for _, r := range rows {
		if w.counts[r.ID()] < r.Count {
			w.counts[r.ID()] = r.Count
			news = append(news, r)
		}
	}

	if len(news) == 0 {
		return nil
	}

	t := w.app.eventTable(w.filter, news, w.out)
	if w.table == nil {
		w.table = t
		return t.write(w.app.out, w.app.tableWidth(w.out))
	}

	t.follow(w.table)
	w.table = t
	return t.writeRows(w.app.out, w.app.tableWidth(w.out))
}
