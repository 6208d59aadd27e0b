package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/view"
)

func newSuspendCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "suspend KIND NAME",
		Short: "Stop the controller from changing anything for an object",
		Long: `Stop the controller from changing anything for an object, by setting spec.suspend. What runs stays as it is.
Something that applies the object from Git may undo this; then set spec.suspend there.

Kinds:` + kindTable(),
		Example: `  fairlead suspend release shop -n web
  fairlead suspend helmrepository charts -n web`,
		ValidArgsFunction: a.completeKindAndName(),
	}
	a.addClusterFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, name, err := kindAndName(cmd, args)
		if err != nil {
			return err
		}
		c, err := a.open()
		if err != nil {
			return err
		}
		key := types.NamespacedName{Namespace: c.namespace, Name: name}
		_, changed, err := a.setSuspended(cmd.Context(), c, k, key, true)
		if err != nil {
			return err
		}
		if !changed {
			fmt.Fprintf(a.out, "%s is suspended already; nothing was changed\n", k.describe(key))
			return nil
		}
		fmt.Fprintf(a.out, "%s suspended\n", k.describe(key))
		return nil
	}
	return cmd
}

func newResumeCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume KIND NAME",
		Short: "Let the controller work on a suspended object again",
		Long: `Let the controller work on a suspended object again, by removing spec.suspend.

Of a pipeline it resumes one stage: it removes spec.stages[].hold. The controller forgets what the HelmReleases of the
pipeline rejected, and may promote it again.

With --wait it exits with 0 when the object became Ready, and with 1 when it failed, stalled or was not ready in time.

Kinds:` + kindTable(),
		Example: `  fairlead resume release shop -n web
  fairlead resume release shop -n web --wait
  fairlead resume pipeline shop --stage prod -n web`,
		ValidArgsFunction: a.completeKindAndName(),
	}
	a.addClusterFlags(cmd)
	w := addWaitFlags(cmd, "follow the object until it is Ready, failed or stalled")
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
		k, name, err := kindAndName(cmd, args)
		if err != nil {
			return err
		}
		if err := w.check(cmd); err != nil {
			return err
		}
		return a.resume(cmd.Context(), k, name, w)
	}
	return cmd
}

func (a *app) resume(ctx context.Context, k kind, name string, w *waitFlags) error {
	c, err := a.open()
	if err != nil {
		return err
	}
	key := types.NamespacedName{Namespace: c.namespace, Name: name}
	if !w.wait {
		_, changed, err := a.setSuspended(ctx, c, k, key, false)
		if err == nil {
			fmt.Fprintln(a.out, resumedText(k, key, changed))
		}
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	f := a.follower(c, k, key, "", w.timeout)
	state, err := f.follow(ctx, func(ctx context.Context) (view.Object, error) {
		object, changed, err := a.setSuspended(ctx, c, k, key, false)
		if err == nil {
			fmt.Fprintln(a.err, resumedText(k, key, changed))
		}
		return object, err
	})
	if err != nil {
		return err
	}
	return a.conclude(k, key, state, w.timeout)
}

func resumedText(k kind, key types.NamespacedName, changed bool) string {
	if !changed {
		return k.describe(key) + " is not suspended; nothing was changed"
	}
	return k.describe(key) + " resumed"
}

// setSuspended makes spec.suspend what it should be. It returns the object as it is then, and whether it was changed.
func (a *app) setSuspended(ctx context.Context, c *connection, k kind, key types.NamespacedName, suspend bool) (view.Object, bool, error) {
	object, err := view.NewReader(c.client).Object(ctx, k.name, key)
	if err != nil {
		return nil, false, a.notFound(ctx, k, key, err)
	}
	if view.IsSuspended(object) == suspend {
		return object, false, nil
	}
	object, err = patch(ctx, c, k, key, suspendPatch(suspend))
	return object, err == nil, err
}
