package review

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	controllers "fairlead.dev/fairlead/controllers/release"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/view"
)

// changeOf names what happens to what is on one side, or on both.
func changeOf(before, after bool) string {
	switch {
	case !before:
		return diff.Created
	case !after:
		return diff.Deleted
	default:
		return diff.Changed
	}
}

// releaseTask is the plan of a release. It is touched when anything differs that it is made of.
func (r *runner) releaseTask(key types.NamespacedName) task {
	from, to := r.base.releases[key], r.head.releases[key]
	t := task{
		item: view.NewReviewItem(v1beta1.HelmReleaseKind, key.Namespace, key.Name, changeOf(from != nil, to != nil)),
		from: from, to: to, touched: true,
	}
	t.plan = func(ctx context.Context, item *view.ReviewItem) error { return r.planRelease(ctx, item, from, to) }
	present, other := to, r.base
	if to == nil {
		present, other = from, r.head
	}

	t.place = func() (string, int) { return present.side.fileOf(present.built) }
	if u := other.units[present.unit.key]; (from == nil || to == nil) && u != nil && u.err != nil {
		t.plan = func(context.Context, *view.ReviewItem) error {
			return fmt.Errorf("%s, which declares it, cannot be built in %s", u.key, other.tree.Revision)
		}
	}
	if from == nil || to == nil {
		return t
	}

	before, err := from.fingerprint()
	after, otherErr := to.fingerprint()
	if err := errors.Join(err, otherErr); err != nil {
		t.plan = func(context.Context, *view.ReviewItem) error { return err }
		return t
	}

	t.touched = before != after
	return t
}

// want announces the charts and values of all plans, so that each source is asked once.
func (r *runner) want(ctx context.Context, tasks []task) {
	for _, t := range tasks {
		for _, d := range []*declared{t.from, t.to} {
			if d == nil {
				continue
			}

			d.side.lookup.Want(catalog.ChoicesOfValues(d.HelmRelease)...)
			choice, source, err := d.side.lookup.Origin(ctx, catalog.ChoiceOfRelease(d.HelmRelease))
			if err == nil && !r.charts.keeps(d.side, choice, source) {
				d.side.lookup.Want(choice)
			}
		}
	}
}

// wanted is what a release is made of on one side. It may hold secrets.
type wanted struct {
	action engine.Action
	values view.GivenValues
	mask   redact.Mask
	notes  []string
}

// planRelease makes the plan of a release. The error holds no secret.
func (r *runner) planRelease(ctx context.Context, item *view.ReviewItem, from, to *declared) error {
	before, err := r.wanted(ctx, from, from == nil)
	if err != nil {
		return fmt.Errorf("before the change: %w", err)
	}

	after, err := r.wanted(ctx, to, from == nil)
	if err != nil {
		return err
	}

	mask := before.mask.Join(after.mask)
	in := view.ReviewInput{From: before.values, To: after.values}
	in.Mask = mask.Apply
	if from != nil {
		item.From = &before.action.Revision
		in.Namespace = before.action.Target.Namespace
		item.Notes = append(item.Notes, before.notes...)
	}
	if to != nil {
		item.To = &after.action.Revision
		in.Namespace = after.action.Target.Namespace
		in.DisableHooks = after.action.Options.DisableHooks
		in.Tests = plan.TestsOf(to.HelmRelease)
		item.Notes = append(item.Notes, after.notes...)
	}
	if from != nil && to != nil && before.action.Target != after.action.Target {
		item.Notes = append(item.Notes,
			"the release gets another name or namespace: all of it is uninstalled and installed")
	}

	slices.Sort(item.Notes)
	item.Notes = slices.Compact(item.Notes)
	share := item.Namespace + "/" + item.Name
	in.Foresight, err = r.offline.Foresee(ctx, share, actionOf(from, &before), actionOf(to, &after))
	if err != nil {
		return errors.New(mask.Apply(err.Error()))
	}
	if to == nil {
		r.keepOnDelete(in.Foresight, from)
	}

	return item.SetRelease(in)
}

func actionOf(d *declared, w *wanted) *engine.Action {
	if d == nil {
		return nil
	}
	return &w.action
}

// keepOnDelete has the objects of a release stay when nothing uninstalls it.
func (r *runner) keepOnDelete(f *engine.Foresight, from *declared) {
	switch u := r.head.units[from.unit.key]; {
	case u != nil && !u.prunes():
		f.KeepAll(fmt.Sprintf("%s has spec.prune off, so the HelmRelease stays", u.key))
	case u == nil && !from.unit.prunes():
		f.KeepAll(fmt.Sprintf("%s had spec.prune off, so the HelmRelease stays", from.unit.key))
	case from.Spec.DeletionPolicy == v1beta1.DeletionPolicyOrphan:
		f.KeepAll("spec.deletionPolicy of the HelmRelease is Orphan")
	}
}

// wanted finds out what a release is made of; nothing for nil. The error holds no secret.
func (r *runner) wanted(ctx context.Context, d *declared, first bool) (wanted, error) {
	out := wanted{values: view.NoValues()}
	if d == nil {
		return out, nil
	}
	if err := d.checkSource(ctx); err != nil {
		return out, err
	}

	hr := d.withKnownValues(ctx, &out.notes)
	composed, err := controllers.ValuesWith(ctx, d.side.reader, d.side.lookup.Values, hr)
	if err != nil {
		return out, errors.New(d.unit.mask.Apply(err.Error()))
	}

	out.mask = composed.Mask.Join(d.unit.mask)
	out.values = view.WantedValues(composed.Merged, composed.Layers)
	in := release.Inputs{Values: composed.Merged, Mask: out.mask}
	revision, loaded, err := r.charts.load(ctx, d)
	if err != nil {
		return out, errors.New(out.mask.Apply(err.Error()))
	}

	in.Chart = revision
	out.action = release.Rendering(hr, in, first)
	out.action.Chart = loaded
	if in.Values == nil {
		out.action.Values = map[string]any{}
	}
	if hr.Spec.Suspend {
		out.notes = append(out.notes, "the release is suspended: nothing changes until it is resumed")
	}
	if out.action.Options.PreserveValues {
		out.notes = append(out.notes, "spec.upgrade.preserveValues: the values of the deployed revision are not known")
	}

	return out, nil
}

// checkSource reports a source that is not known.
func (d *declared) checkSource(ctx context.Context) error {
	choice := catalog.ChoiceOfRelease(d.HelmRelease)
	source := catalog.NewSource(choice.Kind)
	if source == nil {
		return fmt.Errorf("its chart has a source of the kind %q, which there is not", choice.Kind)
	}

	key := types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}
	err := d.side.reader.Get(ctx, key, source)
	switch {
	case isNotFound(err) && d.side.Cluster == nil:
		return fmt.Errorf("%s is not in the tree; --cluster reads it from the cluster", choice.Source())
	case isNotFound(err):
		return fmt.Errorf("%s is neither in the tree nor in the cluster", choice.Source())
	case err != nil:
		return fmt.Errorf("read %s: %w", choice.Source(), err)
	}

	return nil
}

// withKnownValues is the release without the ConfigMaps and Secrets that are not known.
func (d *declared) withKnownValues(ctx context.Context, notes *[]string) *v1beta1.HelmRelease {
	hr := d.DeepCopy()
	hr.Spec.ValuesFrom = slices.DeleteFunc(hr.Spec.ValuesFrom, func(ref v1beta1.ValuesReference) bool {
		key := types.NamespacedName{Namespace: hr.Namespace, Name: ref.Name}
		if ref.IsSource() || ref.Optional || d.side.knows(ctx, ref.Kind, key) {
			return false
		}

		why := "it is not in the tree"
		if _, declared := d.side.find(kindToRead(newDocument(ref.Kind)), key); declared {
			why = "it is encrypted"
		}

		*notes = append(*notes, fmt.Sprintf("the values of %s %s are not known: %s", ref.Kind, key, why))
		return true
	})
	return hr
}
