package release

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
)

// notAttributable says what else goes wrong at the moment that may be why a release is not healthy; empty when there is nothing.
func (h *handler) notAttributable(ctx context.Context, hr *v1beta1.HelmRelease) string {
	for _, key := range refs.Below(hr, v1beta1.HelmReleaseKind) {
		below := &v1beta1.HelmRelease{}
		if err := h.dependencies.Objects.Get(ctx, key, below); err != nil {
			continue // it is gone, which work on this release waits for anyway
		}
		if meta.IsStatusConditionFalse(below.Status.Conditions, v1beta1.HealthyCondition) {
			return fmt.Sprintf("HelmRelease %s, which it depends on, is not healthy", key)
		}
	}
	return h.watcher.widespread()
}
