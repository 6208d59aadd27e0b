package release

import (
	"context"
	"reflect"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/promotion"
)

// wave is the hold of a release that follows a stage with waves, until it is admitted to the chart with a digest.
func (g *gatherer) wave(ctx context.Context, hr *v1beta1.HelmRelease, digest string) ([]plan.Hold, error) {
	choice := catalog.ChoiceOfRelease(hr)
	source := catalog.NewSource(choice.Kind)
	if source == nil || hr.Spec.ChartRef == nil {
		return nil, nil
	}
	key := types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}
	if err := g.objects.Get(ctx, key, source); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	owner := metav1.GetControllerOf(source)
	if owner == nil || owner.Kind != v1beta1.ReleasePipelineKind {
		return nil, nil
	}
	pipeline := &v1beta1.ReleasePipeline{}
	key.Name = owner.Name
	if err := g.objects.Get(ctx, key, pipeline); err != nil {
		return nil, client.IgnoreNotFound(err) // without its pipeline, the source stays as it is
	}
	waits := promotion.WaitsForWave(pipeline, source.GetLabels()[v1beta1.StageLabel], digest, hr)
	if waits == "" {
		return nil, nil
	}
	return []plan.Hold{{Reason: v1beta1.HeldByWave, Message: waits}}, nil
}

// waveWatch reconciles the releases of a stage when its waves admit others.
func (h *handler) waveWatch() loop.Watch {
	return loop.Watch{
		Object: &v1beta1.ReleasePipeline{}, When: admitsOthers(),
		Affects: func(ctx context.Context, o client.Object) []reconcile.Request {
			pipeline := o.(*v1beta1.ReleasePipeline)
			var found []reconcile.Request
			for _, kind := range []string{v1beta1.OCIRepositoryKind, v1beta1.HelmChartKind} {
				found = append(found, h.following(ctx, pipeline, kind)...)
			}
			return found
		},
	}
}

// following are the releases that follow the sources of a kind that a pipeline made.
func (h *handler) following(ctx context.Context, p *v1beta1.ReleasePipeline, kind string) []reconcile.Request {
	sources := catalog.NewList(kind)
	err := h.objects.List(ctx, sources, client.InNamespace(p.Namespace),
		client.MatchingLabels{v1beta1.PipelineLabel: string(p.UID)})
	if err != nil {
		return nil // the cache answers; it fails only while the process stops
	}
	var found []reconcile.Request
	_ = meta.EachListItem(sources, func(item runtime.Object) error { // no call returns an error
		choice := catalog.Choice{Kind: kind, Namespace: p.Namespace, Name: item.(client.Object).GetName()}
		for _, key := range catalog.ReleasesOf(ctx, h.objects, choice) {
			found = append(found, reconcile.Request{NamespacedName: key})
		}
		return nil
	})
	return found
}

// admitsOthers lets the events through after which the waves of a pipeline admit other releases.
func admitsOthers() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return !reflect.DeepEqual(wavesOf(e.ObjectOld), wavesOf(e.ObjectNew))
		},
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// stageWaves are the waves of a stage, as they are declared and as they are.
type stageWaves struct {
	spec   []v1beta1.StageWave
	status *v1beta1.StageWaveStatus
}

// wavesOf are the waves of a pipeline by stage; none for another object.
func wavesOf(o client.Object) map[string]stageWaves {
	pipeline, ok := o.(*v1beta1.ReleasePipeline)
	if !ok {
		return nil
	}
	waves := map[string]stageWaves{}
	for _, s := range pipeline.Spec.Stages {
		if len(s.Waves) > 0 {
			waves[s.Name] = stageWaves{spec: s.Waves}
		}
	}
	for _, s := range pipeline.Status.Stages {
		if w, has := waves[s.Name]; has {
			w.status = s.Wave
			waves[s.Name] = w
		}
	}
	return waves
}
