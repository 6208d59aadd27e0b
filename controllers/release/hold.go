package release

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// hold keeps the release at the chart that it has while a freeze applies, or until its wave in a stage of a pipeline
// admits it. Everything is read from the cache.
func (g *gatherer) hold(ctx context.Context, hr *v1beta1.HelmRelease, in *release.Inputs, stage *followed) error {
	present := status.ChartOf(&hr.Status)
	if in.Unsourced == nil && present.Digest != "" && present.Digest != in.Chart.Digest {
		holds, err := g.freezes(ctx, hr)
		if err != nil {
			return err
		}

		wave := stage.wave(hr, in.Chart.Digest)
		in.Hold(plan.UpgradeFacts{
			Wanted: in.Chart, Present: present, Released: release.Released(&hr.Status),
			Follows: len(holds) > 0 && g.catalog.Follows(ctx, catalog.ChoiceOfRelease(hr), present, in.Chart),
			Holds:   append(holds, wave...),
		}, g.now())
	}

	status.ReleaseHeld(hr, in.Held.Status())
	return nil
}

// freezes are the holds of the ReleaseFreezes that a release falls under.
func (g *gatherer) freezes(ctx context.Context, hr *v1beta1.HelmRelease) ([]plan.Hold, error) {
	if g.noFreezes {
		return nil, nil
	}

	found, err := refs.Freezes(ctx, g.objects, hr)
	if err != nil {
		return nil, err
	}

	holds := make([]plan.Hold, 0, len(found))
	for _, f := range found {
		holds = append(holds, plan.Hold{
			Reason: v1beta1.HeldByFreeze, RangeOnly: true, From: f.From, Until: f.Until, Message: f.Message,
		})
	}

	return holds, nil
}

// moreWatches are those of owners, of pipelines with waves, of approvals, and of freezes unless they are left out.
func (h *handler) moreWatches() []loop.Watch {
	owners := h.owners.watch()
	waves := h.waveWatch()
	approvals := refs.WatchApprovals(v1beta1.HelmReleaseKind)
	if h.noFreezes {
		return []loop.Watch{owners, waves, approvals}
	}
	return []loop.Watch{owners, waves, approvals, {Object: &v1beta1.ReleaseFreeze{}, Affects: h.frozen}}
}

// frozen are the releases that a freeze is about, or was about before a change.
func (h *handler) frozen(ctx context.Context, o client.Object) []reconcile.Request {
	list := &v1beta1.HelmReleaseList{}
	if err := h.objects.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache answers; it fails only while the process stops
	}

	var found []reconcile.Request
	for i := range list.Items {
		if hr := &list.Items[i]; o.(*v1beta1.ReleaseFreeze).Covers(hr) {
			key := types.NamespacedName{Namespace: hr.Namespace, Name: hr.Name}
			found = append(found, reconcile.Request{NamespacedName: key})
		}
	}

	return found
}
