package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// completion asks the cluster for words, none when it cannot be asked: a shell cannot show an error.
func (a *app) completing(ctx context.Context, ask func(context.Context, *connection) []string) []string {
	c, err := a.open()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	return ask(ctx, c)
}

// pipelineNames are the names of the pipelines of the namespace.
func (a *app) pipelineNames(ctx context.Context) []string {
	return a.completing(ctx, func(ctx context.Context, c *connection) (names []string) {
		list := &v1beta1.ReleasePipelineList{}
		if err := c.client.List(ctx, list, client.InNamespace(c.namespace)); err != nil {
			return nil
		}
		for _, p := range list.Items {
			names = append(names, p.Name)
		}
		return names
	})
}

// completePipelines completes names of pipelines, no name twice.
func (a *app) completePipelines(
	cmd *cobra.Command, args []string, toComplete string,
) ([]string, cobra.ShellCompDirective) {
	names := slices.DeleteFunc(a.pipelineNames(cmd.Context()), func(name string) bool {
		return slices.Contains(args, name)
	})
	return withPrefix(names, toComplete), cobra.ShellCompDirectiveNoFileComp
}
