package plan

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// recentFailure is how long a failure counts against a release in Widespread.
const recentFailure = 10 * time.Minute

// ReleaseState is how one release does, for questions about many releases.
type ReleaseState struct {
	// Failing is set when the release is not healthy, or when an action failed a short while ago.
	Failing bool
	// Health is healthy, unhealthy or unknown.
	Health  string
	Drifted bool
}

// StateOf reads the state of a release from its status.
func StateOf(s *v1beta1.HelmReleaseStatus, now time.Time) ReleaseState {
	state := ReleaseState{Health: "unknown", Drifted: meta.IsStatusConditionTrue(s.Conditions, v1beta1.DriftedCondition)}
	if healthy := meta.FindStatusCondition(s.Conditions, v1beta1.HealthyCondition); healthy != nil {
		switch healthy.Status {
		case metav1.ConditionTrue:
			state.Health = "healthy"
		case metav1.ConditionFalse:
			state.Health = "unhealthy"
			state.Failing = true
		default:
		}
	}

	if f := s.LastFailure; f != nil && f.Class != v1beta1.FailureRejected && now.Sub(f.At.Time) < recentFailure {
		state.Failing = true
	}

	return state
}
