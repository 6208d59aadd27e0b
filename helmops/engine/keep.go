package engine

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine/crds"
	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/keep"
	"fairlead.dev/fairlead/helmops/plan"
)

// keeps says what the action does not delete.
func (r *run) keeps() kubeclient.Keep {
	out := kubeclient.Keep{
		Whole: r.Options.Whole, Prune: r.Options.PruneKinds, Before: r.Options.Kept,
		Resources: r.site.cluster.NamespacedResources,
	}
	if r.Chart != nil && !r.backwards {
		out.Brought = crds.Names(r.Chart.CRDObjects())
	}
	return out
}

// PreviewKept returns which objects an upgrade from one content to the other would not delete although it no longer has
// them. It changes nothing.
func (e *Engine) PreviewKept(ctx context.Context, a Action, from, to *Content) ([]v1beta1.KeptObject, error) {
	r, err := e.looking(ctx, a)
	if err != nil {
		return nil, err
	}

	var out []v1beta1.KeptObject
	err = r.hold(func() (err error) { //nolint:contextcheck // the run carries it
		out, err = r.newClient(nil, nil).PreviewKept(from.Manifest, to.Manifest)
		return err
	})
	return out, err
}

// HoldsData reports whether there may be data of users in any of the objects.
func HoldsData(refs []v1beta1.ResourceRef) bool {
	return slices.ContainsFunc(refs, func(ref v1beta1.ResourceRef) bool {
		_, _, group, kind, ok := ref.Split()
		return ok && keep.Holds(schema.GroupKind{Group: group, Kind: kind})
	})
}

// Data returns which of the objects hold data of users, which an uninstall of the release would delete.
func (e *Engine) Data(
	ctx context.Context, access cluster.Access, target plan.Target, refs []v1beta1.ResourceRef,
) ([]v1beta1.KeptObject, error) {
	r, err := e.looking(ctx, Action{Access: access, Target: target})
	if err != nil {
		return nil, err
	}

	var out []v1beta1.KeptObject
	err = r.hold(func() (err error) { //nolint:contextcheck // the run carries it
		out, err = r.newClient(nil, nil).Data(refs)
		return err
	})
	return out, err
}

// looking is a run that changes nothing.
func (e *Engine) looking(ctx context.Context, a Action) (*run, error) {
	at, as, err := e.sites.Get(a.Access) //nolint:contextcheck // a site outlives who asks for it first
	if err != nil {
		return nil, err
	}
	return &run{
		Action: a, ctx: ctx, site: at, as: as, engine: e, reader: reader(as, a.Access, a.Target), key: key(a.Target),
	}, nil
}
