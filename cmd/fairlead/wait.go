package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/helmops/view"
)

func newWaitCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wait KIND NAME...",
		Short: "Wait until objects are ready, healthy or at a revision",
		Long: `Wait until objects have reached what --for says:

  ready              the phase is Ready; of a promotion, it is verified
  healthy            it is ready, and all objects of the release or
                     Kustomization are healthy
  revision=REVISION  it is ready at the revision: the number of a Helm revision
                     or the version of its chart; the commit, tag or digest of
                     a Kustomization or source; a version that all stages of a
                     pipeline have
  phase=PHASE        the phase is this one

The command changes nothing and requests no reconciliation. It does not wait any longer for an object that is
suspended or being deleted and, with ready and healthy, for one that is Stalled or Held, because only a user can change
that. It continues to wait for an object that Failed, because the controller retries.

Exits with 0 when all objects have reached it, with 1 when one cannot or has not within --timeout, with 2 on an
error.

Kinds:` + kindTable(eventWords...),
		Example: `  fairlead wait release shop -n web
  fairlead wait releases --all -A --for healthy --timeout 10m
  fairlead wait kustomization apps -n fleet --for revision=4f3c9a1b2c3d
  fairlead wait promotion shop-prod-7 -n web --timeout 1h`,
		ValidArgsFunction: a.completeWaited,
	}
	a.addClusterFlags(cmd)
	f := addSelectionFlags(cmd)
	goal := cmd.Flags().String("for", view.GoalReady, "ready, healthy, revision=REVISION or phase=PHASE")
	timeout := addTimeoutFlag(cmd)
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(
		[]string{"ready", "healthy", "revision=", "phase="},
		cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := f.readOf(cmd, args, eventWords)
		if err != nil {
			return err
		}

		wanted, err := view.ParseGoal(*goal)
		if err != nil {
			return usagef(cmd, "--for: %s", err)
		}
		if err := checkTimeout(cmd, *timeout); err != nil {
			return err
		}

		return a.waitFor(cmd.Context(), s, wanted, *timeout)
	}
	return cmd
}

// completeWaited completes the arguments KIND NAME....
func (a *app) completeWaited(
	cmd *cobra.Command, args []string, toComplete string,
) ([]string, cobra.ShellCompDirective) {
	return a.completeNames(eventWords, cmd, args, toComplete)
}

// waiting follows objects until they have reached a goal.
type waiting struct {
	app     *app
	kind    kind
	goal    view.Goal
	timeout time.Duration
	// keys are the objects in their order.
	keys []types.NamespacedName
	// last is how far each of them was seen, counts how many objects it has.
	last     map[types.NamespacedName]view.Attainment
	counts   map[types.NamespacedName]string
	progress *progress
	// printed is what was printed of each object, where progress is in lines.
	printed map[types.NamespacedName]string
}

// waitFor follows the selected objects until each has reached the goal, or cannot. The error is errNotReady when one has
// not.
func (a *app) waitFor(ctx context.Context, s selection, goal view.Goal, timeout time.Duration) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	objects, err := a.selected(ctx, c, s)
	if err != nil {
		return err
	}

	if len(objects) == 0 {
		a.nothingSelected(c, s, "")
		return nil
	}

	w := &waiting{
		app: a, kind: s.kind, goal: goal, timeout: timeout, progress: &progress{w: a.err, width: a.width},
		last: map[types.NamespacedName]view.Attainment{}, counts: map[types.NamespacedName]string{},
		printed: map[types.NamespacedName]string{},
	}
	for _, o := range objects {
		w.keys = append(w.keys, client.ObjectKeyFromObject(o))
	}

	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = w.feed(c, s).follow(ctx, w.every(), w.show)
	w.progress.clear()
	switch {
	case err != nil && !errors.Is(err, errSettled):
		return err
	case err == nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errors.New("interrupted; nothing was changed")
	}

	return w.conclude()
}

func (w *waiting) feed(c *connection, s selection) feed {
	f := feed{
		cluster: c, resource: s.kind.resource(), selector: labels.Everything(), namespace: c.namespace,
		empty: func() client.ObjectList { return view.NewList(s.kind.name) },
		wants: func(o client.Object) bool { return w.waitsFor(client.ObjectKeyFromObject(o)) },
	}
	if s.everywhere {
		f.namespace = ""
	}
	return f
}

func (w *waiting) waitsFor(key types.NamespacedName) bool {
	for _, k := range w.keys {
		if k == key {
			return true
		}
	}
	return false
}

// every is how often the time that has passed is shown; 0 for never.
func (w *waiting) every() time.Duration {
	if w.progress.width > 0 {
		return progressEvery
	}
	return 0
}

// show takes over how the objects are. The error is errSettled when no object has to be waited for any more.
func (w *waiting) show(objects []client.Object) error {
	clear(w.last)
	for _, o := range objects {
		if object, is := o.(view.Object); is {
			key := client.ObjectKeyFromObject(o)
			w.last[key] = w.goal.Attained(object)
			w.counts[key] = strings.Join(objectsText(view.Settle(object, "", 0)), ", ")
		}
	}

	settled := 0
	for _, key := range w.keys {
		state, there := w.last[key]
		if !there {
			state = view.Attainment{Hopeless: true, Phase: string(view.Missing), Message: "it was deleted"}
			w.last[key] = state
		}

		if state.Met || state.Hopeless {
			settled++
		}
	}

	if settled == len(w.keys) {
		return errSettled
	}

	w.report()
	return nil
}

// report shows the progress: on a terminal one line, else a line for each object that changed.
func (w *waiting) report() {
	if w.progress.width > 0 {
		w.progress.show(w.line())
		return
	}
	for _, key := range w.keys {
		state := w.last[key]
		text := fmt.Sprintf("%s: %s, %s", w.kind.describe(key), state.Phase, oneLine(state.Message))
		text = strings.TrimSuffix(text, ", ")
		if w.printed[key] != text {
			w.printed[key] = text
			fmt.Fprintln(w.app.err, text)
		}
	}
}

// line is the progress in one line: how many objects have reached the goal, the time, and the first one that has not.
func (w *waiting) line() string {
	met := 0
	first := types.NamespacedName{}
	for i := len(w.keys) - 1; i >= 0; i-- {
		if w.last[w.keys[i]].Met {
			met++
		} else {
			first = w.keys[i]
		}
	}

	passed := w.app.now().Sub(w.app.began).Truncate(time.Second)
	parts := []string{
		fmt.Sprintf("%d of %s %s", met, countOf(w.kind, len(w.keys)), w.goal),
		fmt.Sprintf("%s of %s", passed, w.timeout),
	}
	if w.counts[first] != "" {
		parts = append(parts, w.counts[first])
	}

	state := w.last[first]
	text := fmt.Sprintf("%s; %s: %s: %s",
		strings.Join(parts, ", "), w.kind.describe(first), state.Phase, oneLine(state.Message))
	return strings.TrimSuffix(text, ": ")
}

// conclude prints how each object ended.
func (w *waiting) conclude() error {
	var err error
	for _, key := range w.keys {
		state := w.last[key]
		text := w.app.paint(state.Phase, state.Phase)
		if message := oneLine(state.Message); message != "" {
			text += ": " + message
		}

		name := w.kind.describe(key)
		switch {
		case state.Met && w.goal.Kind == view.GoalReady, state.Met && w.goal.Kind == view.GoalPhase:
			w.app.say("%s is %s", name, text)
		case state.Met:
			w.app.say("%s is %s, and %s", name, w.goal, text)
		case state.Hopeless:
			w.app.say("%s is not %s; it is %s", name, w.goal, text)
			err = errNotReady
		default:
			w.app.say("%s is not %s after %s; it is %s", name, w.goal, w.timeout, orNone(text))
			err = errNotReady
		}
	}

	return err
}
