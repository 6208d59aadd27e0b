package pipeline

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// outdated says why an OCIRepository that still stands for a chart may miss newer ones: its last poll failed. A
// HelmRepository can fail because of other charts, and does not count.
func (h *handler) outdated(ctx context.Context, p *v1beta1.ReleasePipeline) error {
	ref := p.Spec.Subject.SourceRef
	if ref.Kind != v1beta1.OCIRepositoryKind {
		return nil
	}

	source := &v1beta1.OCIRepository{}
	if err := h.cached.Get(ctx, types.NamespacedName{Namespace: p.Namespace, Name: ref.Name}, source); err != nil {
		return client.IgnoreNotFound(err)
	}

	ready := meta.FindStatusCondition(source.Status.Conditions, v1beta1.ReadyCondition)
	if ready == nil || ready.Status != metav1.ConditionFalse {
		return nil
	}

	return fmt.Errorf("%s %s/%s is not ready: %s", ref.Kind, p.Namespace, ref.Name, ready.Message)
}
