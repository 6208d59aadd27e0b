package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
)

// +kubebuilder:rbac:groups=fairlead.dev,resources=helmcharts,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=fairlead.dev,resources=gitrepositories,verbs=get;list;watch

// outletKinds are the kinds that the source of a stage may have.
var outletKinds = []string{v1beta1.OCIRepositoryKind, v1beta1.HelmChartKind}

// outletInterval is the interval of a HelmChart of a stage. It asks upstream for nothing itself.
var outletInterval = metav1.Duration{Duration: 5 * time.Minute}

// outletKind is the kind that the sources of the stages have: an OCIRepository for a chart in a registry, a HelmChart
// for any other. It is empty while the HelmRepository that decides it does not exist.
func (h *handler) outletKind(ctx context.Context, p *v1beta1.ReleasePipeline) (string, error) {
	ref := p.Spec.Subject.SourceRef
	switch ref.Kind {
	case v1beta1.OCIRepositoryKind:
		return v1beta1.OCIRepositoryKind, nil
	case v1beta1.GitRepositoryKind:
		return v1beta1.HelmChartKind, nil
	}

	source := &v1beta1.HelmRepository{}
	key := types.NamespacedName{Namespace: p.Namespace, Name: ref.Name}
	err := h.cached.Get(ctx, key, source, client.UnsafeDisableDeepCopy)
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("reading the source of the subject: %w", err)
	case source.IsOCI():
		return v1beta1.OCIRepositoryKind, nil
	}

	return v1beta1.HelmChartKind, nil
}

// deliverCharts points the HelmChart of each stage to its candidate. Missing ones are made with create only.
func (h *handler) deliverCharts(ctx context.Context, p *v1beta1.ReleasePipeline, create bool) error {
	for i := range p.Status.Stages {
		if p.Status.Stages[i].Delivery == nil || copyOf(p, p.Status.Stages[i].Name) != nil {
			continue
		}
		if err := h.pointChart(ctx, p, &p.Status.Stages[i], create); err != nil {
			return err
		}
	}
	return nil
}

// pointChart brings one HelmChart to the candidate of its stage.
func (h *handler) pointChart(
	ctx context.Context, p *v1beta1.ReleasePipeline, s *v1beta1.StageStatus, create bool,
) error {
	key := types.NamespacedName{Namespace: p.Namespace, Name: p.SourceName(s.Name)}
	live, err := h.wrote.charts.read(ctx, h.cached, h.live, key, &v1beta1.HelmChart{})
	exists := err == nil
	switch {
	case err != nil && !apierrors.IsNotFound(err):
		return fmt.Errorf("reading HelmChart %s: %w", key, err)
	case exists && !isOf(live, p):
		return &foreignError{v1beta1.HelmChartKind, key.Name}
	case !exists && !create:
		return nil
	}

	want := live.DeepCopy()
	want.Namespace = key.Namespace
	want.Name = key.Name
	want.Spec = chartSpec(p, s.Delivery.PipelineCandidate)
	if want.Labels == nil {
		want.Labels = map[string]string{}
	}

	want.Labels[v1beta1.PipelineLabel], want.Labels[v1beta1.StageLabel] = labelOf(p), s.Name
	annotateValues(want, s.Delivery.ValuesDigest)
	want.OwnerReferences = ownedBy(p)
	switch {
	case exists && equality.Semantic.DeepEqual(live, want):
		return nil
	case exists:
		err = h.writer.Patch(ctx, want, client.MergeFrom(live))
	default:
		err = h.writer.Create(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("writing HelmChart %s: %w", key, err)
	}

	h.wrote.charts.Remember(want)
	return nil
}

// chartSpec pins the chart of the subject to a candidate. It has a value in each field that the API server gives a
// default, so that what is wanted equals what is stored.
func chartSpec(p *v1beta1.ReleasePipeline, c v1beta1.PipelineCandidate) v1beta1.HelmChartSpec {
	subject := p.Spec.Subject
	interval := outletInterval
	return v1beta1.HelmChartSpec{
		Chart: subject.Chart, Version: c.Version, Digest: c.Digest, Origin: c.Origin,
		SourceRef: v1beta1.LocalSourceReference{Kind: subject.SourceRef.Kind, Name: subject.SourceRef.Name},
		Verify:    subject.Verify.DeepCopy(), ReconcileStrategy: v1beta1.ReconcileStrategyRevision, Interval: &interval,
	}
}

// prune deletes the sources of stages that the spec no longer has, and those of another kind than the sources have now,
// once no HelmRelease refers to them.
func (h *handler) prune(ctx context.Context, p *v1beta1.ReleasePipeline, kind string) error {
	var failed error
	for _, list := range []client.ObjectList{&v1beta1.OCIRepositoryList{}, &v1beta1.HelmChartList{}} {
		err := h.cached.List(ctx, list, client.InNamespace(p.Namespace),
			client.MatchingFields{pipelineIndex: labelOf(p)}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return fmt.Errorf("listing the sources of the stages: %w", err)
		}

		_ = meta.EachListItem(list, func(item runtime.Object) error { // no call returns an error
			failed = errors.Join(failed, h.pruneSource(ctx, p, item.(catalog.Object), kind))
			return nil
		})
	}

	return failed
}

func (h *handler) pruneSource(
	ctx context.Context, p *v1beta1.ReleasePipeline, source catalog.Object, kind string,
) error {
	own := v1beta1.OCIRepositoryKind
	if _, is := source.(*v1beta1.HelmChart); is {
		own = v1beta1.HelmChartKind
	}

	stage := source.GetLabels()[v1beta1.StageLabel]
	wanted := hasSource(p, stage) && (kind == "" || kind == own)
	if !metav1.IsControlledBy(source, p) || wanted {
		return nil
	}
	if len(catalog.ReleasesOf(ctx, h.cached, sourceOf(p, own, stage))) > 0 {
		return nil
	}

	return client.IgnoreNotFound(h.writer.Delete(ctx, source))
}

// sourceOf is the choice of the HelmReleases of a stage.
func sourceOf(p *v1beta1.ReleasePipeline, kind, stage string) catalog.ChartRef {
	return catalog.ChartRef{Kind: kind, Namespace: p.Namespace, Name: p.SourceName(stage)}
}

// releasesOf lists the HelmReleases of a stage. While the kind of its source is not known, either counts.
func (h *handler) releasesOf(
	ctx context.Context, p *v1beta1.ReleasePipeline, stage string,
) ([]types.NamespacedName, error) {
	kind, err := h.outletKind(ctx, p)
	if err != nil {
		return nil, err
	}

	var found []types.NamespacedName
	for _, each := range outletKinds {
		if kind == "" || kind == each {
			found = append(found, catalog.ReleasesOf(ctx, h.cached, sourceOf(p, each, stage))...)
		}
	}

	return found, nil
}
