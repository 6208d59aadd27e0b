package engine

import (
	"context"
	"errors"
	"slices"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// drift looks at the objects of the revision that is deployed, and corrects them if that is the step.
func (r *run) drift(before []plan.Record) error {
	version := 0
	for _, record := range before { // newest first
		if record.Status == plan.StatusDeployed {
			version = record.Version
			break
		}
	}

	if version == 0 {
		return errors.New("no revision is deployed yet, so there is nothing to compare the cluster with")
	}

	deployed, err := r.site.records.One(r.ctx, r.reader, r.key, version)
	if err != nil {
		return err
	}
	if deployed == nil {
		return errors.New("the revision that was deployed is gone; it is looked for again")
	}

	r.looked = deployed.Release
	r.method = deployed.ApplyMethod
	if r.ListOnly {
		return nil
	}

	r.drifted, err = r.newClient(nil, nil).Drift(deployed.Release.Manifest, kubeclient.Inspection{
		Objects: r.Objects, Rules: r.DriftIgnore, Audit: r.Audit, Correct: r.Step == plan.Correct, Mask: r.scrubbed,
	})
	if r.Overwritten && len(r.drifted) > 0 {
		r.drifted = r.overwritten(before)
	}

	return err
}

// scrubbed hides secrets in a text about an object.
func (r *run) scrubbed(text string) string { return r.mask().Apply(ssa.Scrub(text)) }

// overwritten returns what of the differences an upgrade to the chart and the values would undo. Where that is not
// known, it returns all.
func (r *run) overwritten(before []plan.Record) []drift.Object {
	comparing := r.client // it knows what the objects looked like
	defer func() { r.client = comparing }()
	would, err := r.foreseen(newestOf(before), false)
	if err != nil {
		return r.drifted
	}

	client := r.newClient(nil, nil)
	objects, err := client.References(would.Manifest)
	if err != nil {
		return r.drifted
	}

	var refs []v1beta1.ResourceRef
	for _, object := range r.drifted {
		refs = append(refs, v1beta1.NewResourceRef(object.Namespace, object.Name, object.Group, object.Kind, ""))
	}

	changes, err := client.Drift(would.Manifest, kubeclient.Inspection{Objects: refs, Rules: r.DriftIgnore,
		Mask: r.scrubbed})
	if err != nil {
		return r.drifted
	}

	return drift.Overwritten(r.drifted, changes, func(object drift.Object) bool {
		id := v1beta1.NewResourceRef(object.Namespace, object.Name, object.Group, object.Kind, "").ID
		return slices.ContainsFunc(objects, func(ref v1beta1.ResourceRef) bool { return ref.ID == id })
	})
}

// Drift returns how the objects of the revision that is deployed differ from it, and changes nothing. With audit fields
// that others added are reported, too. Values of Secrets are masked. Where some objects cannot be looked at, the others
// are returned together with the error.
func (e *Engine) Drift(
	ctx context.Context, access cluster.Access, target plan.Target, rules *drift.Rules, audit bool,
) ([]drift.Object, error) {
	at, as, err := e.sites.Get(access) //nolint:contextcheck // a site outlives who asks for it first
	if err != nil {
		return nil, err
	}

	r := &run{
		Action: Action{Step: plan.Inspect, Access: access, Target: target, DriftIgnore: rules, Audit: audit},
		ctx:    ctx, site: at, as: as, engine: e, reader: reader(as, access, target), key: key(target),
	}
	before, err := at.records.History(ctx, r.reader, r.key)
	if err != nil {
		return nil, err
	}

	done := make(chan error, 1)
	//nolint:contextcheck // The run carries the context. It may not return once that has ended.
	guard.GoOr("comparing objects", func() { done <- r.hold(func() error { return r.drift(before) }) },
		func(err error) { done <- err })
	select {
	case err := <-done:
		return r.drifted, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
