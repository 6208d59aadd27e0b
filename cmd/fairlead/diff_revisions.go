package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"fairlead.dev/fairlead/api/v1beta1"
	controllers "fairlead.dev/fairlead/controllers/release"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/view"
)

// diffRevisions compares a revision in storage with another one, with the cluster, or with what the release wants.
func (a *app) diffRevisions(
	ctx context.Context, c *connection, hr *v1beta1.HelmRelease, r revisionRange, out *output,
) error {
	if r.to == pendingState {
		from := wantedSource{release: hr}
		return withWantedRelease(ctx, c, from, func(ctx context.Context, look inspector, w *wantedRelease) error {
			return a.compareWithPending(ctx, look, w, r.from, out)
		})
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	look, err := c.engine(ctx)
	if err != nil {
		return err
	}

	from, err := storedRevision(ctx, look, hr, r.from)
	if err != nil {
		return err
	}

	pair := storedPairOf(ctx, c, hr)
	if r.to == liveState {
		return a.compareWithLive(ctx, look, pair, from, out)
	}

	to, err := storedRevision(ctx, look, hr, r.to)
	if err != nil {
		return err
	}

	d, err := view.ContentDifferences(from, to, view.Target(hr).Namespace, pair.mask(from, to).Apply)
	if err != nil {
		return fmt.Errorf("compare revisions %d and %d of release %s/%s: %w",
			from.Revision, to.Revision, hr.Namespace, hr.Name, err)
	}

	d.From = revisionLabel(from)
	d.To = revisionLabel(to)
	d.Values = pair.valueDifferences(from, to)
	d.Hooks = changedHooks(d.Hooks)
	return a.printDifferences(d, out)
}

// compareWithLive compares a revision with the cluster. Its values are compared with those of the deployed revision,
// which the objects in the cluster are made of.
func (a *app) compareWithLive(
	ctx context.Context, look inspector, pair storedPair, from *engine.Content, out *output,
) error {
	hr := pair.release
	rules, err := driftRules(hr)
	if err != nil {
		return err
	}

	records, err := recordsOf(ctx, look, hr)
	if err != nil {
		return err
	}

	values := []view.ValueDifference{}
	mask := pair.mask(from)
	if plan.Current(records) != nil {
		deployed, err := storedRevision(ctx, look, hr, deployedRevision)
		if err != nil {
			return err
		}

		values = pair.valueDifferences(from, deployed)
		mask = pair.mask(from, deployed)
	}

	action := engine.Action{Target: view.Target(hr), DriftIgnore: rules, Mask: mask}
	found, err := look.DriftFrom(ctx, action, from.Revision)
	switch {
	case err != nil && (found == nil || len(found.Objects)+len(found.Added) == 0):
		return fmt.Errorf("compare revision %d of release %s/%s with the cluster: %w",
			from.Revision, hr.Namespace, hr.Name, err)
	case found == nil:
		return notStored(hr, from.Revision)
	}

	d := view.LiveDifferences(found, view.Target(hr).Namespace)
	d.From = revisionLabel(from)
	d.Values = values
	return a.printPartly(hr, d, out, err)
}

// compareWithPending compares a revision with what the release wants now.
func (a *app) compareWithPending(
	ctx context.Context, look inspector, w *wantedRelease, revision string, out *output,
) error {
	hr := w.release
	from, err := storedRevision(ctx, look, hr, revision)
	if err != nil {
		return err
	}

	p, err := a.pendingContents(ctx, look, hr, w.in, w.action)
	if err != nil {
		return err
	}

	to := p.to
	if to == nil { // what is wanted is deployed
		to = p.from
	}
	if to == nil {
		return notStored(hr, p.would.Deployed.Version)
	}

	mask := w.maskOf(from.Values)
	d, err := view.ContentDifferences(from, to, p.target.Namespace, mask.Apply)
	if err != nil {
		return fmt.Errorf("compare revision %d of release %s/%s with %s: %w",
			from.Revision, hr.Namespace, hr.Name, w.in.Chart, err)
	}

	d.From = revisionLabel(from)
	d.To = fmt.Sprintf("the wanted chart (%s %s) and values", w.in.Chart.Name, w.in.Chart.Version)
	d.Values = w.valueDifferences(from, to)
	d.Hooks = changedHooks(d.Hooks)
	return a.printDifferences(d, out)
}

// storedRevision reads the revision that a text names, see isRevision. It is not nil.
func storedRevision(
	ctx context.Context, look inspector, hr *v1beta1.HelmRelease, text string,
) (*engine.Content, error) {
	version, _ := strconv.Atoi(text)
	if text == deployedRevision {
		records, err := recordsOf(ctx, look, hr)
		if err != nil {
			return nil, err
		}

		current := plan.Current(records)
		if current == nil {
			return nil, fmt.Errorf("no revision of release %s/%s is deployed; see %q",
				hr.Namespace, hr.Name, historyCommand(hr))
		}

		version = current.Version
	}

	target := view.Target(hr)
	found, err := look.Stored(ctx, cluster.Access{}, target, version)
	if err != nil {
		return nil, fmt.Errorf("read the Helm records of %s/%s: %w", target.StorageNamespace, target.Name, err)
	}
	if found == nil {
		return nil, notStored(hr, version)
	}

	return found, nil
}

func recordsOf(ctx context.Context, look inspector, hr *v1beta1.HelmRelease) ([]plan.Record, error) {
	target := view.Target(hr)
	records, err := look.History(ctx, cluster.Access{}, target)
	if err != nil {
		return nil, fmt.Errorf("read the Helm records of %s/%s: %w", target.StorageNamespace, target.Name, err)
	}
	return records, nil
}

func notStored(hr *v1beta1.HelmRelease, revision int) error {
	return fmt.Errorf("revision %d of release %s/%s is not in storage; see %q",
		revision, hr.Namespace, hr.Name, historyCommand(hr))
}

func historyCommand(hr *v1beta1.HelmRelease) string {
	return "fairlead history release " + hr.Name + " -n " + hr.Namespace
}

func revisionLabel(content *engine.Content) string {
	return fmt.Sprintf("revision %d (%s %s)", content.Revision, content.ChartName, content.ChartVersion)
}

// storedPair compares revisions in storage, which does not say which values came from Secrets.
type storedPair struct {
	release *v1beta1.HelmRelease
	// known are the present values that come from no Secret.
	known map[string]any
}

// storedPairOf reads the ConfigMaps with values of a release. Where that fails, the values of spec.values alone are
// known, and more is masked.
func storedPairOf(ctx context.Context, c *connection, hr *v1beta1.HelmRelease) storedPair {
	plain := hr.DeepCopy()
	plain.Spec.ValuesFrom = slices.DeleteFunc(plain.Spec.ValuesFrom, func(r v1beta1.ValuesReference) bool {
		return r.Kind == "Secret"
	})
	composed, err := controllers.Values(ctx, callerReader{c.client}, plain)
	if err != nil {
		return storedPair{hr, view.InlineValues(hr)}
	}

	return storedPair{hr, composed.Merged}
}

// mask hides what may have come from Secrets: when the release takes any value from a Secret, the values that are not
// known to come from elsewhere.
func (s storedPair) mask(contents ...*engine.Content) redact.Mask {
	var mask redact.Mask
	for _, content := range contents {
		mask = mask.Join(release.MaskOf(s.release, release.Inputs{Values: s.known}, content.Values))
	}
	return mask
}

func (s storedPair) valueDifferences(from, to *engine.Content) []view.ValueDifference {
	takes := view.TakesSecretValues(s.release)
	return view.ValueDifferences(
		view.StoredValues(from.Values, s.known, takes),
		view.StoredValues(to.Values, s.known, takes),
		view.SecretsMask(redact.Mask{}, from, to).Apply,
	)
}

func changedHooks(hooks []view.HookDifference) []view.HookDifference {
	return slices.DeleteFunc(slices.Clone(hooks), func(h view.HookDifference) bool { return h.Change == view.SameHook })
}
