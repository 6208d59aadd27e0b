package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	controllers "fairlead.dev/fairlead/controllers/release"
	"fairlead.dev/fairlead/helmops/view"
)

func newValuesCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "values release NAME",
		Short: "Show the values that a release gives to its chart",
		Long: `Show the values that a release gives to its chart: those of spec.valuesFrom and spec.values,
merged as the controller merges them. --sources lists them one by one with the ConfigMap or Secret that each
comes from. The chart's own values are not among them, nor those that upgrade.preserveValues keeps of the
deployed revision.

Values from Secrets are masked. ConfigMaps and Secrets are read with your own rights.`,
		Example: `  fairlead values release shop -n web
  fairlead values release shop -n web --sources
  fairlead values hr shop -n web -o json | jq .image.tag`,
		ValidArgsFunction: a.completeKindAndName("release"),
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputJSON, outputYAML)
	addHeadersFlag(cmd, out)
	sources := cmd.Flags().Bool("sources", false, "list each value with what it comes from")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, name, err := kindAndName(cmd, args, "release")
		if err != nil {
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

		found, err := valuesOf(cmd.Context(), c, hr)
		if err != nil {
			return fmt.Errorf("read the values of %s: %w", k.describe(key), err)
		}
		if len(found.Sources) == 0 {
			a.note("%s sets no values; those of the chart apply", k.describe(key))
		}

		return a.printValues(found, *sources, out)
	}
	return cmd
}

func valuesOf(ctx context.Context, c *connection, hr *v1beta1.HelmRelease) (view.Values, error) {
	composed, err := controllers.Values(ctx, callerReader{c.client}, hr)
	if err != nil {
		return view.Values{}, err
	}
	return view.NewValues(composed.Merged, composed.Layers, composed.Mask.Apply), nil
}

func (a *app) printValues(v view.Values, sources bool, out *output) error {
	switch {
	case sources && out.machine():
		return out.write(a.out, view.List[view.Value]{Items: v.Sources})
	case sources && len(v.Sources) == 0:
		return nil
	case sources:
		t := a.table(out, column{"PATH", false}, column{"VALUE", false}, column{"FROM", false})
		for _, value := range v.Sources {
			t.add(value.Path, valueText(value.Value), value.From)
		}

		return t.write(a.out, a.outWidth)
	case out.machine():
		return out.write(a.out, v.Merged)
	default:
		return (&output{format: outputYAML}).write(a.out, v.Merged)
	}
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
