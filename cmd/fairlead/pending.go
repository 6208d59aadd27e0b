package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/view"
)

// useWanted looks at what a release wants now.
type useWanted func(ctx context.Context, look inspector, in release.Inputs, action engine.Action) error

// withWanted finds out what a release wants now, and uses it while the engine and the chart are there.
func withWanted(ctx context.Context, c *connection, hr *v1beta1.HelmRelease, use useWanted) error {
	from := wantedSource{release: hr}
	return withWantedRelease(ctx, c, from, func(ctx context.Context, look inspector, w *wantedRelease) error {
		return use(ctx, look, w.in, w.action)
	})
}

// diffPending compares what is deployed with what the release wants now.
func (a *app) diffPending(ctx context.Context, c *connection, hr *v1beta1.HelmRelease, out *output) error {
	from := wantedSource{release: hr}
	return withWantedRelease(ctx, c, from, func(ctx context.Context, look inspector, w *wantedRelease) error {
		return a.comparePending(ctx, look, w, out)
	})
}

// comparePending compares what is deployed with what the inputs make.
func (a *app) comparePending(ctx context.Context, look inspector, w *wantedRelease, out *output) error {
	hr := w.release
	in := w.in
	p, err := a.pendingContents(ctx, look, hr, in, w.action)
	if err != nil {
		return err
	}

	d := pendingOf(p.would, in)
	same := "nothing pending"
	if w.label != "" {
		d.To = w.label
		same = "nothing would change"
	}

	d.Values = []view.ValueDifference{}
	if p.to == nil {
		return a.printDifferencesOr(same, d, out)
	}

	compared, err := view.ContentDifferences(p.from, p.to, p.target.Namespace, w.maskOf(p.from.Values).Apply)
	if err != nil {
		return fmt.Errorf("compare release %s/%s with %s: %w", hr.Namespace, hr.Name, in.Chart, err)
	}

	d.Values = w.valueDifferences(p.from, p.to)
	d.Objects = compared.Objects
	d.Hooks = view.HooksOfNext(compared.Hooks, view.NextHooks{
		Install: p.first, Disabled: p.rendering.Options.DisableHooks, Tests: plan.TestsOf(hr),
	})
	kept, err := p.kept(ctx, look)
	if err != nil {
		return err
	}

	d.Keeps(kept, p.target.Namespace)
	if p.would.Change.Step == plan.Need && len(d.Objects)+len(changedHooks(d.Hooks)) == 0 {
		d.Pending.Change = ""
		d.Hooks = []view.HookDifference{} // another Helm client made just what is wanted
		d.Values = []view.ValueDifference{}
	}

	return a.printDifferencesOr(same, d, out)
}

// pendingContents are what runs and what the wanted chart and values make.
type pendingContents struct {
	target plan.Target
	would  release.Preview
	// first is set when the next action is an install.
	first bool
	// rendering is the action with which the engine renders.
	rendering engine.Action
	// from is what runs, empty for nothing. to is nil when nothing is pending.
	from, to *engine.Content
	// mask hides the secrets of both.
	mask func(string) string
}

func (a *app) pendingContents(
	ctx context.Context, look inspector, hr *v1beta1.HelmRelease, in release.Inputs, action engine.Action,
) (*pendingContents, error) {
	target := view.Target(hr)
	records, err := look.History(ctx, cluster.Access{}, target)
	if err != nil {
		return nil, fmt.Errorf("read the Helm records of %s/%s: %w", target.StorageNamespace, target.Name, err)
	}

	p := &pendingContents{target: target, would: release.PreviewOf(hr, in, records, a.now()), from: &engine.Content{}}
	if p.would.Deployed != nil {
		p.from, err = look.Stored(ctx, cluster.Access{}, target, p.would.Deployed.Version)
		if err != nil {
			return nil, fmt.Errorf("read the Helm records of %s/%s: %w", target.StorageNamespace, target.Name, err)
		}
	}
	if p.would.Change.Step == plan.None || p.from == nil {
		return p, nil
	}

	p.first = isFirst(records)
	p.rendering = release.Rendering(hr, in, p.first)
	p.rendering.Chart = action.Chart
	if p.to, err = content(ctx, look, p.would, p.rendering); err != nil {
		return nil, fmt.Errorf("render %s for release %s/%s: %s", in.Chart, hr.Namespace, hr.Name, in.Mask.Apply(err.Error()))
	}

	p.mask = release.MaskOf(hr, in, p.from.Values).Apply
	return p, nil
}

// kept are the objects that are no longer wanted and that the action would leave in the cluster.
func (p *pendingContents) kept(ctx context.Context, look inspector) ([]v1beta1.KeptObject, error) {
	kept, err := look.PreviewKept(ctx, p.rendering, p.from, p.to)
	if err != nil {
		return nil, fmt.Errorf("find out what an upgrade of release %s/%s would keep: %w", p.target.Namespace, p.target.Name, err)
	}
	return kept, nil
}

// isFirst reports whether the next action is an install.
func isFirst(records []plan.Record) bool {
	if len(records) == 0 {
		return true
	}
	return records[0].Status == plan.StatusUninstalled || records[0].Status == plan.StatusPendingInstall
}

// content is what the inputs make: what the revision that is being made has, where it is made of them, else a rendering.
func content(ctx context.Context, look inspector, would release.Preview, rendering engine.Action) (*engine.Content, error) {
	if would.RunsWanted {
		to, err := look.Stored(ctx, cluster.Access{}, rendering.Target, would.Running.Version)
		if err != nil || to != nil {
			return to, err
		}
	}
	return look.Render(ctx, rendering)
}

// pendingOf says what is compared, without the objects.
func pendingOf(would release.Preview, in release.Inputs) view.Differences {
	out := view.Differences{From: "nothing", To: "the wanted chart and values", Objects: []view.ObjectDifference{}, Hooks: []view.HookDifference{},
		Pending: &view.PendingChange{To: in.Chart}}
	if r := would.Deployed; r != nil {
		out.From = fmt.Sprintf("revision %d (%s %s)", r.Version, r.Chart.Name, r.Chart.Version)
		out.Pending.From = &r.Chart
	}

	if would.Change.Step == plan.None {
		return out
	}

	out.Pending.Change = in.Mask.Apply(would.Change.Message)
	switch would.Next.Step {
	case plan.Install, plan.Upgrade, plan.Compare, plan.Need:
	default:
		out.Pending.Note = in.Mask.Apply(would.Next.Message)
	}

	out.Pending.Note = cmp.Or(out.Pending.Note, in.Note)
	return out
}

// pendingLines prints why something is pending, and what keeps it from happening.
func (a *app) pendingLines(p *view.PendingChange) {
	if p == nil || p.Change == "" {
		return
	}

	from := "-"
	if p.From != nil {
		from = strings.TrimSpace(fmt.Sprintf("%s %s %s", p.From.Name, p.From.Version, v1beta1.ShortDigest(p.From.Digest)))
	}

	to := fmt.Sprintf("%s %s %s", p.To.Name, p.To.Version, v1beta1.ShortDigest(p.To.Digest))
	a.say("%s", oneLine("chart: "+from+" → "+to))
	a.say("why: %s", oneLine(p.Change))
	if p.Note != "" {
		a.say("but: %s", oneLine(p.Note))
	}
}

// callerReader reads with the rights of the caller and says which of them is missing.
type callerReader struct{ client.Reader }

// Get implements client.Reader.
func (r callerReader) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	err := r.Reader.Get(ctx, key, object, options...)
	if !apierrors.IsForbidden(err) {
		return err
	}

	var answer apierrors.APIStatus
	what := "this"
	if errors.As(err, &answer) && answer.Status().Details != nil {
		what = strings.TrimSuffix(answer.Status().Details.Kind+"."+answer.Status().Details.Group, ".")
	}

	return fmt.Errorf("forbidden: you may not get %s in namespace %s (kubectl auth can-i get %s -n %s)", what, key.Namespace, what, key.Namespace)
}
