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

// followed is the stage of a pipeline that a release follows; nil for a release that follows none.
type followed struct {
	pipeline *v1beta1.ReleasePipeline
	name     string
}

// stage finds the stage that a release follows.
func (g *gatherer) stage(ctx context.Context, hr *v1beta1.HelmRelease) (*followed, error) {
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

	return &followed{pipeline: pipeline, name: source.GetLabels()[v1beta1.StageLabel]}, nil
}

// status is what the pipeline says of the stage; nil for nothing.
func (s *followed) status() *v1beta1.StageStatus {
	if s == nil {
		return nil
	}
	for i := range s.pipeline.Status.Stages {
		if s.pipeline.Status.Stages[i].Name == s.name {
			return &s.pipeline.Status.Stages[i]
		}
	}
	return nil
}

// wave is the hold of a release that follows a stage with waves, until it is admitted to the chart with a digest.
func (s *followed) wave(hr *v1beta1.HelmRelease, digest string) []plan.Hold {
	if s == nil {
		return nil
	}

	id := promotion.Identity{Chart: digest}
	if had := s.status(); had != nil && had.Wave != nil && had.Wave.Digest == digest {
		id.Values = had.Wave.ValuesDigest
	}

	waits := promotion.WaitsForWave(s.pipeline, s.name, id, hr)
	if waits == "" {
		return nil
	}

	return []plan.Hold{{Reason: v1beta1.HeldByWave, Message: waits}}
}

// waveWatch reconciles the releases of a stage when its waves admit others, or it gets other shared values.
func (h *handler) waveWatch() loop.Watch {
	return loop.Watch{
		Object: &v1beta1.ReleasePipeline{}, When: admitsOthers(),
		Affects: func(ctx context.Context, o client.Object) []reconcile.Request {
			pipeline := o.(*v1beta1.ReleasePipeline)
			registries := h.following(ctx, pipeline, v1beta1.OCIRepositoryKind)
			return append(registries, h.following(ctx, pipeline, v1beta1.HelmChartKind)...)
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
		choice := catalog.ChartRef{Kind: kind, Namespace: p.Namespace, Name: item.(client.Object).GetName()}
		for _, key := range catalog.ReleasesOf(ctx, h.objects, choice) {
			found = append(found, reconcile.Request{NamespacedName: key})
		}

		return nil
	})
	return found
}

// admitsOthers lets the events through after which the waves of a pipeline admit other releases, or a stage with shared
// values has another candidate.
func admitsOthers() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return !reflect.DeepEqual(wavesOf(e.ObjectOld), wavesOf(e.ObjectNew)) ||
				!reflect.DeepEqual(sharedOf(e.ObjectOld), sharedOf(e.ObjectNew))
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
