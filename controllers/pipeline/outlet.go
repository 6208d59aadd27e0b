package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// fieldOwner owns what the controller writes.
const fieldOwner = "fairlead-pipeline"

// foreignError says that an object of a name that a pipeline needs is not its own.
type foreignError struct{ kind, name string }

// Error implements error.
func (e *foreignError) Error() string {
	return fmt.Sprintf("%s %s exists and is not of this pipeline; rename it, or the stage", e.kind, e.name)
}

// base is the spec of the OCIRepositories of a pipeline without their digest: that of its subject. The error says why
// there is none.
func (h *handler) base(ctx context.Context, p *v1beta1.ReleasePipeline) (*v1beta1.OCIRepositorySpec, error) {
	ref := p.Spec.Subject.SourceRef
	key := types.NamespacedName{Namespace: p.Namespace, Name: ref.Name}
	if ref.Kind == v1beta1.OCIRepositoryKind {
		source := &v1beta1.OCIRepository{}
		if err := h.cached.Get(ctx, key, source, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}

		spec := source.Spec.DeepCopy()
		spec.Reference = nil
		spec.Suspend = false
		spec.Ignore = nil
		spec.LayerSelector = nil
		return spec, nil
	}

	source := &v1beta1.HelmRepository{}
	if err := h.cached.Get(ctx, key, source, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}

	spec := source.Spec.DeepCopy()
	return &v1beta1.OCIRepositorySpec{
		URL:       strings.TrimSuffix(spec.URL, "/") + "/" + p.Spec.Subject.Chart,
		SecretRef: spec.SecretRef, CertSecretRef: spec.CertSecretRef, Provider: spec.Provider, Insecure: spec.Insecure,
		Interval: spec.Interval, Timeout: spec.Timeout, Verify: p.Spec.Subject.Verify.DeepCopy(),
	}, nil
}

// deliver points the source of each stage to the candidate that the status says.
func (h *handler) deliver(ctx context.Context, p *v1beta1.ReleasePipeline) error {
	kind, err := h.outletKind(ctx, p)
	if err != nil {
		return err
	}
	if err := h.checkMaps(ctx, p); err != nil {
		return err
	}
	if kind != v1beta1.OCIRepositoryKind {
		err = h.deliverCharts(ctx, p, kind != "")
	}
	if kind != v1beta1.HelmChartKind {
		err = errors.Join(err, h.deliverRepositories(ctx, p))
	}
	if err != nil {
		return err
	}

	return h.prune(ctx, p, kind)
}

// deliverRepositories points the OCIRepository of each stage to its candidate.
func (h *handler) deliverRepositories(ctx context.Context, p *v1beta1.ReleasePipeline) error {
	base, err := h.base(ctx, p)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("reading the source of the subject: %w", err)
	}

	for i := range p.Status.Stages {
		if p.Status.Stages[i].Delivery == nil || copyOf(p, p.Status.Stages[i].Name) != nil {
			continue
		}
		if err := h.point(ctx, p, &p.Status.Stages[i], base); err != nil {
			return err
		}
	}

	return nil
}

// point brings one OCIRepository to the digest of its stage. Without a base, which is gone with the subject, it keeps
// everything else.
func (h *handler) point(
	ctx context.Context, p *v1beta1.ReleasePipeline, s *v1beta1.StageStatus, base *v1beta1.OCIRepositorySpec,
) error {
	key := types.NamespacedName{Namespace: p.Namespace, Name: p.SourceName(s.Name)}
	live, err := h.wrote.repositories.read(ctx, h.cached, h.live, key, &v1beta1.OCIRepository{})
	exists := err == nil
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("reading OCIRepository %s: %w", key, err)
	}

	switch {
	case exists && !isOf(live, p):
		return &foreignError{v1beta1.OCIRepositoryKind, key.Name}
	case !exists && base == nil:
		return nil
	}

	want := live.DeepCopy()
	want.Namespace = key.Namespace
	want.Name = key.Name
	if base != nil {
		want.Spec = *base.DeepCopy()
	}

	want.Spec.Reference = &v1beta1.OCIRepositoryRef{Digest: s.Delivery.Digest}
	if want.Labels == nil {
		want.Labels = map[string]string{}
	}

	want.Labels[v1beta1.PipelineLabel], want.Labels[v1beta1.StageLabel] = labelOf(p), s.Name
	annotateValues(want, s.Delivery.ValuesDigest)
	want.OwnerReferences = ownedBy(p)
	if exists {
		if equality.Semantic.DeepEqual(live, want) {
			return nil
		}
		err = h.writer.Patch(ctx, want, client.MergeFrom(live))
	} else {
		err = h.writer.Create(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("writing OCIRepository %s: %w", key, err)
	}

	h.wrote.repositories.Remember(want)
	return nil
}

// ownedBy makes an object go with the pipeline.
func ownedBy(p *v1beta1.ReleasePipeline) []metav1.OwnerReference {
	return []metav1.OwnerReference{{
		APIVersion: v1beta1.GroupVersion.String(), Kind: v1beta1.ReleasePipelineKind, Name: p.Name, UID: p.UID,
		Controller: ptr.To(true),
	}}
}

// labelOf is the value of the label that names a pipeline: its UID, since a name can be too long for a label.
func labelOf(p *v1beta1.ReleasePipeline) string { return string(p.UID) }

// hasSource reports whether a pipeline has a stage with a source of its own.
func hasSource(p *v1beta1.ReleasePipeline, name string) bool {
	if p.Spec.Subject.Charts != nil {
		return false // the pipelines of its charts have them
	}
	for _, s := range p.Spec.Stages {
		if s.Name == name && s.CopyOf() == nil {
			return true
		}
	}
	return false
}
