package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

func boolean(value bool) *bool { return &value }

func TestPolicies(t *testing.T) {
	retry := &v1beta1.FailureStrategy{Name: v1beta1.RetryOnFailure}
	often := &v1beta1.FailureStrategy{Name: v1beta1.RetryOnFailure, RetryInterval: &metav1.Duration{Duration: time.Minute}}
	tooOften := &v1beta1.FailureStrategy{Name: v1beta1.RetryOnFailure, RetryInterval: &metav1.Duration{Duration: time.Millisecond}}
	remediate := &v1beta1.FailureStrategy{Name: v1beta1.RemediateOnFailure}
	tests := []struct {
		name             string
		spec             v1beta1.HelmReleaseSpec
		install, upgrade Policy
	}{
		{name: "nothing set gives our defaults", install: Policy{Default: true},
			upgrade: Policy{Default: true, Remediates: true, LastToo: true}},
		{name: "failed tests can be ignored in general",
			spec:    v1beta1.HelmReleaseSpec{Test: &v1beta1.Test{IgnoreFailures: true}},
			install: Policy{Default: true, IgnoresTests: true}, upgrade: Policy{Default: true, Remediates: true, LastToo: true, IgnoresTests: true}},
		{name: "an empty remediation leaves the first failure",
			spec: v1beta1.HelmReleaseSpec{Install: &v1beta1.Install{Remediation: &v1beta1.InstallRemediation{}},
				Upgrade: &v1beta1.Upgrade{Remediation: &v1beta1.UpgradeRemediation{}}},
			install: Policy{Remediates: true, Uninstalls: true}, upgrade: Policy{Remediates: true}},
		{name: "a named remediation is one",
			spec:    v1beta1.HelmReleaseSpec{Install: &v1beta1.Install{Strategy: remediate}, Upgrade: &v1beta1.Upgrade{Strategy: remediate}},
			install: Policy{Remediates: true, Uninstalls: true}, upgrade: Policy{Remediates: true}},
		{name: "an upgrade with retries undoes the last failure too, an install does not",
			spec: v1beta1.HelmReleaseSpec{Install: &v1beta1.Install{Remediation: &v1beta1.InstallRemediation{Retries: 2}},
				Upgrade: &v1beta1.Upgrade{Remediation: &v1beta1.UpgradeRemediation{Retries: 2, Strategy: v1beta1.UninstallRemediation}}},
			install: Policy{Remediates: true, Uninstalls: true, Retries: 2}, upgrade: Policy{Remediates: true, Uninstalls: true, Retries: 2, LastToo: true}},
		{name: "a pause shorter than the least interval counts as that",
			spec:    v1beta1.HelmReleaseSpec{Install: &v1beta1.Install{Strategy: tooOften}, Upgrade: &v1beta1.Upgrade{Strategy: tooOften}},
			install: Policy{Pause: v1beta1.DefaultMinInterval}, upgrade: Policy{Pause: v1beta1.DefaultMinInterval}},
		{name: "what is said of the last failure counts, and of tests",
			spec: v1beta1.HelmReleaseSpec{Test: &v1beta1.Test{IgnoreFailures: true},
				Install: &v1beta1.Install{Remediation: &v1beta1.InstallRemediation{RemediateLastFailure: boolean(true), IgnoreTestFailures: boolean(false)}},
				Upgrade: &v1beta1.Upgrade{Remediation: &v1beta1.UpgradeRemediation{Retries: -1, RemediateLastFailure: boolean(false)}}},
			install: Policy{Remediates: true, Uninstalls: true, LastToo: true}, upgrade: Policy{Remediates: true, Retries: -1, IgnoresTests: true}},
		{name: "plain retries have a pause",
			spec:    v1beta1.HelmReleaseSpec{Install: &v1beta1.Install{Strategy: retry}, Upgrade: &v1beta1.Upgrade{Strategy: often}},
			install: Policy{Pause: 5 * time.Minute}, upgrade: Policy{Pause: time.Minute}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hr := &v1beta1.HelmRelease{Spec: tt.spec}
			if diff := cmp.Diff([]Policy{tt.install, tt.upgrade}, []Policy{InstallPolicy(hr), UpgradePolicy(hr)}); diff != "" {
				t.Errorf("install, upgrade (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExhausted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		policy   Policy
		failures int64
		want     bool
	}{
		{Policy{}, 1000, false},
		{Policy{Remediates: true}, 0, false},
		{Policy{Remediates: true}, 1, true},
		{Policy{Remediates: true, Retries: 2}, 2, false},
		{Policy{Remediates: true, Retries: 2}, 3, true},
		{Policy{Remediates: true, Retries: -1}, 1 << 40, false},
	}
	for _, tt := range tests {
		if got := tt.policy.exhausted(tt.failures); got != tt.want {
			t.Errorf("%+v after %d failures: %v", tt.policy, tt.failures, got)
		}
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		policy  Policy
		attempt Attempt
		want    time.Duration
	}{
		{name: "what never reached the cluster backs off", policy: Policy{Pause: time.Hour}, attempt: Attempt{Failures: 2}, want: time.Minute},
		{name: "plain retries have their pause", policy: Policy{Pause: time.Hour}, attempt: Attempt{Failures: 9, UpgradeFailures: 9}, want: time.Hour},
		{name: "an installation backs off", attempt: Attempt{Failures: 3, InstallFailures: 1, UpgradeFailures: 2}, want: 2 * time.Minute},
		{name: "what was undone is repeated soon", policy: Policy{Remediates: true}, attempt: Attempt{Failures: 1, UpgradeFailures: 1}, want: time.Second},
		{name: "what was undone often is repeated ever later", policy: Policy{Remediates: true},
			attempt: Attempt{Failures: 99, UpgradeFailures: 99}, want: 15 * time.Minute},
		{name: "what did not reach the cluster after it was undone backs off", policy: Policy{Remediates: true},
			attempt: Attempt{Failures: 3, UpgradeFailures: 1}, want: time.Minute},
	}
	for _, tt := range tests {
		if got := pause(tt.policy, tt.attempt); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestTestsOfARevision(t *testing.T) {
	t.Parallel()
	revision := func(phases ...string) *Record {
		r := record(1, StatusDeployed, chart1)
		for i, phase := range phases {
			r.Tests = append(r.Tests, TestRun{Name: string(rune('a' + i)), Phase: phase})
		}
		return &r
	}
	rolledBack := revision("Unknown")
	rolledBack.Action = Rollback
	only, without := v1beta1.TestFilter{Name: "a"}, v1beta1.TestFilter{Name: "a", Exclude: true}
	tests := []struct {
		name     string
		filters  []v1beta1.TestFilter
		revision *Record
		want     Tested
	}{
		{name: "a chart without tests", revision: revision(), want: NoTests},
		{name: "no revision", want: NoTests},
		{name: "one that never ran", revision: revision("Unknown"), want: Untested},
		{name: "one that was interrupted", revision: revision("Succeeded", "Running"), want: Untested},
		{name: "all passed", revision: revision("Succeeded", "Succeeded"), want: TestsPassed},
		{name: "the first failed, so the second never ran", revision: revision("Failed", "Unknown"), want: TestsFailed},
		{name: "only the first is wanted", filters: []v1beta1.TestFilter{only}, revision: revision("Succeeded", "Failed"), want: TestsPassed},
		{name: "the first is not wanted", filters: []v1beta1.TestFilter{without}, revision: revision("Failed", "Unknown"), want: Untested},
		{name: "what is both is not wanted", filters: []v1beta1.TestFilter{only, without}, revision: revision("Failed", "Failed"), want: NoTests},
		{name: "a rollback is not tested", revision: rolledBack, want: NoTests},
	}
	for _, tt := range tests {
		if got := (Tests{Enabled: true, Filters: tt.filters}).Of(tt.revision); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if got := (Tests{Filters: tt.filters}).Of(tt.revision); got != NoTests {
			t.Errorf("%s, not enabled: %q", tt.name, got)
		}
	}
}

func TestRollbackTarget(t *testing.T) {
	t.Parallel()
	rolledBack := func(r *Record) { r.Action = Rollback }
	ended := func(outcome RevisionOutcome) func(*Record) { return func(r *Record) { r.Outcome = outcome } }
	failedTest := func(r *Record) { r.Tests = []TestRun{{Name: "a", Phase: "Failed"}} }
	tests := []struct {
		name     string
		verified int
		records  []Record
		want     int
	}{
		{name: "what was verified last", verified: 1, want: 1,
			records: []Record{record(3, StatusFailed, chart2), record(2, StatusDeployed, chart2), record(1, StatusSuperseded, chart1)}},
		{name: "a rollback to what was verified last", verified: 1, want: 3,
			records: []Record{record(4, StatusFailed, chart2), record(3, StatusDeployed, chart1, rolledBack), record(2, StatusFailed, chart2),
				record(1, StatusSuperseded, chart1)}},
		{name: "the newest that was good, when what was verified is gone", verified: 9, want: 2,
			records: []Record{record(3, StatusFailed, chart2), record(2, StatusDeployed, chart2), record(1, StatusSuperseded, chart1)}},
		{name: "not one that Helm only calls superseded", want: 0,
			records: []Record{record(2, StatusFailed, chart2), record(1, StatusSuperseded, chart1, ended(OutcomeFailed))}},
		{name: "not one that was interrupted", want: 0,
			records: []Record{record(2, StatusFailed, chart2), record(1, StatusSuperseded, chart1, ended(OutcomeInterrupted))}},
		{name: "not one whose tests failed", verified: 2, want: 1,
			records: []Record{record(2, StatusDeployed, chart2, failedTest), record(1, StatusSuperseded, chart1)}},
		{name: "none", want: 0, records: []Record{record(1, StatusFailed, chart1)}},
	}
	for _, tt := range tests {
		o := observed(tt.records...)
		o.Verified = tt.verified
		got := 0
		if targets := o.rollbackTargets(desired(func(d *Desired) { d.Tests.Enabled = true })); len(targets) > 0 {
			got = targets[0].Version
		}
		if got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
