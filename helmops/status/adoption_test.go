package status

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

var handEdit = []v1beta1.ObjectDrift{{Kind: "ConfigMap", Namespace: "apps", Name: "web", Fields: []v1beta1.FieldDrift{
	{Path: ".data.message", Change: v1beta1.DriftChanged, Manager: "kubectl-edit"},
}}}

func comparison(change ...func(*Outcome)) Outcome {
	o := Outcome{Step: plan.Inspect, Reason: plan.ReasonAdopting, Drift: handEdit,
		History: []plan.Record{{Version: 3, Status: plan.StatusDeployed, Digest: "sha256:3"}}}
	for _, c := range change {
		c(&o)
	}
	return o
}

func TestTheComparisonBeforeTheFirstUpgrade(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	fails := func(reason string, known bool) func(*Outcome) {
		return func(o *Outcome) {
			o.Drift, o.Failure, o.HistoryUnknown = nil, &Failure{Reason: reason, Message: "no such host"}, !known
			if !known {
				o.History = nil
			}
		}
	}
	for name, tt := range map[string]struct {
		mode    string
		outcome Outcome
		// waits is set when the upgrade waits, compared when the comparison is in the status.
		waits, compared bool
		// drifted and event are the reasons of the condition and of the event; message is in the event.
		drifted, event, message string
	}{
		"differences are reported before they are overwritten": {mode: v1beta1.DriftEnabled, outcome: comparison(),
			waits: true, compared: true, drifted: v1beta1.DriftDetectedReason, event: v1beta1.DriftDetectedReason,
			message: ".data.message was changed by kubectl-edit; the first upgrade of the release overwrites it at " +
				"2026-03-01T12:10:00Z"},
		"without a difference the upgrade follows": {mode: v1beta1.DriftEnabled,
			outcome: comparison(func(o *Outcome) { o.Drift = nil }), compared: true, drifted: v1beta1.NoDriftReason},
		"in mode warn they are reported and the upgrade follows": {mode: v1beta1.DriftWarn, outcome: comparison(),
			compared: true,
			drifted:  v1beta1.DriftDetectedReason, event: v1beta1.DriftDetectedReason,
			message: "because spec.driftDetection.mode is warn"},
		"in mode disabled there is an event only": {mode: v1beta1.DriftDisabled, outcome: comparison(), compared: true,
			event: v1beta1.DriftDetectedReason, message: "because spec.driftDetection.mode is disabled"},
		"objects that cannot be compared delay the upgrade, too": {mode: v1beta1.DriftEnabled,
			outcome: comparison(fails("", true)), waits: true, compared: true,
			drifted: v1beta1.DriftUnknownReason, event: v1beta1.DriftUnknownReason,
			message: "no such host; the first upgrade"},
		"a chart that cannot be fetched is a failed attempt": {mode: v1beta1.DriftEnabled,
			outcome: comparison(fails(v1beta1.ArtifactFailedReason, false)), event: v1beta1.ArtifactFailedReason,
			message: "no such host"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hr := &v1beta1.HelmRelease{}
			hr.Namespace, hr.Name = "apps", "web"
			hr.Spec.DriftDetection = &v1beta1.DriftDetection{Mode: tt.mode}
			event := ReleaseDone(hr, tt.outcome, at)
			if event.Reason != tt.event || !strings.Contains(event.Message, tt.message) {
				t.Errorf("event %+v", event)
			}
			drifted := ""
			if c := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.DriftedCondition); c != nil {
				drifted = c.Reason
			}
			a := hr.Status.Adoption
			if drifted != tt.drifted || (a != nil) != tt.compared || (a != nil && a.Until != nil) != tt.waits {
				t.Errorf("Drifted %q, adoption %+v", drifted, a)
			}
			if !tt.compared && (hr.Status.Failures != 1 || IsReady(hr)) {
				t.Errorf("%d failures, conditions %+v", hr.Status.Failures, hr.Status.Conditions)
			}
		})
	}
}

// Of a release that was taken over as it was, drift is reported before its first upgrade is due.
func TestTheTimeCountsFromTheFirstReport(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hr := &v1beta1.HelmRelease{}
	ReleaseDone(hr, Outcome{Step: plan.Inspect, Reason: plan.ReasonDrifted, Drift: handEdit,
		History: comparison().History}, at)
	ReleaseDone(hr, comparison(), at.Add(4*time.Minute))
	if until := hr.Status.Adoption.Until.Time; !until.Equal(at.Add(plan.AdoptionReport)) {
		t.Errorf("the upgrade is due %s", until)
	}
}

func TestAnAdoptedReleaseWaitsOnce(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hr := &v1beta1.HelmRelease{}
	ReleaseDone(hr, comparison(), at)
	until := hr.Status.Adoption.Until.Time
	if event := ReleaseDone(hr, comparison(func(o *Outcome) { o.Generation = 2 }),
		at.Add(time.Minute)); event.Reason != "" {
		t.Errorf("the same difference is reported again: %+v", event)
	}
	if a := hr.Status.Adoption; !a.Until.Time.Equal(until) || a.ObservedGeneration != 2 {
		t.Errorf("after a change of the spec: %+v, want %s", a, until)
	}
	ReleaseDone(hr, Outcome{Step: plan.Inspect, Reason: plan.ReasonDrifted, Drift: handEdit,
		History: comparison().History}, at)
	c := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.DriftedCondition)
	if !strings.Contains(c.Message, "overwrites it at 2026-03-01T12:10:00Z") {
		t.Errorf("a later look says %q", c.Message)
	}
	ReleaseSettled(hr, plan.Plan{Step: plan.Wait, Reason: v1beta1.AdoptionHeldReason, Message: "it waits"}, nil, at)
	ready := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.ReadyCondition)
	if ready.Status != metav1.ConditionFalse || ready.Reason != v1beta1.AdoptionHeldReason ||
		hr.Status.Adoption == nil {
		t.Errorf("while it waits: %+v, adoption %+v", ready, hr.Status.Adoption)
	}
	ReleaseDone(hr, Outcome{Step: plan.Upgrade, History: []plan.Record{{Version: 4, Status: plan.StatusDeployed}}}, at)
	if hr.Status.Adoption != nil {
		t.Errorf("after the upgrade: %+v", hr.Status.Adoption)
	}
}
