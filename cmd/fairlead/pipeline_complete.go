package main

import (
	"context"
	"slices"
	"strings"

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

// completePipeline completes pipeline NAME, and KIND NAME of the other kinds.
func (a *app) completePipeline(others ...string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) == 1 && isPipeline(args):
			return a.completePipelines(cmd, nil, toComplete)
		case len(args) == 0 && strings.Contains(toComplete, "/") && isPipeline([]string{toComplete}):
			word, prefix, _ := strings.Cut(toComplete, "/")
			names := withPrefix(a.pipelineNames(cmd.Context()), prefix)
			for i := range names {
				names[i] = word + "/" + names[i]
			}

			return names, cobra.ShellCompDirectiveNoFileComp
		case len(args) == 0 && !strings.Contains(toComplete, "/"):
			words := append(slices.Clone(others), "pipeline")
			return withPrefix(words, toComplete), cobra.ShellCompDirectiveNoFileComp
		case len(others) == 0:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.completeKindAndName(others...)(cmd, args, toComplete)
	}
}

// completeStages completes the flag --stage of a command whose arguments name a pipeline.
func (a *app) completeStages(
	cmd *cobra.Command, args []string, toComplete string,
) ([]string, cobra.ShellCompDirective) {
	return a.completeOf(cmd, args, toComplete, a.stagesOf)
}

// completeCandidates completes the flag --version of such a command.
func (a *app) completeCandidates(
	cmd *cobra.Command, args []string, toComplete string,
) ([]string, cobra.ShellCompDirective) {
	return a.completeOf(cmd, args, toComplete, a.candidatesOf)
}

func (a *app) completeOf(
	cmd *cobra.Command, args []string, toComplete string, words func(context.Context, string) []string,
) ([]string, cobra.ShellCompDirective) {
	args = splitKindAndName(args)
	if !isPipeline(args) || len(args) < 2 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return withPrefix(words(cmd.Context(), args[1]), toComplete), cobra.ShellCompDirectiveNoFileComp
}

// stagesOf are the names of the stages of a pipeline, for a shell.
func (a *app) stagesOf(ctx context.Context, name string) []string {
	return a.completing(ctx, func(ctx context.Context, c *connection) (names []string) {
		p, err := findPipeline(ctx, c, name)
		if err != nil {
			return nil
		}

		for _, s := range p.Spec.Stages {
			names = append(names, s.Name)
		}

		return names
	})
}

// candidatesOf are the versions of the candidates of a pipeline, for a shell.
func (a *app) candidatesOf(ctx context.Context, name string) []string {
	return a.completing(ctx, func(ctx context.Context, c *connection) (versions []string) {
		p, err := findPipeline(ctx, c, name)
		if err != nil {
			return nil
		}

		for _, candidate := range p.Status.Candidates {
			if !slices.Contains(versions, candidate.Version) {
				versions = append(versions, candidate.Version)
			}
		}

		return versions
	})
}
