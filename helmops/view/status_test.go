package view

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A condition that stays True through an upgrade is not older than the revision that it speaks of.
func TestConditionsAreOfTheNewestRevision(t *testing.T) {
	t.Parallel()
	old, upgraded := metav1.NewTime(time.Unix(1000, 0)), metav1.NewTime(time.Unix(2000, 0))
	hr := &v1beta1.HelmRelease{}
	hr.Generation = 2
	hr.Status.ObservedGeneration = 2
	hr.Status.Failures = 1
	hr.Status.LastAttemptedReleaseAction = "upgrade"
	for kind, status := range map[string]metav1.ConditionStatus{
		v1beta1.ReadyCondition: "True", v1beta1.VerifiedCondition: "True", v1beta1.HealthyCondition: "True",
		v1beta1.DriftedCondition: "False",
	} {
		hr.Status.Conditions = append(hr.Status.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: "Any", ObservedGeneration: 2, LastTransitionTime: old,
		})
	}
	since := func() map[string]metav1.Time {
		out := map[string]metav1.Time{}
		for _, c := range NewReleaseStatus(hr, nil, nil).Conditions {
			out[c.Type] = c.Since
		}
		return out
	}
	if got := since(); got[v1beta1.ReadyCondition] != old || got[v1beta1.VerifiedCondition] != old {
		t.Errorf("without a revision: %v", got)
	}
	hr.Status.History = []v1beta1.Snapshot{{Version: 2, LastDeployed: upgraded}, {Version: 1, LastDeployed: old}}
	got := since()
	if got[v1beta1.ReadyCondition] != upgraded || got[v1beta1.VerifiedCondition] != upgraded {
		t.Errorf("after an upgrade: %v", got)
	}
	if got[v1beta1.HealthyCondition] != old || got[v1beta1.DriftedCondition] != old {
		t.Errorf("conditions of the objects are not about a revision: %v", got)
	}
	if attempt := NewReleaseStatus(hr, nil, nil).LastAttempt; attempt.Failures != 0 {
		t.Errorf("Ready, with %d failures in a row", attempt.Failures)
	}
	hr.Status.Conditions[0].Status, hr.Status.Conditions[0].Type = metav1.ConditionFalse, v1beta1.ReadyCondition
	hr.Status.Conditions = hr.Status.Conditions[:1]
	if s := NewReleaseStatus(hr, nil, nil); s.LastAttempt.Failures != 1 || s.Conditions[0].Since != old {
		t.Errorf("not Ready: %+v, %d failures", s.Conditions, s.LastAttempt.Failures)
	}
}
