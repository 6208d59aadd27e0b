package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	controllers "fairlead.dev/fairlead/controllers/release"
	"fairlead.dev/fairlead/helmops/values"
	"fairlead.dev/fairlead/helmops/view"
)

// valuesQuery is what the flags of the command ask for.
type valuesQuery struct {
	// origin lists values one by one with what each comes from.
	origin bool
	// all wants the chart's own values too, changed only what differs from them.
	all, changed bool
	// key is a path in the syntax of --set, path the same as keys; both are empty for all values.
	key  string
	path []string
}

// needsChart reports whether the answer is incomplete without the chart.
func (q *valuesQuery) needsChart() bool { return q.origin || q.all || q.changed }

func addValuesFlags(cmd *cobra.Command) *valuesQuery {
	q := &valuesQuery{}
	flags := cmd.Flags()
	flags.BoolVar(&q.origin, "origin", false, "list each value with what it comes from and what it overrides")
	flags.BoolVar(&q.all, "all", false, "show the values of the chart and its subcharts too")
	flags.BoolVar(&q.changed, "changed", false, "show only values that differ from those of the chart alone")
	flags.StringVar(&q.key, "key", "", "show only this key and what is below, for example image.tag or hosts[0]")
	return q
}

// check refuses flags that do not go together.
func (q *valuesQuery) check(cmd *cobra.Command) error {
	if q.all && q.changed {
		return usagef(cmd, "--all and --changed do not go together")
	}
	if !cmd.Flags().Changed("key") {
		return nil
	}

	path, err := values.ParsePath(q.key)
	if err != nil {
		return usagef(cmd, "--key %s", err)
	}

	q.path = path
	return nil
}

func newValuesCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "values release NAME",
		Short: "Show what values a chart gets, and where each comes from",
		Long: `Show the values that a release gives to its chart: those of spec.valuesFrom and spec.values, merged as the
controller merges them. Values that upgrade.preserveValues keeps of the deployed revision are not among them.

--all adds the values that the chart and its subcharts have themselves, --changed leaves out what is as in the chart,
and --key shows only one key and what is below it.

--origin lists the values one by one: which chart, ConfigMap, Secret or part of the spec each comes from, which values
it overrides, and since which revision the chart gets it. SINCE is "next" for a value that is not deployed yet, and the
oldest revision that Helm still has for one that may be older.

These flags, but for --key alone, fetch the chart that the release wants from upstream. A key that the chart has neither
in its default values nor in its schema, and that no template reads, is then reported in a warning.

Values from Secrets are masked. ConfigMaps, Secrets, the source and, for SINCE, the Helm records are read with your own
rights. Exits with 1 when there is nothing at --key.`,
		Example: `  fairlead values release shop -n web
  fairlead values release shop -n web --origin
  fairlead values release shop -n web --all --key image
  fairlead values release shop -n web --changed
  fairlead values hr shop -n web -o json | jq .image.tag`,
		ValidArgsFunction: a.completeKindAndName("release"),
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputJSON, outputYAML)
	addHeadersFlag(cmd, out)
	query := addValuesFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, name, err := kindAndName(cmd, args, "release")
		if err != nil {
			return err
		}
		if err := query.check(cmd); err != nil {
			return err
		}

		c, err := a.open()
		if err != nil {
			return err
		}

		key := types.NamespacedName{Namespace: c.namespace, Name: name}
		hr, err := a.release(cmd.Context(), c, k, key)
		if err != nil {
			return err
		}

		found, err := a.valuesOf(cmd.Context(), c, hr, query)
		if err != nil {
			return fmt.Errorf("read the values of %s: %w", k.describe(key), err)
		}

		return a.printValues(found, k.describe(key), query, out)
	}
	return cmd
}

// foundValues are values with what could be found out about them.
type foundValues struct {
	view.Values
	// chart names the chart whose unknown keys are among them; empty when it could not be fetched.
	chart string
	// sets is unset when the release sets no value.
	sets bool
	// since is set when it is known since when values are as they are.
	since bool
}

func (a *app) valuesOf(
	ctx context.Context, c *connection, hr *v1beta1.HelmRelease, query *valuesQuery,
) (foundValues, error) {
	composed, err := controllers.Values(ctx, callerReader{c.client}, hr)
	if err != nil {
		return foundValues{}, err
	}

	in := view.ValuesInput{
		Merged: composed.Merged, Mask: composed.Mask.Apply, All: query.all, Changed: query.changed, Key: query.path,
	}
	out := foundValues{sets: len(composed.Merged) > 0}
	if out.chart, err = a.composeValues(ctx, c, hr, query, composed, &in); err != nil {
		return foundValues{}, errors.New(composed.Mask.Apply(err.Error()))
	}

	if query.origin {
		in.Revisions, err = valuesRevisions(ctx, c, hr)
		if err != nil {
			a.note("SINCE is left out: %s", oneLine(composed.Mask.Apply(err.Error())))
		}

		out.since = err == nil
	}

	out.Values = view.NewValues(in)
	return out, nil
}

// printValues prints values. It returns errNotReady when there is nothing at the wanted key.
func (a *app) printValues(v foundValues, release string, query *valuesQuery, out *output) error {
	a.unknownLines(v.Unknown, v.chart)
	switch {
	case v.Missing:
		a.note("%s", missingKey(v, release, query))
		return errNotReady
	case !v.sets && !query.all:
		a.note("%s sets no values; those of the chart apply", release)
	case query.changed && len(v.Items) == 0:
		a.note("%s changes no value of its chart", release)
	}

	_, isMap := v.Tree.(map[string]any)
	switch {
	case query.origin && out.machine():
		return out.write(a.out, view.List[view.Value]{Items: v.Items})
	case query.origin && len(v.Items) == 0:
		return nil
	case query.origin:
		return a.originTable(v, out).write(a.out, a.outWidth)
	case out.printer != nil && !isMap:
		return fmt.Errorf("the value of %s is no map, which -o %s needs; use -o json", query.key, out.format)
	case out.machine():
		return out.write(a.out, v.Tree)
	default:
		return (&output{format: outputYAML}).write(a.out, v.Tree)
	}
}

// missingKey says that there is nothing at the wanted key, and what is near.
func missingKey(v foundValues, release string, query *valuesQuery) string {
	does := "sets"
	switch {
	case query.all:
		does = "gets"
	case query.changed:
		does = "changes"
	}

	text := fmt.Sprintf("%s %s no value %s", release, does, query.key)
	switch {
	case len(v.Near) > 0:
		text += "; did you mean " + strings.Join(v.Near, ", ") + "?"
	case !query.all && !query.changed:
		text += "; --all shows those of the chart too"
	}

	return oneLine(text)
}

// valueText is a value in one line of YAML.
func valueText(value any) string {
	if value == view.Masked {
		return view.Masked
	}
	text, err := yaml.Marshal(value)
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(text))
}
