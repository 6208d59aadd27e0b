package engine

import (
	"context"
	"errors"
	"fmt"

	"helm.sh/helm/v3/pkg/release"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/engine/rendering"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/values"
)

// Foresight is what an install or upgrade would make of a release. All contents may hold secrets.
type Foresight struct {
	// From is what runs, an empty content when nothing does.
	From *Content
	// To is what would run, and Again the same, rendered a second time.
	To, Again *Content
	// First is set when it would be an install.
	First bool
	// Kept are objects that are no longer wanted, and that would not be deleted.
	Kept []v1beta1.KeptObject
	// Untried are objects of To that differ, and that the API server refuses in a dry run, or that it was not asked about.
	Untried []preview.Untried
	// Inputs identify what To is made of.
	Inputs preview.Inputs
}

// PlanChangedError is an action that would do something else than the plan that was approved. Nothing was changed.
type PlanChangedError struct {
	// Approved is the digest of the plan that was approved, and Now of what the action would do.
	Approved, Now string
}

// Error implements error.
func (e *PlanChangedError) Error() string {
	return fmt.Sprintf("it would not do what plan %s says, but what is now plan %s",
		v1beta1.ShortDigest(e.Approved), v1beta1.ShortDigest(e.Now))
}

// IsPlanChanged reports whether an action would have done something else than the plan that was approved.
func IsPlanChanged(err error) bool {
	var changed *PlanChangedError
	return errors.As(err, &changed)
}

// Foresee finds out what an install or upgrade, whichever it would be, makes of the chart and the values of the action.
// The API server is asked as the action would ask it, and nothing is changed.
func (e *Engine) Foresee(ctx context.Context, a Action) (*Foresight, error) {
	r, err := e.looking(ctx, a)
	if err != nil {
		return nil, err
	}

	if a.Load != nil {
		if r.Chart, err = a.Load(ctx); err != nil {
			return nil, err
		}
	}

	var out *Foresight
	err = r.hold(func() (err error) { //nolint:contextcheck // the run carries it
		out, err = r.foresee()
		return err
	})
	return out, err
}

func (r *run) foresee() (*Foresight, error) {
	history, err := r.site.records.History(r.ctx, r.reader, r.key)
	if err != nil {
		return nil, err
	}

	runs := plan.Current(history)
	if r.Afresh {
		history = nil
	}

	twice, inputs, err := r.renderTwice(history)
	if err != nil {
		return nil, err
	}

	out := &Foresight{
		From: &Content{}, To: r.contentFrom(twice[0]), Again: r.contentFrom(twice[1]),
		First: firstAfter(history), Inputs: inputs,
	}
	if runs == nil {
		out.Untried, err = r.try(out)
		return out, err
	}

	found, err := r.site.records.One(r.ctx, r.reader, r.key, runs.Version)
	if err != nil {
		return nil, err
	}
	if found != nil && found.Release != nil {
		out.From = contentOf(found.Release)
	}
	if r.Afresh {
		return out, nil // an uninstall keeps nothing for its successor
	}

	if out.Kept, err = r.newClient(nil, nil).PreviewKept(out.From.Manifest, out.To.Manifest); err != nil {
		return nil, err
	}

	out.Untried, err = r.try(out)
	return out, err
}

// try has the API server check the objects that differ, as the preflight of the action does.
func (r *run) try(f *Foresight) ([]preview.Untried, error) {
	changes, err := preview.Changes(f.From.Rendering(), f.To.Rendering(), r.Target.Namespace)
	if err != nil {
		return nil, err
	}

	update := kubeclient.Proposal{Manifest: f.To.Manifest, Former: f.From.Manifest}
	if r.Options.CreateNamespace {
		update.Namespaces = append(update.Namespaces, r.Target.Namespace)
	}

	return r.newClient(nil, nil).Try(update, changes)
}

// firstAfter reports whether the next action on a release with a history is an install.
func firstAfter(history []plan.Record) bool {
	return len(history) == 0 || history[0].Status == plan.StatusUninstalled
}

// renderTwice renders what the next action makes, two times, and says what it is made from.
func (r *run) renderTwice(history []plan.Record) (twice [2]*rendering.Result, inputs preview.Inputs, err error) {
	for i := range twice {
		if twice[i], err = r.rendered(newestOf(history), firstAfter(history)); err != nil {
			return twice, inputs, err
		}
	}

	capabilities, err := r.capabilities()
	if err != nil {
		return twice, inputs, err
	}

	inputs = preview.Inputs{
		Chart: r.Revision.Digest, Config: values.DigestWith(r.Values, r.Revision.ValuesDigest), Render: r.RenderDigest,
		KubeVersion: capabilities.KubeVersion.Version,
	}
	if runs := plan.Current(history); runs != nil {
		inputs.From = runs.Version
	}

	return twice, inputs, nil
}

// asApproved renders what the action makes, and refuses to do anything else than the plan that was approved. What it
// returns is what has to be applied: another rendering could be another one.
func (r *run) asApproved(before []plan.Record) (*rendering.Result, error) {
	twice, inputs, err := r.renderTwice(before)
	if err != nil {
		return nil, err
	}

	now, err := preview.Digest(preview.Input{
		To: r.contentFrom(twice[0]).Rendering(), Again: r.contentFrom(twice[1]).Rendering(), Namespace: r.Target.Namespace,
	}, inputs)
	if err != nil {
		return nil, fmt.Errorf("comparing it with its plan: %w", err)
	}
	if now != r.Approved {
		return nil, &PlanChangedError{Approved: r.Approved, Now: now}
	}

	return twice[0], nil
}

// contentFrom is the content of a revision that was rendered only.
func (r *run) contentFrom(result *rendering.Result) *Content {
	rel := &release.Release{Config: r.Values, Manifest: result.Manifest, Hooks: result.Hooks, Chart: r.Chart}
	return contentOf(rel)
}
