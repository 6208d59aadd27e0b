package status

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// upgraded is a release whose upgrade to revision 2 failed, once.
func upgraded(t *testing.T) *v1beta1.HelmRelease {
	t.Helper()
	hr := helmRelease()
	ReleaseDone(hr, outcome(plan.Install), now)
	ReleaseDone(hr, outcome(plan.Upgrade, failing(Failure{Reason: v1beta1.UpgradeFailedReason, Message: "no luck"}), func(o *Outcome) {
		o.Chart.Digest, o.History = "sha256:2", []plan.Record{revision(2, plan.StatusFailed), revision(1, plan.StatusDeployed)}
	}), now)
	return hr
}

func bad(o *Outcome) { o.Chart.Digest = "sha256:2" }

func TestARollbackIsNotReady(t *testing.T) {
	t.Parallel()
	hr := upgraded(t)
	back := func(o *Outcome) {
		o.History = []plan.Record{revision(3, plan.StatusDeployed), revision(2, plan.StatusFailed)}
	}

	event := ReleaseDone(hr, outcome(plan.Rollback, bad, failing(Failure{Reason: v1beta1.RollbackFailedReason, Message: "quota"})), now)
	want := map[string]string{"Ready": "False RollbackFailed", "Reconciling": "True ProgressingWithRetry", "Released": "False UpgradeFailed",
		"Remediated": "False RollbackFailed"}
	if diff := cmp.Diff(want, conditions(hr)); diff != "" || !event.Warning || countersOf(hr) != (counters{2, 0, 1}) {
		t.Errorf("after a rollback that failed: event %+v, counters %v, conditions (-want +got):\n%s", event, countersOf(hr), diff)
	}

	event = ReleaseDone(hr, outcome(plan.Rollback, bad, back), now)
	want["Ready"], want["Remediated"] = "False RollbackSucceeded", "True RollbackSucceeded"
	if diff := cmp.Diff(want, conditions(hr)); diff != "" || event.Warning || countersOf(hr) != (counters{1, 0, 1}) {
		t.Errorf("after the rollback: event %+v, counters %v, conditions (-want +got):\n%s", event, countersOf(hr), diff)
	}
	for _, part := range []string{"no luck", "rolled back: apps/web revision 3 runs", "the controller retries later"} {
		if !strings.Contains(Message(hr), part) {
			t.Errorf("message %q lacks %q", Message(hr), part)
		}
	}
	if hr.Status.LastVerified.Revision != 1 || hr.Status.Latest().Action != "rollback" {
		t.Errorf("verified %+v, newest %+v", hr.Status.LastVerified, hr.Status.Latest())
	}

	ReleaseDone(hr, outcome(plan.Upgrade, func(o *Outcome) {
		o.History = []plan.Record{revision(4, plan.StatusDeployed)}
	}), now)
	if diff := cmp.Diff(map[string]string{"Ready": "True UpgradeSucceeded", "Released": "True UpgradeSucceeded"}, conditions(hr)); diff != "" ||
		hr.Status.LastVerified.Revision != 4 {
		t.Errorf("after a success: verified %+v, conditions (-want +got):\n%s", hr.Status.LastVerified, diff)
	}
}

func TestUninstallAsARemedyKeepsTheAttempt(t *testing.T) {
	t.Parallel()
	hr := upgraded(t)
	ReleaseDone(hr, outcome(plan.Uninstall, bad, func(o *Outcome) { o.Reason, o.History, o.Inventory = plan.ReasonRemediation, nil, nil }), now)
	want := map[string]string{"Ready": "False UninstallSucceeded", "Reconciling": "True ProgressingWithRetry", "Released": "False UpgradeFailed",
		"Remediated": "True UninstallSucceeded"}
	if diff := cmp.Diff(want, conditions(hr)); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
	if countersOf(hr) != (counters{1, 0, 1}) || hr.Status.LastAttemptedAt == nil || hr.Status.LastVerified != nil {
		t.Errorf("counters %v, attempt %v, verified %v", countersOf(hr), hr.Status.LastAttemptedAt, hr.Status.LastVerified)
	}
}

func TestTests(t *testing.T) {
	awaiting := func(o *Outcome) { o.Tested = plan.Untested }
	broken := Failure{Reason: v1beta1.TestFailedReason, Message: "pod smoke failed"}
	tests := []struct {
		name       string
		outcome    Outcome
		conditions map[string]string
		counters   counters
		verified   bool
	}{
		{name: "before them, the release is not Ready", outcome: outcome(plan.Install, awaiting),
			conditions: map[string]string{"Ready": "Unknown Progressing", "Reconciling": "True Progressing", "TestSuccess": "Unknown AwaitingTests"}},
		{name: "when they pass, it is", outcome: outcome(plan.Test, func(o *Outcome) { o.Tested = plan.TestsPassed }), verified: true,
			conditions: map[string]string{"Ready": "True InstallSucceeded", "TestSuccess": "True TestSucceeded"}},
		{name: "when they fail, the install failed",
			outcome:    outcome(plan.Test, failing(broken), func(o *Outcome) { o.Tested = plan.TestsFailed }),
			conditions: map[string]string{"Ready": "False TestFailed", "Reconciling": "True ProgressingWithRetry", "TestSuccess": "False TestFailed"},
			counters:   counters{1, 1, 0}},
		{name: "when that is ignored, it is Ready", verified: true,
			outcome:    outcome(plan.Test, failing(broken), func(o *Outcome) { o.Tested, o.IgnoresTests = plan.TestsFailed, true }),
			conditions: map[string]string{"Ready": "True InstallSucceeded", "TestSuccess": "False TestFailed"}},
		{name: "when they could not run, nothing counts against the install",
			outcome: outcome(plan.Test, failing(Failure{Reason: v1beta1.AccessDeniedReason, Message: "no"}), awaiting),
			conditions: map[string]string{"Ready": "False AccessDenied", "Reconciling": "True ProgressingWithRetry",
				"TestSuccess": "Unknown AwaitingTests"}, counters: counters{1, 0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hr := helmRelease()
			ReleaseDone(hr, outcome(plan.Install, awaiting), now)
			ReleaseDone(hr, tt.outcome, now)
			tt.conditions["Released"] = "True InstallSucceeded"
			if diff := cmp.Diff(tt.conditions, conditions(hr)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			if countersOf(hr) != tt.counters || (hr.Status.LastVerified != nil) != tt.verified {
				t.Errorf("counters %v, verified %v", countersOf(hr), hr.Status.LastVerified)
			}
		})
	}
}

func TestWhatIsSupersededIsNobodysFailure(t *testing.T) {
	t.Parallel()
	for _, step := range []plan.Step{plan.Install, plan.Upgrade, plan.Test} {
		hr := helmRelease(tried)
		before := hr.Status.DeepCopy()
		event := ReleaseDone(hr, outcome(step, failing(Failure{Message: "ended", Superseded: true}), func(o *Outcome) { o.Generation = 3 }), now)
		if countersOf(hr) != (counters{2, 1, 1}) || hr.Status.LastAttemptedGeneration != before.LastAttemptedGeneration || event.Warning {
			t.Errorf("%s: counters %v, attempt of generation %d, event %+v", step, countersOf(hr), hr.Status.LastAttemptedGeneration, event)
		}
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	hr := helmRelease(tried, func(hr *v1beta1.HelmRelease) { Stalled(hr, v1beta1.RetriesExceededReason, "too often", now) })
	ReleaseReset(hr, "token", now)
	if countersOf(hr) != (counters{}) || hr.Status.LastHandledResetAt != "token" || conditions(hr)["Stalled"] != "" {
		t.Errorf("counters %v, handled %q, conditions %v", countersOf(hr), hr.Status.LastHandledResetAt, conditions(hr))
	}
}

func TestAnAdoptedRevisionIsRemembered(t *testing.T) {
	t.Parallel()
	theirs := revision(5, plan.StatusDeployed)
	theirs.Chart.Digest = ""
	hr := helmRelease()
	compare := outcome(plan.Compare, func(o *Outcome) {
		o.Equal, o.RenderDigest, o.History = true, "sha256:r", []plan.Record{theirs}
	})
	event := ReleaseDone(hr, compare, now)
	settled := plan.Plan{Step: plan.None, Target: target, Reason: plan.ReasonInSync}
	ReleaseSettled(hr, settled, []plan.Record{theirs}, now)
	if newest := hr.Status.Latest(); newest.ChartDigest != chart1.Digest || newest.RenderDigest != "sha256:r" || event.Reason != v1beta1.AdoptedReason {
		t.Errorf("newest %+v, event %+v", newest, event)
	}
	theirs.Digest = "sha256:touched"
	ReleaseSettled(hr, settled, []plan.Record{theirs}, now)
	if newest := hr.Status.Latest(); newest.ChartDigest != "" {
		t.Errorf("a revision that somebody changed since is still taken for ours: %+v", newest)
	}
	compare.Equal = false
	if event := ReleaseDone(hr, compare, now); event.Reason != "" {
		t.Errorf("a difference is told: %+v", event)
	}
}

// A missing source was reported in between; when it is back, the failure is reported again.
func TestAWaitTellsWhatItWaitsFor(t *testing.T) {
	stuck := plan.Plan{Step: plan.Wait, Target: target, Reason: v1beta1.RetriesExceededReason, Stalled: true, Message: "too often"}
	later := plan.Plan{Step: plan.Wait, Target: target, Reason: plan.ReasonBackoff, After: time.Minute, Message: "in 1m0s"}
	tests := []struct {
		name    string
		plan    plan.Plan
		blocked bool
		want    map[string]string
		message string
	}{
		{name: "without end", plan: stuck, message: "no luck; the controller retries later",
			want: map[string]string{"Ready": "False UpgradeFailed", "Stalled": "True RetriesExceeded", "Released": "False UpgradeFailed"}},
		{name: "without end, after something else", plan: stuck, blocked: true, message: "no luck; too often",
			want: map[string]string{"Ready": "False UpgradeFailed", "Stalled": "True RetriesExceeded", "Released": "False UpgradeFailed"}},
		{name: "for a time, after something else", plan: later, blocked: true, message: "no luck; the controller retries later",
			want: map[string]string{"Ready": "False UpgradeFailed", "Reconciling": "True ProgressingWithRetry", "Released": "False UpgradeFailed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hr := upgraded(t)
			if tt.blocked {
				ReleaseBlocked(hr, Failure{Reason: v1beta1.SourceNotFoundReason, Message: "gone"}, now)
			}
			ReleaseSettled(hr, tt.plan, nil, now)
			if diff := cmp.Diff(tt.want, conditions(hr)); diff != "" || !strings.Contains(Message(hr), tt.message) {
				t.Errorf("message %q, conditions (-want +got):\n%s", Message(hr), diff)
			}
			before := hr.DeepCopy()
			ReleaseSettled(hr, tt.plan, nil, now.Add(time.Hour))
			if diff := cmp.Diff(before, hr); diff != "" {
				t.Errorf("a second look changed the status (-before +after):\n%s", diff)
			}
		})
	}
}
