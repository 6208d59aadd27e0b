package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

func newHistoryCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history release NAME",
		Short: "List the revisions of a release or the promotions of a pipeline",
		Long: `List the revisions of a release, newest first. Of a pipeline it lists what its stages got: when, which
chart, why, how it ended, and how long that took.`,
		Example: `  fairlead history release shop -n web
  fairlead history hr shop -n web -o json | jq '.items[0].chart'
  fairlead history pipeline shop --stage prod -n web`,
		ValidArgsFunction: a.completePipeline("release"),
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputWide, outputJSON, outputYAML)
	addHeadersFlag(cmd, out)
	stage := cmd.Flags().String("stage", "", "of a pipeline: only this stage")
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("stage", a.completeStages)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if isPipeline(args) {
			name, err := pipelineName(cmd, args)
			if err != nil {
				return err
			}

			return a.pipelineHistory(cmd.Context(), name, *stage, out)
		}

		if *stage != "" {
			return usagef(cmd, "--stage goes with a pipeline")
		}

		k, name, err := kindAndName(cmd, args, "release")
		if err != nil {
			return err
		}

		c, err := a.open()
		if err != nil {
			return err
		}

		key := types.NamespacedName{Namespace: c.namespace, Name: name}
		history, err := view.NewReader(c.client).History(cmd.Context(), key)
		switch {
		case err != nil:
			return a.notFound(cmd.Context(), k, key, err)
		case out.machine():
			return out.write(a.out, history)
		case len(history.Items) == 0:
			message := orNone(oneLine(history.Message))
			a.note("%s has no revisions yet; it is %s: %s", k.describe(key), history.Phase, message)
			return nil
		}

		return a.historyTable(history.Items, out).write(a.out, a.tableWidth(out))
	}
	return cmd
}

func (a *app) historyTable(rows []view.HistoryRow, out *output) *table {
	narrow := !out.wide()
	t := a.table(out, []column{
		{"REV", false}, {"STATUS", false}, {"CHART", false}, {"APP", false}, {"DIGEST", false}, {"WHEN", false},
		{"ACTION", false}, {"CONFIG", narrow}, {"HELM RELEASE", narrow},
	}...)
	for _, r := range rows {
		t.add(fmt.Sprint(r.Revision), r.Status, chartText(r.Chart), r.AppVersion, digestText(r.Chart), a.age(&r.DeployedAt),
			r.Action, v1beta1.ShortDigest(r.ConfigDigest), r.ReleaseNamespace+"/"+r.ReleaseName)
	}

	return t
}
