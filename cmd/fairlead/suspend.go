package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

func newSuspendCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "suspend KIND [NAME...]",
		Short: "Suspend the reconciliation of objects",
		Long: `Suspend the reconciliation of objects by setting spec.suspend. The controller then changes nothing for them; what
runs stays as it is. Where the objects are applied from Git, set spec.suspend there as well: the next apply can
undo this.

--reason is shown by "get" and "status" as long as the object is suspended; it is kept in the annotation
` + v1beta1.SuspendReasonAnnotation + `.

Kinds:` + kindTable(suspendedWords...),
		Example: `  fairlead suspend release shop -n web
  fairlead suspend release shop api -n web --reason "database migration, INC-1234"
  fairlead suspend releases --all -A --reason "cluster upgrade"
  fairlead suspend kustomizations -l team=shop -A`,
		ValidArgsFunction: a.completeKindAndNames,
	}
	a.addClusterFlags(cmd)
	f := addSelectionFlags(cmd)
	reason := cmd.Flags().String("reason", "", "why, for those who look at the objects later")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := f.read(cmd, args)
		if err != nil {
			return err
		}

		why := oneLine(*reason)
		if len(why) > maxReason {
			return usagef(cmd, "--reason has %d bytes, at most %d are kept", len(why), maxReason)
		}

		return a.suspend(cmd.Context(), s, why)
	}
	return cmd
}

func (a *app) suspend(ctx context.Context, s selection, reason string) error {
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

	return a.each(s.kind, objects, "suspended", func(object view.Object) error {
		key := client.ObjectKeyFromObject(object)
		already := view.IsSuspended(object)
		if already && (reason == "" || reason == view.SuspendReason(object)) {
			a.say("%s is suspended already; nothing was changed", s.kind.describe(key))
			return nil
		}

		if _, err := patch(ctx, c, s.kind, key, suspendPatch(reason)); err != nil {
			return err
		}

		a.say("%s", suspendedText(s.kind.describe(key), already, reason))
		return nil
	})
}

func suspendedText(object string, already bool, reason string) string {
	switch {
	case already:
		return object + " is suspended already; the reason is now: " + reason
	case reason != "":
		return object + " suspended: " + reason
	default:
		return object + " suspended"
	}
}

func newResumeCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume KIND [NAME...]",
		Short: "Resume the reconciliation of suspended objects",
		Long: `Resume the reconciliation of suspended objects by removing spec.suspend and the reason that was given for it.

Of a pipeline it resumes one stage: it removes spec.stages[].hold. The controller forgets what the HelmReleases of the
pipeline rejected, and may promote it again.

With --wait it exits with 0 when all objects became Ready, and with 1 when one failed, stalled or was not ready
in time. Several objects are resumed first, and then followed one after the other.

Kinds:` + kindTable(suspendedWords...),
		Example: `  fairlead resume release shop -n web
  fairlead resume release shop -n web --wait
  fairlead resume releases --all -A
  fairlead resume pipeline shop --stage prod -n web`,
		ValidArgsFunction: a.completeKindAndNames,
	}
	a.addClusterFlags(cmd)
	f := addSelectionFlags(cmd)
	w := addWaitFlags(cmd, "follow the objects until they are Ready, failed or stalled")
	stage := cmd.Flags().String("stage", "", "stage of a pipeline that is held")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if isPipeline(args) {
			name, err := pipelineName(cmd, args)
			switch {
			case err != nil:
				return err
			case *stage == "" || w.wait:
				return usagef(cmd, "a pipeline is resumed with --stage and without --wait")
			}

			return a.resumePipeline(cmd.Context(), name, *stage)
		}

		if *stage != "" {
			return usagef(cmd, "--stage goes with a pipeline")
		}

		s, err := f.read(cmd, args)
		if err != nil {
			return err
		}
		if err := w.check(cmd); err != nil {
			return err
		}

		return a.resume(cmd.Context(), s, w)
	}
	return cmd
}

func (a *app) resume(ctx context.Context, s selection, w *waitFlags) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	objects, err := a.selected(ctx, c, s)
	if err != nil {
		return err
	}
	if len(s.names) == 0 {
		objects = slices.DeleteFunc(objects, func(o view.Object) bool { return !view.IsSuspended(o) })
	}

	switch {
	case len(objects) == 0:
		a.nothingSelected(c, s, "suspended ")
		return nil
	case !w.wait:
		return a.each(s.kind, objects, "resumed", func(object view.Object) error {
			_, text, err := resumed(ctx, c, s.kind, object)
			if err == nil {
				a.say("%s", text)
			}

			return err
		})
	}

	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	if len(objects) == 1 {
		return a.resumeAndFollow(ctx, c, s.kind, objects[0], w)
	}

	return a.resumeAndFollowAll(ctx, c, s.kind, objects, w)
}

// resumeAndFollow resumes an object once it is watched, and follows it until it has settled.
func (a *app) resumeAndFollow(ctx context.Context, c *connection, k kind, object view.Object, w *waitFlags) error {
	return a.followTo(ctx, c, k, object, w, func(ctx context.Context) (view.Object, error) {
		object, text, err := resumed(ctx, c, k, object)
		if err == nil {
			a.note("%s", text)
		}
		return object, err
	})
}

// resumeAndFollowAll resumes all objects and follows one after the other until all have settled. An object that did
// not become Ready does not end the command.
func (a *app) resumeAndFollowAll(
	ctx context.Context, c *connection, k kind, objects []view.Object, w *waitFlags,
) error {
	var begun []view.Object
	failure := a.each(k, objects, "resumed", func(object view.Object) error {
		changed, text, err := resumed(ctx, c, k, object)
		if err == nil {
			a.note("%s", text)
			begun = append(begun, changed)
		}

		return err
	})
	for _, object := range begun {
		// The watch begins after the change, so that the object is read once more.
		err := a.followTo(ctx, c, k, object, w, func(ctx context.Context) (view.Object, error) {
			return view.NewReader(c.client).Object(ctx, k.name, client.ObjectKeyFromObject(object))
		})
		if failure == nil {
			failure = err
		}
	}

	return failure
}

// followTo watches an object, begins a change, and prints how the object ended.
func (a *app) followTo(
	ctx context.Context, c *connection, k kind, object view.Object, w *waitFlags,
	begin func(context.Context) (view.Object, error),
) error {
	key := client.ObjectKeyFromObject(object)
	state, err := a.follower(c, k, key, "", w.timeout).follow(ctx, begin)
	if err != nil {
		return err
	}
	return a.conclude(k, key, state, w.timeout)
}

// resumed removes spec.suspend of an object. It returns the object as it is then, and what was done.
func resumed(ctx context.Context, c *connection, k kind, object view.Object) (view.Object, string, error) {
	key := client.ObjectKeyFromObject(object)
	if !view.IsSuspended(object) {
		return object, k.describe(key) + " is not suspended; nothing was changed", nil
	}
	changed, err := patch(ctx, c, k, key, resumePatch())
	return changed, k.describe(key) + " resumed", err
}
