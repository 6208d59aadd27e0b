package plan

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestObjectsOfAnAdoptedReleaseAreListedOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var a AdoptionSchedule
	if due, again := a.Unlisted(StatusFailed, now); due || again != 0 {
		t.Errorf("a failed release: %t, again in %s", due, again)
	}
	if due, _ := a.Unlisted(StatusDeployed, now); !due {
		t.Error("a deployed release is not listed")
	}
	a.Listed(false, now)
	if due, again := a.Unlisted(StatusDeployed, now.Add(time.Second)); due || again != ListAgain-time.Second {
		t.Errorf("after a failure: %t, again in %s", due, again)
	}
	if due, _ := a.Unlisted(StatusDeployed, now.Add(ListAgain)); !due {
		t.Error("the listing is not retried")
	}
}

func TestTheProbationOfAnAdoptedReleaseEndsOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	adopted := &v1beta1.Snapshot{Version: 3}
	for _, tt := range []struct {
		name     string
		latest   *v1beta1.Snapshot
		mode     string
		listed   bool
		released time.Time
		want     time.Duration
	}{
		{name: "no revision", mode: v1beta1.DriftEnabled},
		{name: "installed by the controller", latest: &v1beta1.Snapshot{Action: "install"}, mode: v1beta1.DriftEnabled},
		{name: "drift is only reported anyway", latest: adopted, mode: v1beta1.DriftWarn},
		{name: "not released yet", latest: adopted, mode: v1beta1.DriftEnabled, want: AdoptionReport},
		{
			name: "released some time ago", latest: adopted, mode: v1beta1.DriftEnabled,
			released: now.Add(-time.Minute), want: AdoptionReport - time.Minute,
		},
		{name: "released long ago", latest: adopted, mode: v1beta1.DriftEnabled, released: now.Add(-time.Hour)},
		{
			name: "released long ago, listed now", latest: adopted, mode: v1beta1.DriftEnabled, listed: true,
			released: now.Add(-time.Hour), want: AdoptionReport,
		},
	} {
		var a AdoptionSchedule
		if tt.listed {
			a.Listed(true, now)
		}
		if left, over := a.Probation(tt.latest, tt.mode, tt.released, now); left != tt.want || over {
			t.Errorf("%s: %s left, over %t", tt.name, left, over)
		}
	}

	var a AdoptionSchedule
	a.Probation(adopted, v1beta1.DriftEnabled, now, now)
	after := now.Add(AdoptionReport)
	if left, over := a.Probation(adopted, v1beta1.DriftEnabled, now, after); left != 0 || !over {
		t.Errorf("at the end: %s left, over %t", left, over)
	}
	if _, over := a.Probation(adopted, v1beta1.DriftEnabled, now, after); over {
		t.Error("the probation ends twice")
	}
}

func TestStateOf(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	condition := func(kind string, value metav1.ConditionStatus) []metav1.Condition {
		return []metav1.Condition{{Type: kind, Status: value}}
	}
	failed := func(class string, ago time.Duration) *v1beta1.LastFailure {
		return &v1beta1.LastFailure{Class: class, At: metav1.NewTime(now.Add(-ago))}
	}
	for _, tt := range []struct {
		name   string
		status v1beta1.HelmReleaseStatus
		want   ReleaseState
	}{
		{name: "nothing known", want: ReleaseState{Health: "unknown"}},
		{
			name:   "healthy",
			status: v1beta1.HelmReleaseStatus{Conditions: condition(v1beta1.HealthyCondition, metav1.ConditionTrue)},
			want:   ReleaseState{Health: "healthy"},
		},
		{
			name:   "unhealthy",
			status: v1beta1.HelmReleaseStatus{Conditions: condition(v1beta1.HealthyCondition, metav1.ConditionFalse)},
			want:   ReleaseState{Health: "unhealthy", Failing: true},
		},
		{
			name:   "drifted",
			status: v1beta1.HelmReleaseStatus{Conditions: condition(v1beta1.DriftedCondition, metav1.ConditionTrue)},
			want:   ReleaseState{Health: "unknown", Drifted: true},
		},
		{
			name:   "failed a short while ago",
			status: v1beta1.HelmReleaseStatus{LastFailure: failed(v1beta1.FailureHealth, time.Minute)},
			want:   ReleaseState{Health: "unknown", Failing: true},
		},
		{
			name:   "failed long ago",
			status: v1beta1.HelmReleaseStatus{LastFailure: failed(v1beta1.FailureHealth, time.Hour)},
			want:   ReleaseState{Health: "unknown"},
		},
		{
			name:   "rejected before anything was applied",
			status: v1beta1.HelmReleaseStatus{LastFailure: failed(v1beta1.FailureRejected, time.Minute)},
			want:   ReleaseState{Health: "unknown"},
		},
	} {
		if got := StateOf(&tt.status, now); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
