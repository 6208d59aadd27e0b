package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/view"
)

const planLong = `Show what the next install or upgrade of a release, or the next revision of a Kustomization, would do: every
object and field, which pods restart, what cannot be changed in place, which data would be deleted, which rights grow,
the images and the resource requests. Nothing is changed.

Of a release it fetches the chart that the release wants now, also while it is suspended, and renders it twice with the
wanted values: fields that differ between the two renderings change by themselves, and are neither compared nor part of
the digest of the plan. The digest is the same as long as the same inputs make the same objects from the same revision.
Objects that differ are tried in a dry run on the API server, which takes patch; what it refuses is named.

Of a Kustomization it builds what the source has upstream now, or the local directory of --path in place of spec.path,
and compares the live objects with what a dry run on the API server makes of them. The digest is the same as long as the same objects are built, and the
same are deleted, on top of what is applied. What the API server refuses is compared by its manifest.

The risk of the plan is the highest of these:
  None         nothing restarts, nothing is deleted
  Restart      pods are replaced
  Recreate     a field changes that cannot be changed in place: the API
               server refuses the upgrade
  DataLoss     volumes, namespaces or custom resources are deleted
  Escalation   workloads or subjects get rights that they do not have

Values in Secrets, and what came from Secrets, are masked. The command uses your own rights: it reads the Helm records,
the source, its Secret and what spec.valuesFrom names, and connects to upstream from this machine. A Kustomization takes
get of the objects and patch for dry runs. With --waiting it reads the ReleasePlan that the controller wrote, and
nothing else.

With --causes it also says why: it renders up to 40 times more, with the changes of the chart and of the values since
the revision that runs taken back one after the other, and names for each field those that change it. The search ends
after a minute; what is not found out by then is named.

Exits with 0 when nothing is pending, with 1 when something is, with 2 on an error.`

func newPlanCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan KIND NAME",
		Short: "Show what the next change would do, and how risky it is",
		Long:  planLong,
		Example: `  fairlead plan release shop -n web
  fairlead plan hr shop -n web -o json | jq -r .risk
  fairlead plan release shop -n web --causes
  fairlead plan release shop --waiting -n web
  fairlead plan release shop -n web -o json | jq '.objects[] | select(.risks)'
  fairlead plan kustomization apps -n fleet
  fairlead plan kustomization apps -n fleet --path ./apps/production`,
		ValidArgsFunction: a.completeKindAndName("release", "kustomization"),
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputJSON, outputYAML)
	files := addFilesFlags(cmd)
	waiting := cmd.Flags().Bool("waiting", false,
		"print the plan of a release that waits for an approval, as the controller computed it")
	causes := cmd.Flags().Bool("causes", false,
		"name the chart or the value of a release that causes each change")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *waiting && *causes {
			return usagef(cmd, "--causes renders the release with your rights, and does not go with --waiting")
		}
		if *waiting {
			return a.waitingPlan(cmd, args, out)
		}

		k, name, err := kindAndName(cmd, args, "release", "kustomization")
		if err != nil {
			return err
		}
		if k.name == v1beta1.KustomizationKind && *causes {
			return usagef(cmd, "--causes is of releases, not of Kustomizations")
		}
		if k.name == v1beta1.KustomizationKind {
			return a.planKustomization(cmd, k, name, files, out)
		}
		if *files != (filesFlags{}) {
			return usagef(cmd, "--path and --file are of Kustomizations, not of releases")
		}

		c, hr, err := a.localRelease(cmd, args)
		if err != nil {
			return err
		}

		return a.planRelease(cmd.Context(), c, hr, *causes, out)
	}
	return cmd
}

// planRelease prints the plan of a release. It returns errNotReady when something is pending.
func (a *app) planRelease(
	ctx context.Context, c *connection, hr *v1beta1.HelmRelease, causes bool, out *output,
) error {
	var p view.Plan
	look := func(ctx context.Context, look inspector, w *wantedRelease) (err error) {
		var find findCauses
		if causes {
			find = w.findCauses(ctx, c, look)
		}

		p, err = a.planOf(ctx, look, hr, w.in, w.action, find)
		return err
	}
	err := withWantedRelease(ctx, c, wantedSource{release: hr}, look)
	if err != nil {
		return err
	}

	return a.printPlan(p, out)
}

// printPlan prints a plan. It returns errNotReady when something is pending.
func (a *app) printPlan(p view.Plan, out *output) error {
	var err error
	if out.machine() {
		err = out.write(a.out, p)
	} else {
		a.planLines(p)
	}
	if err == nil && p.Change != "" {
		err = errNotReady
	}

	return err
}

// planOf finds out what the next install or upgrade would do and, unless find is nil, why.
func (a *app) planOf(
	ctx context.Context, look inspector, hr *v1beta1.HelmRelease, in release.Inputs, action engine.Action,
	find findCauses,
) (view.Plan, error) {
	target := view.Target(hr)
	records, err := look.History(ctx, cluster.Access{}, target)
	if err != nil {
		return view.Plan{}, fmt.Errorf("read the Helm records of %s/%s: %w", target.StorageNamespace, target.Name, err)
	}

	out := view.EmptyPlan()
	would := release.PreviewOf(hr, in, records, a.now())
	if would.Change.Step != plan.None {
		rendering := release.Rendering(hr, in, isFirst(records))
		rendering.Chart = action.Chart
		if out, err = foreseen(ctx, look, hr, in, rendering, find); err != nil {
			return view.Plan{}, fmt.Errorf("plan release %s/%s: %s", hr.Namespace, hr.Name, in.Mask.Apply(err.Error()))
		}
	}

	out.Namespace = hr.Namespace
	out.Name = hr.Name
	out.PendingChange = *pendingOf(would, in).Pending
	if would.Deployed != nil {
		out.FromRevision = would.Deployed.Version
	}
	if would.Change.Step == plan.Need && len(out.Objects)+len(changedHooks(out.Hooks)) == 0 {
		out.Change = "" // another Helm client made just what is wanted
		out.Digest = ""
	}

	return out, nil
}

func foreseen(
	ctx context.Context, look inspector, hr *v1beta1.HelmRelease, in release.Inputs, rendering engine.Action,
	find findCauses,
) (view.Plan, error) {
	f, err := look.Foresee(ctx, rendering)
	if err != nil {
		return view.Plan{}, err
	}

	p, err := view.NewPlan(view.PlanInput{
		Foresight: f, Namespace: rendering.Target.Namespace, DisableHooks: rendering.Options.DisableHooks,
		Tests: plan.TestsOf(hr), Mask: release.MaskOf(hr, in, f.From.Values).Apply,
	})
	if err != nil || find == nil || f.Inputs.From == 0 {
		return p, err
	}

	return p, find(rendering, f, p.Objects)
}

// planLines prints a plan for people: the verdict first, then what it is made of.
func (a *app) planLines(p view.Plan) {
	if p.Change == "" {
		a.note("nothing pending: release %s/%s runs the wanted chart and values", p.Namespace, p.Name)
		return
	}

	a.pendingLines(&p.PendingChange)
	a.objectsOfPlan(p.PlanContent)
	a.hookLines(p.Hooks)
	a.podsOfPlan(p.PlanContent)
	fmt.Fprintf(a.out, "risk: %s\n", a.paint(colourOfRisk[p.Risk], p.Risk))
	fmt.Fprintf(a.out, "plan: %s\n", p.Digest)
}

// objectsOfPlan prints what happens to the objects.
func (a *app) objectsOfPlan(p view.PlanContent) {
	s := p.Summary
	a.say("%d created, %d changed, %d deleted, %d kept, %d unchanged", s.Created, s.Changed, s.Deleted, s.Kept, s.Same)
	for _, o := range p.Objects {
		for _, line := range a.objectLines(o.ObjectDifference, remarks(o)) {
			fmt.Fprintln(a.out, line)
		}
	}
}

// podsOfPlan prints images and resource requests, and what could not be compared.
func (a *app) podsOfPlan(p view.PlanContent) {
	for _, i := range p.Images {
		line := fmt.Sprintf("image of %s, container %s: %s → %s", i.Object, i.Container, orNone(i.From), orNone(i.To))
		fmt.Fprintln(a.out, oneLine(line))
	}

	a.requestLine("cpu", p.Requests.CPU)
	a.requestLine("memory", p.Requests.Memory)
	for _, f := range p.Unstable {
		line := fmt.Sprintf("not compared: %s%s changes with each rendering", f.Object, spaced(f.Path))
		fmt.Fprintln(a.out, oneLine(line))
	}
}

// colourOfRisk gives risks the colours of states.
var colourOfRisk = map[string]string{
	preview.None.String(): "Current", preview.Restart.String(): "InProgress", preview.Recreate.String(): "Failed",
	preview.DataLoss.String(): "Failed", preview.Escalation.String(): "Failed",
}

// remarks are the risks of an object, and what else there is to say about it.
func remarks(o view.PlanObject) string {
	texts := make([]string, 0, len(o.Risks)+1)
	for _, r := range o.Risks {
		texts = append(texts, r.Class+": "+r.Why)
	}
	if o.Note != "" {
		texts = append(texts, o.Note)
	}
	return strings.Join(texts, "; ")
}

func spaced(path string) string {
	if path == "" {
		return ""
	}
	return " " + path
}

func (a *app) requestLine(name string, amount view.PlanAmount) {
	if amount.Changes() {
		fmt.Fprintf(a.out, "requests of %s: %s → %s\n", name, amount.From.String(), amount.To.String())
	}
}
