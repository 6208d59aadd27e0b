package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/view"
)

const diffHelp = `Show how the cluster differs from a release or a Kustomization, object by object and field by field.
Nothing is changed.

Of a release it compares the cluster with the manifest of the deployed revision: what was changed, by which manager
and since when, and what the release wants. --revision compares a revision in storage with another one, with the cluster
or with what the release wants. --pending fetches the chart that the release wants now, also while it is suspended,
renders it with the wanted values, and compares that with what is deployed. --to-version does the same with another
version of the chart, --to-git with the release as it is at another branch, tag or commit of its GitRepository. They
list the values given to the chart that differ, then the objects.

Of a Kustomization it shows what the local directory of --path would create, change and delete in place of spec.path,
by a dry run on the API server: run it in a pull request to see what a merge would change. It also shows which objects
other Kustomizations of the source would take over; it builds these from the files around --path. --file takes the
Kustomization from a file. An object that the API server would refuse is an error.

Values in Secrets are masked, and so is what was encrypted or came from Secrets. The command uses your own rights:
comparing takes get and patch (for dry runs only), reading the Helm records takes get and list of Secrets. --pending,
--to-version and --to-git also read the source, its Secret and what spec.valuesFrom names, and connect to upstream from
this machine.

Exits with 0 when there is no difference, with 1 when there is one, with 2 on an error.`

func newDiffCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff KIND NAME",
		Short: "Show how a release or a Kustomization differs from the cluster",
		Long:  diffHelp,
		Example: `  fairlead diff release shop -n web
  fairlead diff release shop -n web --revision 41..42
  fairlead diff release shop -n web --revision 41..live
  fairlead diff release shop -n web --pending
  fairlead diff release shop -n web --to-version 2.x
  fairlead diff release shop -n web --to-git feature
  fairlead diff hr shop -n web -o json | jq '.objects[].name'
  fairlead diff kustomization apps -n fleet --path ./apps/production`,
		ValidArgsFunction: a.completeKindAndName("release", "kustomization"),
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputJSON, outputYAML)
	compared := addReleaseDiffFlags(cmd)
	files := addFilesFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, name, err := kindAndName(cmd, args, "release", "kustomization")
		if err != nil {
			return err
		}

		if k.name == v1beta1.HelmReleaseKind {
			if *files != (filesFlags{}) {
				return usagef(cmd, "--path and --file are of Kustomizations, not of releases")
			}
			return a.diffRelease(cmd, k, name, compared, out)
		}

		if *compared != (releaseDiff{}) {
			return usagef(cmd, "--revision, --pending, --to-version and --to-git are of releases; "+
				"of a Kustomization, --path names what is compared")
		}
		if err := files.check(cmd); err != nil {
			return err
		}

		return a.diffKustomization(cmd.Context(), k, name, files, out)
	}
	return cmd
}

// printDifferences returns errNotReady when there are any.
func (a *app) printDifferences(d view.Differences, out *output) error {
	same := "no differences"
	if d.Pending != nil {
		same = "nothing pending"
	}
	return a.printDifferencesOr(same, d, out)
}

// printDifferencesOr is printDifferences with what to say when there are none.
func (a *app) printDifferencesOr(same string, d view.Differences, out *output) error {
	if out.machine() {
		if err := out.write(a.out, d); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.err, "from %s to %s\n", oneLine(d.From), oneLine(d.To))
		a.pendingLines(d.Pending)
		if !d.Differ() {
			fmt.Fprintln(a.err, same)
		}
		a.differenceLines(d)
	}

	if d.Differ() {
		return errNotReady
	}

	return nil
}

func (a *app) differenceLines(d view.Differences) {
	for _, v := range d.Values {
		fmt.Fprintln(a.out, a.paint(colourOfValue[v.Change], "value "+valueDifferenceText(v)))
	}

	for _, o := range d.Objects {
		for _, line := range a.objectLines(o, o.Note) {
			fmt.Fprintln(a.out, line)
		}
	}

	a.hookLines(d.Hooks)
}

// objectLines are what happens to an object, with a note, and to its fields.
func (a *app) objectLines(o view.ObjectDifference, note string) []string {
	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}

	line := o.Kind + " " + name + ": " + changeText(o)
	if note != "" {
		line += " (" + note + ")"
	}

	out := []string{a.paint(colourOfChange[o.Change], oneLine(line))}
	out = append(out, causeLines("  ", o.Cause)...)
	for _, f := range o.Fields {
		out = append(out, "  "+oneLine(differenceText(f)))
		out = append(out, causeLines("    ", f.Cause)...)
	}
	if o.More > 0 {
		out = append(out, "  and "+plural(o.More, "more field"))
	}

	return out
}

func (a *app) hookLines(hooks []view.HookDifference) {
	for _, h := range hooks {
		line := fmt.Sprintf("hook %s %s (%s): %s", h.Kind, h.Name, strings.Join(h.Events, ", "), h.Change)
		if h.Runs {
			line += ", would run"
		}

		fmt.Fprintln(a.out, a.paint(colourOfChange[h.Change], oneLine(line)))
	}
}

// colourOfChange gives changes the colours of states.
var colourOfChange = map[string]string{
	diff.Created: "Current", v1beta1.DriftMissing: "Missing", diff.Deleted: "Failed", diff.Changed: "InProgress",
	view.TakenOverChange: "InProgress",
}

// colourOfValue gives changes of values the colours of states.
var colourOfValue = map[string]string{
	diff.Added: "Current", diff.Removed: "Failed", diff.Changed: "InProgress",
}

// valueDifferenceText is one line: image.tag: 1.18.4 → 1.19.0.
func valueDifferenceText(v view.ValueDifference) string {
	from := "-"
	to := "-"
	if v.Change != diff.Added {
		from = valueLine(v.From)
	}
	if v.Change != diff.Removed {
		to = valueLine(v.To)
	}
	return oneLine(fmt.Sprintf("%s: %s → %s", v.Path, from, to))
}

// valueLine is a value in one line; a text of several lines is quoted.
func valueLine(value any) string {
	if text, ok := value.(string); ok && strings.Contains(text, "\n") {
		return strconv.Quote(text)
	}
	return valueText(value)
}

// changeText says for people what happens to an object.
func changeText(o view.ObjectDifference) string {
	switch o.Change {
	case view.HandedOverChange:
		return "handed over to Kustomization " + o.Kustomization
	case view.TakenOverChange:
		return "taken over from Kustomization " + o.Kustomization
	default:
		return o.Change
	}
}

func differenceText(f view.FieldDifference) string {
	text := fmt.Sprintf("%s: %s → %s", f.Path, orNone(oneLine(f.From)), orNone(oneLine(f.To)))
	if f.Manager == "" {
		return text
	}
	text += "   (" + f.Manager
	if f.Since != nil {
		text += " since " + f.Since.UTC().Format(time.RFC3339)
	}
	return text + ")"
}
