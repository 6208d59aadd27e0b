package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead/helmops/view"
)

func newGetCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get",
		Short: "List releases, kustomizations or sources",
		Example: `  fairlead get releases
  fairlead get kustomizations -A
  fairlead get sources -A`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef(cmd, "get what? releases, kustomizations or sources")
		},
	}
	cmd.AddCommand(newGetReleasesCommand(a), newGetKustomizationsCommand(a), newGetSourcesCommand(a))
	return cmd
}

func newGetReleasesCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "releases",
		Aliases: []string{"release", "hr", "helmrelease", "helmreleases"},
		Short:   "List Helm releases, their phase and what they run",
		Example: `  fairlead get releases -n web
  fairlead get releases -A -o wide
  fairlead get releases -A -o json | jq -r '.items[] | select(.ready | not) | .name'`,
	}
	a.list(cmd, "releases", func(ctx context.Context, reader view.Reader, namespace string) (listing, error) {
		list, err := reader.Releases(ctx, namespace)
		return listing{list, len(list.Items), func(out *output, all bool) *table { return a.releaseTable(list.Items, out, all) }}, err
	})
	return cmd
}

func newGetSourcesCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "sources",
		Aliases: []string{"source"},
		Short:   "List sources of charts: Git, Helm and OCI repositories, and charts",
		Example: `  fairlead get sources -n web
  fairlead get sources -A -o wide
  fairlead get sources -A -o yaml`,
	}
	a.list(cmd, "sources", func(ctx context.Context, reader view.Reader, namespace string) (listing, error) {
		list, err := reader.Sources(ctx, namespace)
		return listing{list, len(list.Items), func(out *output, all bool) *table { return a.sourceTable(list.Items, out, all) }}, err
	})
	return cmd
}

// listing is what a command lists: the list as machines read it, how many objects it has, and the table that people read.
type listing struct {
	list  any
	count int
	table func(out *output, all bool) *table
}

// list completes a command that lists objects.
func (a *app) list(cmd *cobra.Command, what string, read func(ctx context.Context, reader view.Reader, namespace string) (listing, error)) {
	a.addClusterFlags(cmd)
	all := cmd.Flags().BoolP("all-namespaces", "A", false, "list all namespaces, whatever --namespace says")
	out := addOutputFlag(cmd, outputWide, outputJSON, outputYAML)
	cmd.Args = noArguments
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.open()
		if err != nil {
			return err
		}
		found, err := read(cmd.Context(), view.NewReader(c.client), listNamespace(c, *all))
		switch {
		case err != nil:
			return err
		case out.machine():
			return out.write(a.out, found.list)
		case found.count == 0:
			a.nothing(what, c, *all)
			return nil
		}
		return found.table(out, *all).write(a.out)
	}
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef(cmd, "%s takes no arguments, got %q", strings.TrimPrefix(cmd.CommandPath(), "fairlead "), args[0])
	}
	return nil
}

func listNamespace(c *connection, all bool) string {
	if all {
		return ""
	}
	return c.namespace
}

// nothing tells where there was nothing. It is a note, not data, and no failure.
func (a *app) nothing(what string, c *connection, all bool) {
	if all {
		fmt.Fprintf(a.err, "no %s in any namespace (%s)\n", what, c.describe())
		return
	}
	fmt.Fprintf(a.err, "no %s in namespace %s (%s); -A looks in all namespaces\n", what, c.namespace, c.describe())
}

func (a *app) releaseTable(rows []view.ReleaseRow, out *output, all bool) *table {
	narrow := !out.wide()
	t := &table{columns: []column{
		{"NAMESPACE", !all}, {"NAME", false}, {"PHASE", false}, {"HEALTH", false}, {"CHART", false}, {"REVISION", false}, {"AGE", false},
		{"APP", narrow}, {"DIGEST", narrow}, {"DEPLOYED", narrow}, {"SOURCE", narrow}, {"MESSAGE", false},
	}}
	for _, r := range rows {
		revision, source := "", ""
		if r.Revision > 0 {
			revision = fmt.Sprint(r.Revision)
		}
		if r.Source != nil {
			source = r.Source.Kind + "/" + r.Source.Namespace + "/" + r.Source.Name
		}
		t.add(r.Namespace, r.Name, string(r.Phase), healthText(r), chartText(r.Chart), revision, a.age(&r.CreatedAt),
			r.AppVersion, digestText(r.Chart), a.age(r.DeployedAt), source, out.messageText(r.Message))
	}
	return t
}

// healthText sums up in a few words what the conditions Healthy, Verified and Drifted say: the worst first.
func healthText(r view.ReleaseRow) string {
	var words []string
	if r.Healthy == "False" {
		words = append(words, "Unhealthy")
	}
	if r.Drifted == "True" {
		words = append(words, "Drifted")
	}
	switch {
	case len(words) > 0:
		return strings.Join(words, ",")
	case r.Verified == "True":
		return "Verified"
	case r.Verified == "Unknown":
		return "Unverified"
	case r.Healthy == "True":
		return "Healthy"
	}
	return ""
}

func (a *app) sourceTable(rows []view.SourceRow, out *output, all bool) *table {
	narrow := !out.wide()
	t := &table{columns: []column{
		{"NAMESPACE", !all}, {"KIND", false}, {"NAME", false}, {"PHASE", false}, {"REVISION", false}, {"AGE", false},
		{"UPDATED", narrow}, {"FROM", narrow}, {"MESSAGE", false},
	}}
	for _, r := range rows {
		revision, from := revisionText(r.Revision), r.URL
		if out.wide() {
			revision = r.Revision
		}
		if r.Source != nil {
			from = r.Source.Kind + "/" + r.Source.Namespace + "/" + r.Source.Name
		}
		t.add(r.Namespace, r.Kind, r.Name, string(r.Phase), revision, a.age(&r.CreatedAt),
			a.age(r.UpdatedAt), from, out.messageText(r.Message))
	}
	return t
}
