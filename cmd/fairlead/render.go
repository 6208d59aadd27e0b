package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/view"
)

func newRenderCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "render release NAME",
		Short: "Print the objects that a release would apply now",
		Long: `Print the objects that a release would apply now, hooks included: the chart that it wants,
rendered with its values for this cluster, and post-rendered. It is an install or an upgrade, whichever the
controller would do. Nothing is changed.

The source, its Secret and what spec.valuesFrom names are read with your own rights, and so are the Helm
records; the chart is fetched from upstream. CRDs in the directory crds/ of the chart are not rendered and not
printed.

Values in Secrets, and what came from Secrets, are masked. For this reason the output is for reading, not for
applying. What is deployed is printed by "helm get manifest NAME", how it differs from this by "fairlead diff
release NAME --pending".`,
		Example: `  fairlead render release shop -n web
  fairlead render hr shop -n web -o json | jq -r '.items[].kind'`,
		ValidArgsFunction: a.completeKindAndName("release"),
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputJSON, outputYAML)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, hr, err := a.localRelease(cmd, args)
		if err != nil {
			return err
		}

		return a.renderRelease(cmd.Context(), c, hr, out)
	}
	return cmd
}

func (a *app) renderRelease(ctx context.Context, c *connection, hr *v1beta1.HelmRelease, out *output) error {
	return withWanted(ctx, c, hr, func(ctx context.Context, look inspector, in release.Inputs, action engine.Action) error {
		return a.printRendering(ctx, look, hr, in, action, out)
	})
}

// printRendering renders what the inputs make and prints it.
func (a *app) printRendering(
	ctx context.Context, look inspector, hr *v1beta1.HelmRelease, in release.Inputs, action engine.Action, out *output,
) error {
	target := view.Target(hr)
	records, err := look.History(ctx, cluster.Access{}, target)
	if err != nil {
		return fmt.Errorf("read the Helm records of %s/%s: %w", target.StorageNamespace, target.Name, err)
	}

	rendering := release.Rendering(hr, in, isFirst(records))
	rendering.Chart = action.Chart
	made, err := look.Render(ctx, rendering)
	if err != nil {
		text := in.Mask.Apply(err.Error())
		return fmt.Errorf("render %s for release %s/%s: %s", in.Chart, hr.Namespace, hr.Name, text)
	}

	built, err := view.Rendered(made, release.MaskOf(hr, in, made.Values))
	if err != nil {
		return fmt.Errorf("read what %s makes for release %s/%s: %w", in.Chart, hr.Namespace, hr.Name, err)
	}
	if out.machine() {
		return out.write(a.out, built)
	}

	if len(built.Items) == 0 {
		a.note("%s makes no object for release %s/%s", in.Chart, hr.Namespace, hr.Name)
		return nil
	}

	return writeDocuments(a.out, built.Items)
}
