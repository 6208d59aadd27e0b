package release

import (
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// drop forgets a step that has ended.
func (h *handler) drop(key types.NamespacedName) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.steps, key)
	delete(h.compared, key)
}

// ended forgets a step that has ended. The answer of a comparison stands after what precedes the upgrade that it
// calls for.
func (h *handler) ended(key types.NamespacedName, o status.Outcome, compared release.Comparison) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.steps, key)
	switch {
	case compared != release.Comparison{}:
		h.compared[key] = compared
	case o.Step != plan.Claim && o.Step != plan.Inspect:
		delete(h.compared, key)
	}
}
