package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead/helmops/view"
)

func newGetKustomizationsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "kustomizations",
		Aliases: []string{"kustomization", "ks"},
		Short:   "List Kustomizations, their phase and what they have applied",
		Example: `  fairlead get kustomizations -n fleet
  fairlead get kustomizations -A -o wide
  fairlead get kustomizations -A -o json | jq -r '.items[] | select(.ready | not) | .name'`,
	}
	a.list(cmd, "kustomizations", func(ctx context.Context, reader view.Reader, namespace string) (listing, error) {
		list, err := reader.Kustomizations(ctx, namespace)
		return listing{list, len(list.Items), func(out *output, all bool) *table { return a.kustomizationTable(list.Items, out, all) }}, err
	})
	return cmd
}

func (a *app) kustomizationTable(rows []view.KustomizationRow, out *output, all bool) *table {
	narrow := !out.wide()
	t := &table{columns: []column{
		{"NAMESPACE", !all}, {"NAME", false}, {"PHASE", false}, {"HEALTH", false}, {"REVISION", false}, {"OBJECTS", false}, {"AGE", false},
		{"PATH", narrow}, {"SOURCE", narrow}, {"MESSAGE", false},
	}}
	for _, r := range rows {
		revision, source := revisionText(r.Revision), ""
		if out.wide() {
			revision = r.Revision
		}
		if r.Source != nil {
			source = r.Source.Kind + "/" + r.Source.Namespace + "/" + r.Source.Name
		}
		health := healthText(view.ReleaseRow{Healthy: r.Healthy, Drifted: r.Drifted})
		t.add(r.Namespace, r.Name, string(r.Phase), health, revision, fmt.Sprint(r.Objects), a.age(&r.CreatedAt), r.Path, source, out.messageText(r.Message))
	}
	return t
}
