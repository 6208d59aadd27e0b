package release

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// recently is how long a failure counts against a release.
const recently = 10 * time.Minute

// state is how a release does, for those that are about many releases.
type state struct {
	// failing is set when it is not healthy, or failed a short while ago.
	failing bool
	// health is that of its condition Healthy: healthy, unhealthy or unknown.
	health  string
	drifted bool
}

// tally takes over how a release does.
func (w *watcher) tally(hr *v1beta1.HelmRelease) {
	conditions := hr.Status.Conditions
	now := state{health: "unknown", drifted: meta.IsStatusConditionTrue(conditions, v1beta1.DriftedCondition)}
	if healthy := meta.FindStatusCondition(conditions, v1beta1.HealthyCondition); healthy != nil {
		switch healthy.Status {
		case metav1.ConditionTrue:
			now.health = "healthy"
		case metav1.ConditionFalse:
			now.health, now.failing = "unhealthy", true
		default:
		}
	}
	f := hr.Status.LastFailure
	if f != nil && f.Class != v1beta1.FailureRejected && w.now().Sub(f.At.Time) < recently {
		now.failing = true
	}
	w.enter(client.ObjectKeyFromObject(hr), &now)
}

// enter notes the state of a release; nil forgets it.
func (w *watcher) enter(key types.NamespacedName, now *state) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var before *state
	if had, is := w.states[key]; is {
		before = &had
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
	for _, is := range w.states {
		if is.failing {
			failing++
		}
	}
	return plan.Widespread(failing, len(w.states))
}
