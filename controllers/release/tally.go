package release

import (
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// recordState takes over how a release does.
func (w *watcher) recordState(hr *v1beta1.HelmRelease) {
	state := plan.StateOf(&hr.Status, w.now())
	w.setState(client.ObjectKeyFromObject(hr), &state)
}

// setState notes the state of a release; nil forgets it.
func (w *watcher) setState(key types.NamespacedName, now *plan.ReleaseState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var before *plan.ReleaseState
	if known, ok := w.states[key]; ok {
		before = &known
	}

	observeState(before, now)
	delete(w.states, key)
	if now != nil {
		w.states[key] = *now
	}
}

// widespread says that many releases are failing at once; empty when they are not.
func (w *watcher) widespread() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	failing := 0
	for _, state := range w.states {
		if state.Failing {
			failing++
		}
	}
	return plan.Widespread(failing, len(w.states))
}
