package release

import (
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// supersede ends the waits for readiness of a step, because its result is not wanted any more.
func (s *step) supersede() {
	s.outdated.Do(func() { close(s.superseded) })
}

// cancel ends a step at the request of a user: its waits, those for hooks among them, and what precedes its first write.
func (s *step) cancel() {
	s.ended.Do(func() { close(s.cancelled) })
	s.supersede()
}

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
