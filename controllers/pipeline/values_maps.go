package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
)

// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;patch;delete

const configMapKind = "ConfigMap"

// goodMaps remembers at which version the ConfigMap of a stage was found to have its values, so that looking again
// costs no request.
type goodMaps struct {
	mu   sync.Mutex
	good map[types.NamespacedName]string
}

func (g *goodMaps) is(key types.NamespacedName, mark string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.good[key] == mark
}

func (g *goodMaps) note(key types.NamespacedName, mark string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.good == nil {
		g.good = map[types.NamespacedName]string{}
	}
	g.good[key] = mark
}

// forget drops what is known of the ConfigMaps of a pipeline that is gone.
func (g *goodMaps) forget(pipeline types.NamespacedName) {
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.good, func(key types.NamespacedName, _ string) bool {
		return key.Namespace == pipeline.Namespace && strings.HasPrefix(key.Name, pipeline.Name+"-")
	})
}

// markOf is the version of a ConfigMap, with the values that it has to have.
func markOf(o metav1.Object, digest string) string {
	return string(o.GetUID()) + " " + o.GetResourceVersion() + " " + digest
}

// annotateValues says on an object which shared values it goes with.
func annotateValues(o client.Object, digest string) {
	annotations := o.GetAnnotations()
	if digest == "" {
		delete(annotations, v1beta1.ValuesDigestAnnotation)
	} else {
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[v1beta1.ValuesDigestAnnotation] = digest
	}

	o.SetAnnotations(annotations)
}

// mapOf is the metadata of a ConfigMap of a pipeline, from the cache; nil when there is none. The error is a
// foreignError for one of that name that is not of the pipeline.
func (h *handler) mapOf(
	ctx context.Context, p *v1beta1.ReleasePipeline, name string,
) (*metav1.PartialObjectMetadata, error) {
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(configMapKind))
	err := h.cached.Get(ctx, types.NamespacedName{Namespace: p.Namespace, Name: name}, found)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading ConfigMap %s/%s: %w", p.Namespace, name, err)
	case !isOf(found, p):
		return nil, &foreignError{configMapKind, name}
	}

	return found, nil
}

// checkMaps is an error when the ConfigMap of a stage with shared values is not of the pipeline.
func (h *handler) checkMaps(ctx context.Context, p *v1beta1.ReleasePipeline) error {
	for i := range p.Status.Stages {
		s := &p.Status.Stages[i]
		if s.Delivery == nil || s.Delivery.ValuesDigest == "" {
			continue
		}
		if _, err := h.mapOf(ctx, p, p.SourceName(s.Name)); err != nil {
			return err
		}
	}
	return nil
}

// keep stores shared values for the candidates that have them, before the status names them: rollbacks and later stages
// need them when the source has others.
func (h *handler) keep(ctx context.Context, p *v1beta1.ReleasePipeline, file sharedFile) error {
	if file.digest == "" {
		return nil
	}

	name := p.SharedValuesName(file.digest)
	had, err := h.mapOf(ctx, p, name)
	if err != nil || had != nil && metav1.IsControlledBy(had, p) {
		return err
	}
	if had != nil {
		return h.adoptMap(ctx, p, had)
	}

	made := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Namespace, Name: name, OwnerReferences: ownedBy(p),
			Labels: map[string]string{v1beta1.PipelineLabel: labelOf(p)},
		},
		Immutable: ptr.To(true), Data: map[string]string{v1beta1.SharedValuesKey: string(file.content)},
	}
	annotateValues(made, file.digest)
	err = h.writer.Create(ctx, made)
	if apierrors.IsAlreadyExists(err) { // the cache lags behind
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing ConfigMap %s/%s: %w", p.Namespace, name, err)
	}

	return nil
}

// adoptMap makes a ConfigMap of a former pipeline of the name that of this one, before the API server deletes it.
func (h *handler) adoptMap(ctx context.Context, p *v1beta1.ReleasePipeline, had *metav1.PartialObjectMetadata) error {
	next := had.DeepCopy()
	next.OwnerReferences = ownedBy(p)
	if next.Labels == nil {
		next.Labels = map[string]string{}
	}

	next.Labels[v1beta1.PipelineLabel] = labelOf(p)
	if err := h.writer.Patch(ctx, next, client.MergeFrom(had)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the owner of ConfigMap %s/%s: %w", p.Namespace, had.Name, err)
	}

	return nil
}

// deliverValues brings the ConfigMap of each stage to the shared values of its candidate, once the source of the stage
// has the chart. lost names values that are needed and no longer there.
func (h *handler) deliverValues(ctx context.Context, p *v1beta1.ReleasePipeline) (lost string, err error) {
	for i := range p.Status.Stages {
		s := &p.Status.Stages[i]
		if s.Delivery == nil || s.Delivery.ValuesDigest == "" {
			continue
		}

		ready, err := h.outletHas(ctx, p, s)
		if err != nil {
			return lost, err
		}
		if !ready {
			continue // its watch reports when it is
		}

		missing, err := h.fillMap(ctx, p, s)
		if err != nil {
			return lost, err
		}
		if missing != "" {
			lost = missing
		}
	}
	return lost, h.pruneMaps(ctx, p)
}

// outletHas reports whether the source of a stage has the chart of its candidate.
func (h *handler) outletHas(ctx context.Context, p *v1beta1.ReleasePipeline, s *v1beta1.StageStatus) (bool, error) {
	source, err := h.outletOf(ctx, p, s.Name)
	if source == nil || err != nil {
		return false, err
	}
	return pinOf(source) == s.Delivery.Digest && chartDigestOf(source) == s.Delivery.Digest, nil
}

// chartDigestOf is the chart that the source of a stage has; empty for none.
func chartDigestOf(source catalog.Object) string {
	var chart *v1beta1.ChartRevision
	switch source := source.(type) {
	case *v1beta1.OCIRepository:
		chart = source.Status.Chart
	case *v1beta1.HelmChart:
		chart = source.Status.Chart
	}

	if chart == nil {
		return ""
	}

	return chart.Digest
}

// fillMap brings the ConfigMap of one stage to the values of its candidate.
func (h *handler) fillMap(
	ctx context.Context, p *v1beta1.ReleasePipeline, s *v1beta1.StageStatus,
) (missing string, err error) {
	key := types.NamespacedName{Namespace: p.Namespace, Name: p.SourceName(s.Name)}
	digest := s.Delivery.ValuesDigest
	had, err := h.mapOf(ctx, p, key.Name)
	if err != nil || had != nil && metav1.IsControlledBy(had, p) && h.maps.is(key, markOf(had, digest)) {
		return "", err
	}

	live := &corev1.ConfigMap{}
	err = h.live.Get(ctx, key, live)
	exists := err == nil
	switch {
	case err != nil && !apierrors.IsNotFound(err):
		return "", fmt.Errorf("reading ConfigMap %s: %w", key, err)
	case exists && !isOf(live, p):
		return "", &foreignError{configMapKind, key.Name}
	}

	content := live.Data[v1beta1.SharedValuesKey]
	if !sameValues(content, digest) {
		if content, err = h.kept(ctx, p, digest); err != nil {
			return "", err
		}
		if content == "" {
			return fmt.Sprintf("stage %s has the shared values %s, and ConfigMap %s/%s that kept them is gone or was "+
				"changed; the stage keeps what runs until it gets another candidate, or the source has these values "+
				"again", s.Name, v1beta1.ShortDigest(digest), p.Namespace, p.SharedValuesName(digest)), nil
		}
	}

	return "", h.writeMap(ctx, p, s, live, exists, content)
}

func sameValues(content, digest string) bool {
	has, err := valuesDigest([]byte(content))
	return err == nil && content != "" && has == digest
}

// kept is the document that was stored for a digest; empty when it is not there, or is another.
func (h *handler) kept(ctx context.Context, p *v1beta1.ReleasePipeline, digest string) (string, error) {
	stored := &corev1.ConfigMap{}
	key := types.NamespacedName{Namespace: p.Namespace, Name: p.SharedValuesName(digest)}
	if err := h.live.Get(ctx, key, stored); client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("reading ConfigMap %s: %w", key, err)
	}

	content := stored.Data[v1beta1.SharedValuesKey]
	if !sameValues(content, digest) {
		return "", nil
	}

	return content, nil
}

// writeMap writes the ConfigMap of a stage when it is another one than live, and remembers its version.
func (h *handler) writeMap(
	ctx context.Context, p *v1beta1.ReleasePipeline, s *v1beta1.StageStatus, live *corev1.ConfigMap, exists bool,
	content string,
) (err error) {
	want := live.DeepCopy()
	want.Namespace, want.Name = p.Namespace, p.SourceName(s.Name)
	want.Data = map[string]string{v1beta1.SharedValuesKey: content}
	if want.Labels == nil {
		want.Labels = map[string]string{}
	}

	want.Labels[v1beta1.PipelineLabel], want.Labels[v1beta1.StageLabel] = labelOf(p), s.Name
	annotateValues(want, s.Delivery.ValuesDigest)
	want.OwnerReferences = ownedBy(p)
	switch {
	case !exists:
		err = h.writer.Create(ctx, want)
	case !equality.Semantic.DeepEqual(live, want):
		err = h.writer.Patch(ctx, want, client.MergeFromWithOptions(live, client.MergeFromWithOptimisticLock{}))
	}
	if err != nil {
		return fmt.Errorf("writing ConfigMap %s/%s: %w", p.Namespace, want.Name, err)
	}

	h.maps.note(client.ObjectKeyFromObject(want), markOf(want, s.Delivery.ValuesDigest))
	return nil
}

// pruneMaps deletes the stored values that no candidate has any more, and adopts those of a former pipeline of the
// name.
func (h *handler) pruneMaps(ctx context.Context, p *v1beta1.ReleasePipeline) error {
	wanted := valuesOf(p)
	if len(wanted) == 0 && p.Spec.Subject.Values == nil {
		return nil
	}

	var failed error
	for digest := range wanted {
		had, err := h.mapOf(ctx, p, p.SharedValuesName(digest))
		if err == nil && had != nil && !metav1.IsControlledBy(had, p) {
			err = h.adoptMap(ctx, p, had)
		}

		failed = errors.Join(failed, err)
	}

	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(configMapKind + "List"))
	err := h.cached.List(ctx, list, client.InNamespace(p.Namespace),
		client.MatchingLabels{v1beta1.PipelineLabel: labelOf(p)})
	if err != nil {
		return errors.Join(failed, fmt.Errorf("listing the ConfigMaps of the pipeline: %w", err))
	}

	for i := range list.Items {
		had := &list.Items[i]
		digest := had.Annotations[v1beta1.ValuesDigestAnnotation]
		if wanted[digest] || had.Name != p.SharedValuesName(digest) || !metav1.IsControlledBy(had, p) {
			continue
		}

		had.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(configMapKind))
		failed = errors.Join(failed, client.IgnoreNotFound(h.writer.Delete(ctx, had)))
	}

	return failed
}

// valuesOf are the shared values of all candidates that the status names.
func valuesOf(p *v1beta1.ReleasePipeline) map[string]bool {
	found := map[string]bool{}
	add := func(c v1beta1.PipelineCandidate) {
		if c.ValuesDigest != "" {
			found[c.ValuesDigest] = true
		}
	}
	for _, c := range p.Status.Candidates {
		add(c)
	}

	for _, s := range p.Status.Stages {
		if s.Delivery != nil {
			add(s.Delivery.PipelineCandidate)
		}
		for _, v := range s.Verified {
			add(v.PipelineCandidate)
		}
	}

	return found
}
