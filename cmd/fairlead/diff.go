package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/view"
)

func newDiffCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff KIND NAME",
		Short: "Show how a release or a Kustomization differs from the cluster",
		Long: `Show how the cluster differs from a release or a Kustomization, object by object and field by field.
Nothing is changed.

Of a release it compares the cluster with the manifest of the deployed revision: what was changed, by which manager
and since when, and what the release wants. --revision compares two revisions in storage. --pending fetches the chart
that the release wants now, also while it is suspended, renders it with the wanted values, and compares that with what
is deployed.

Of a Kustomization it shows what the local directory of --path would create, change and delete in place of spec.path,
by a dry run on the API server: run it in a pull request to see what a merge would change. It also shows which objects
other Kustomizations of the source would take over; it builds these from the files around --path. --file takes the
Kustomization from a file. An object that the API server would refuse is an error.

Values in Secrets are masked, and so is what was encrypted or came from Secrets. The command uses your own rights:
comparing takes get and patch (for dry runs only), reading the Helm records takes get and list of Secrets. --pending
also reads the source, its Secret and what spec.valuesFrom names, and connects to upstream from this machine.

Exits with 0 when there is no difference, with 1 when there is one, with 2 on an error.`,
		Example: `  fairlead diff release shop -n web
  fairlead diff release shop -n web --revision 41..42
  fairlead diff release shop -n web --pending
  fairlead diff hr shop -n web -o json | jq '.objects[].name'
  fairlead diff kustomization apps -n fleet --path ./apps/production`,
		ValidArgsFunction: a.completeKindAndName("release", "kustomization"),
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputJSON, outputYAML)
	revisions := cmd.Flags().String("revision", "", "compare two revisions, as FROM..TO")
	pending := cmd.Flags().Bool("pending", false, "compare what is deployed with what the chart and the values that are wanted make")
	files := addFilesFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("revision", "pending")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, name, err := kindAndName(cmd, args, "release", "kustomization")
		if err != nil {
			return err
		}

		compared := releaseDiff{*revisions, *pending}
		if k.name == v1beta1.HelmReleaseKind {
			if *files != (filesFlags{}) {
				return usagef(cmd, "--path and --file are of Kustomizations, not of releases")
			}
			return a.diffRelease(cmd, k, name, compared, out)
		}

		if compared != (releaseDiff{}) {
			return usagef(cmd, "--pending and --revision are of releases; of a Kustomization, --path names what is compared")
		}
		if err := files.check(cmd); err != nil {
			return err
		}

		return a.diffKustomization(cmd.Context(), k, name, files, out)
	}
	return cmd
}

// releaseDiff is what of a release is compared: two revisions, the pending change, or the cluster.
type releaseDiff struct {
	revisions string
	pending   bool
}

func (a *app) diffRelease(cmd *cobra.Command, k kind, name string, compared releaseDiff, out *output) error {
	from, to, err := revisionRange(cmd, compared.revisions)
	if err != nil {
		return err
	}

	c, err := a.open()
	if err != nil {
		return err
	}

	key := types.NamespacedName{Namespace: c.namespace, Name: name}
	hr, err := a.release(cmd.Context(), c, k, key)
	switch {
	case err != nil:
		return err
	case hr.Spec.KubeConfig != nil:
		return elsewhere(k, key)
	case from > 0:
		return a.diffRevisions(cmd.Context(), c, hr, from, to, out)
	case compared.pending:
		return a.diffPending(cmd.Context(), c, hr, out)
	}

	return a.diffDrift(cmd.Context(), c, hr, out)
}

// revisionRange reads FROM..TO; both are 0 when there is none.
func revisionRange(cmd *cobra.Command, text string) (from, to int, err error) {
	if text == "" {
		return 0, 0, nil
	}

	first, second, is := strings.Cut(text, "..")
	from, errFrom := strconv.Atoi(first)
	to, errTo := strconv.Atoi(second)
	if !is || errFrom != nil || errTo != nil || from < 1 || to < 1 {
		return 0, 0, usagef(cmd, "--revision %q is not a range; write for example 41..42", text)
	}

	return from, to, nil
}

func (a *app) diffDrift(ctx context.Context, c *connection, hr *v1beta1.HelmRelease, out *output) error {
	rules, err := drift.Compile(hr.GetDriftIgnore())
	if err != nil {
		return fmt.Errorf("spec.driftDetection.ignore cannot be understood: %w", err)
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	look, err := c.engine(ctx)
	if err != nil {
		return err
	}

	found, err := look.Drift(ctx, cluster.Access{}, view.Target(hr), rules, false)
	if err != nil && len(found) == 0 {
		return fmt.Errorf("compare release %s/%s with the cluster: %w", hr.Namespace, hr.Name, err)
	}

	d := view.DriftDifferences(found, hr.GetReleaseNamespace())
	if printErr := a.printDifferences(d, out); err == nil {
		return printErr
	}

	return fmt.Errorf("not all objects of release %s/%s could be compared with the cluster: %w", hr.Namespace, hr.Name, err)
}

func (a *app) diffRevisions(ctx context.Context, c *connection, hr *v1beta1.HelmRelease, from, to int, out *output) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	look, err := c.engine(ctx)
	if err != nil {
		return err
	}

	target := view.Target(hr)
	former, errFormer := look.Stored(ctx, cluster.Access{}, target, from)
	latter, errLatter := look.Stored(ctx, cluster.Access{}, target, to)
	if err := errors.Join(errFormer, errLatter); err != nil {
		return fmt.Errorf("read the Helm records of %s/%s: %w", target.StorageNamespace, target.Name, err)
	}

	for version, content := range map[int]bool{from: former != nil, to: latter != nil} {
		if !content {
			return fmt.Errorf("revision %d of release %s/%s is not in storage; see %q", version, hr.Namespace, hr.Name,
				"fairlead history release "+hr.Name+" -n "+hr.Namespace)
		}
	}

	d, err := view.ContentDifferences(former, latter, target.Namespace, nil)
	if err != nil {
		return fmt.Errorf("compare revisions %d and %d of release %s/%s: %w", from, to, hr.Namespace, hr.Name, err)
	}

	d.Hooks = slices.DeleteFunc(d.Hooks, func(h view.HookDifference) bool { return h.Change == view.SameHook })
	d.From, d.To = fmt.Sprintf("revision %d (%s %s)", from, former.ChartName, former.ChartVersion),
		fmt.Sprintf("revision %d (%s %s)", to, latter.ChartName, latter.ChartVersion)
	return a.printDifferences(d, out)
}

// printDifferences returns errNotReady when there are any.
func (a *app) printDifferences(d view.Differences, out *output) error {
	if out.machine() {
		if err := out.write(a.out, d); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.err, "from %s to %s\n", oneLine(d.From), oneLine(d.To))
		a.pendingLines(d.Pending)
		a.differenceLines(d)
	}

	if d.Differ() {
		return errNotReady
	}

	return nil
}

func (a *app) differenceLines(d view.Differences) {
	switch {
	case d.Differ():
	case d.Pending != nil:
		fmt.Fprintln(a.err, "nothing pending")
	default:
		fmt.Fprintln(a.err, "no differences")
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
	for _, f := range o.Fields {
		out = append(out, "  "+oneLine(differenceText(f)))
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
