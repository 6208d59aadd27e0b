package engine

import (
	"context"
	"errors"
	"slices"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// RevisionDrift is how the cluster differs from one revision in storage.
type RevisionDrift struct {
	// Objects of the revision that differ, in the fields that its manifest sets. Values of Secrets are masked.
	Objects []drift.Object
	// Added are objects in the cluster that the revision does not have: a later revision brought them, or the one that
	// is deployed. Their fields are not listed.
	Added []drift.Object
}

// DriftFrom returns how the cluster differs from a revision of the release, and changes nothing. Of the action it takes
// the access, the target, what may drift and the mask. It is nil when the revision is not in storage. Where some
// objects cannot be looked at, the others are returned together with the error.
func (e *Engine) DriftFrom(ctx context.Context, a Action, revision int) (*RevisionDrift, error) {
	a.Step = plan.Inspect
	r, err := e.looking(ctx, a)
	if err != nil {
		return nil, err
	}

	before, err := r.site.records.History(ctx, r.reader, r.key)
	if err != nil {
		return nil, err
	}

	var out *RevisionDrift
	done := make(chan error, 1)
	//nolint:contextcheck // The run carries the context. It may not return once that has ended.
	guard.GoOr("comparing objects", func() {
		done <- r.hold(func() (err error) {
			out, err = r.driftFrom(before, revision)
			return err
		})
	}, func(err error) { done <- err })
	select {
	case err := <-done:
		return out, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (r *run) driftFrom(before []plan.Record, revision int) (*RevisionDrift, error) {
	found, err := r.site.records.One(r.ctx, r.reader, r.key, revision)
	if err != nil || found == nil || found.Release == nil {
		return nil, err
	}

	r.method = found.ApplyMethod
	client := r.newClient(nil, nil)
	look := kubeclient.Inspection{Rules: r.DriftIgnore, Mask: r.scrubbed}
	objects, driftErr := client.Drift(found.Release.Manifest, look)
	own, err := client.References(found.Release.Manifest)
	if err != nil {
		return nil, errors.Join(driftErr, err)
	}

	added, err := r.addedAfter(before, revision, own)
	return &RevisionDrift{Objects: objects, Added: added}, errors.Join(driftErr, err)
}

// addedAfter returns the objects in the cluster that later revisions, or the one that is deployed, have besides own.
func (r *run) addedAfter(before []plan.Record, revision int, own []v1beta1.ResourceRef) ([]drift.Object, error) {
	known := slices.Clone(own)
	var out []drift.Object
	var failures []error
	for _, record := range before {
		if record.Version == revision || record.Version < revision && record.Status != plan.StatusDeployed {
			continue
		}

		other, err := r.site.records.One(r.ctx, r.reader, r.key, record.Version)
		if err != nil {
			return out, err
		}
		if other == nil || other.Release == nil {
			continue // it was pruned meanwhile
		}

		added, err := r.existing(other.Release.Manifest, &known)
		out = append(out, added...)
		failures = append(failures, err)
	}

	return out, errors.Join(failures...)
}

// existing returns the objects of a manifest that are in the cluster and not yet known, and adds all of them to known.
func (r *run) existing(manifest string, known *[]v1beta1.ResourceRef) ([]drift.Object, error) {
	all, err := r.client.References(manifest)
	if err != nil {
		return nil, err
	}

	isKnown := func(ref v1beta1.ResourceRef) bool {
		return slices.ContainsFunc(*known, func(k v1beta1.ResourceRef) bool { return k.ID == ref.ID })
	}
	added := slices.DeleteFunc(all, isKnown)
	if len(added) == 0 {
		return nil, nil // an empty list would be all objects
	}

	*known = append(*known, added...)
	looked, driftErr := r.client.Drift(manifest, kubeclient.Inspection{
		Objects: added, Rules: r.DriftIgnore, Mask: r.scrubbed,
	})
	marked, err := r.client.References(manifest) // Drift noted which of them there are
	if err != nil {
		return nil, errors.Join(driftErr, err)
	}

	var out []drift.Object
	for _, ref := range marked {
		namespace, name, group, kind, ok := ref.Split()
		isAdded := slices.ContainsFunc(added, func(a v1beta1.ResourceRef) bool { return a.ID == ref.ID })
		if !ok || !isAdded || ref.Ownership == drift.Absent || ref.Ownership == "" {
			continue
		}

		object := drift.Object{Kind: kind, Group: group, Namespace: namespace, Name: name}
		object.Note = noteOf(looked, object)
		out = append(out, object)
	}

	return out, driftErr
}

// noteOf is why an object is left as it is; empty when it is not.
func noteOf(looked []drift.Object, object drift.Object) string {
	at := slices.IndexFunc(looked, func(o drift.Object) bool {
		return o.Kind == object.Kind && o.Group == object.Group &&
			o.Namespace == object.Namespace && o.Name == object.Name
	})
	if at < 0 {
		return ""
	}
	return looked[at].Note
}
