package view

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

func TestRollbackTarget(t *testing.T) {
	t.Parallel()
	rev := func(version int32, state, chart string) v1beta1.Snapshot {
		return v1beta1.Snapshot{
			Version: version, Status: state, ChartName: "shop", ChartVersion: chart, ChartDigest: "d" + chart, ConfigDigest: "c",
		}
	}
	tested := rev(4, plan.StatusSuperseded, "4")
	tested.TestHooks = map[string]v1beta1.TestHook{"t": {Phase: "Failed"}}
	// Helm calls a failed revision superseded as soon as a later one is deployed.
	replaced := func(outcome plan.RevisionOutcome) v1beta1.Snapshot {
		s := rev(2, plan.StatusSuperseded, "2")
		s.Outcome = string(outcome)
		return s
	}
	backTo1 := rev(3, plan.StatusSuperseded, "1")
	backTo1.Action = string(plan.Rollback)
	tests := []struct {
		name     string
		history  []v1beta1.Snapshot
		verified int32
		bad      string
		revision int
		want     int32
	}{
		{
			"the newest good one",
			[]v1beta1.Snapshot{rev(3, "deployed", "3"), rev(2, "superseded", "2"), rev(1, "superseded", "1")}, 0, "", 0, 2,
		},
		{
			"what was verified goes first",
			[]v1beta1.Snapshot{rev(3, "deployed", "3"), rev(2, "superseded", "2"), rev(1, "superseded", "1")}, 1, "", 0, 1,
		},
		{"what runs is verified", []v1beta1.Snapshot{rev(3, "deployed", "3"), rev(2, "superseded", "2")}, 3, "", 0, 2},
		{
			"the same input again is no way back",
			[]v1beta1.Snapshot{rev(3, "deployed", "2"), rev(2, "superseded", "2"), rev(1, "superseded", "1")}, 2, "", 0, 1,
		},
		{
			"from a failed revision to one of the same input",
			[]v1beta1.Snapshot{rev(3, "failed", "2"), rev(2, "superseded", "2")}, 2, "", 0, 2,
		},
		{"failed tests", []v1beta1.Snapshot{rev(5, "deployed", "5"), tested, rev(3, "superseded", "3")}, 0, "", 0, 3},
		{
			"turned out bad", []v1beta1.Snapshot{rev(3, "deployed", "3"), rev(2, "superseded", "2"), rev(1, "superseded", "1")},
			0, "2", 0, 1,
		},
		{"only failed ones", []v1beta1.Snapshot{rev(2, "deployed", "2"), rev(1, "failed", "1")}, 0, "", 0, 0},
		{
			"one that failed",
			[]v1beta1.Snapshot{rev(3, "deployed", "3"), replaced(plan.OutcomeFailed), rev(1, "superseded", "1")}, 0, "", 0, 1,
		},
		{
			"one that was interrupted",
			[]v1beta1.Snapshot{rev(3, "deployed", "3"), replaced(plan.OutcomeInterrupted), rev(1, "superseded", "1")}, 0, "", 0,
			1,
		},
		{
			"one that was superseded",
			[]v1beta1.Snapshot{rev(3, "deployed", "3"), replaced(plan.OutcomeSuperseded), rev(1, "superseded", "1")}, 0, "", 0,
			1,
		},
		{
			"one that succeeded",
			[]v1beta1.Snapshot{rev(3, "deployed", "3"), replaced(plan.OutcomeSucceeded), rev(1, "superseded", "1")}, 0, "", 0,
			2,
		},
		{
			"one with an outcome of a later version",
			[]v1beta1.Snapshot{rev(3, "deployed", "3"), replaced("later"), rev(1, "superseded", "1")}, 0, "", 0, 1,
		},
		{
			"named, one that failed",
			[]v1beta1.Snapshot{rev(3, "deployed", "3"), replaced(plan.OutcomeFailed), rev(1, "superseded", "1")}, 0, "", 2, 0,
		},
		{
			"a rollback to what was verified",
			[]v1beta1.Snapshot{rev(4, "deployed", "4"), backTo1, rev(2, "superseded", "2"), rev(1, "superseded", "1")}, 1, "",
			0, 3,
		},
		{
			"named", []v1beta1.Snapshot{rev(3, "deployed", "3"), rev(2, "superseded", "2"), rev(1, "superseded", "1")}, 2, "1",
			1, 1,
		},
		{"named, what runs: to stay there", []v1beta1.Snapshot{rev(3, "deployed", "3")}, 0, "", 3, 3},
		{"named, failed", []v1beta1.Snapshot{rev(3, "deployed", "3"), rev(2, "failed", "2")}, 0, "", 2, 0},
		{"named, pending", []v1beta1.Snapshot{rev(3, "pending-upgrade", "3"), rev(2, "deployed", "2")}, 0, "", 3, 0},
		{"named, unknown", []v1beta1.Snapshot{rev(3, "deployed", "3")}, 0, "", 9, 0},
	}
	for _, tt := range tests {
		hr := release()
		hr.Status.InputDigest, hr.Status.History = "sha256:1", tt.history
		hr.Spec.Test = &v1beta1.Test{Enable: true}
		if tt.verified > 0 {
			hr.Status.LastVerified = &v1beta1.Verified{Revision: tt.verified}
		}
		if tt.bad != "" {
			hr.Status.KnownBad = []v1beta1.KnownBad{{ChartDigest: "d" + tt.bad, ConfigDigest: "c"}}
		}
		got, err := RollbackTarget(hr, tt.revision)
		var refused *NoRollbackError
		if tt.revision > 0 && controllerRefuses(hr, tt.revision) != (tt.want == 0) {
			t.Errorf("%s: the controller does not decide as the command does", tt.name)
		}
		if tt.want == 0 {
			if !errors.As(err, &refused) {
				t.Errorf("%s: revision %d and %v, want a refusal", tt.name, got.Version, err)
			}
			continue
		}
		if err != nil || got.Version != tt.want {
			t.Errorf("%s: revision %d and %v, want %d", tt.name, got.Version, err, tt.want)
		}
		hr.Status.InputDigest = ""
		if _, err := RollbackTarget(hr, tt.revision); !errors.As(err, &refused) {
			t.Errorf("%s: %v without the digest of the input", tt.name, err)
		}
	}
}

// controllerRefuses reports whether the controller refuses the request for a revision.
func controllerRefuses(hr *v1beta1.HelmRelease, revision int) bool {
	desired := plan.Desired{
		Self: plan.Owner{Namespace: "apps", Name: "web"}, Generation: 1,
		Chart: v1beta1.ChartRevision{Name: "shop", Version: "9", Digest: "d9"},
		Pin:   &plan.Pin{Revision: revision}, Install: plan.InstallPolicy(hr), Upgrade: plan.UpgradePolicy(hr),
		Tests: plan.TestsOf(hr),
	}
	observed := plan.Observed{
		Managed: true, Owner: &plan.Owner{}, History: &plan.History{Records: plan.RecordsOf(hr.Status.History)},
	}
	observed = observed.Gathered()
	newest := &observed.History.Records[0]
	newest.Ours, newest.Owner = true, desired.Self
	if newest.Pending() {
		return true // it is finished first
	}
	return plan.Decide(desired, observed, time.Now()).Reason == v1beta1.MissingRollbackTargetReason
}

// Tests that fail count as the spec says: for the command as for the controller.
func TestRollbackTargetWithFailedTests(t *testing.T) {
	t.Parallel()
	rev := func(version int32, state string, action plan.Step) v1beta1.Snapshot {
		chart := strconv.Itoa(int(version))
		return v1beta1.Snapshot{
			Version: version, Status: state, ChartName: "shop", ChartVersion: chart, ChartDigest: "d" + chart, ConfigDigest: "c",
			Action: string(action),
		}
	}
	failed := func(s v1beta1.Snapshot) v1beta1.Snapshot {
		s.TestHooks = map[string]v1beta1.TestHook{"smoke": {Phase: "Failed"}}
		return s
	}
	ignores := true
	tests := []struct {
		name    string
		spec    v1beta1.HelmReleaseSpec
		history []v1beta1.Snapshot
		want    int
	}{
		{name: "they count", spec: v1beta1.HelmReleaseSpec{Test: &v1beta1.Test{Enable: true}}, want: 1,
			history: []v1beta1.Snapshot{
				rev(3, "deployed", plan.Upgrade), failed(rev(2, "superseded", plan.Upgrade)), rev(1, "superseded", plan.Install),
			}},
		{name: "the spec wants no tests", want: 2,
			history: []v1beta1.Snapshot{
				rev(3, "deployed", plan.Upgrade), failed(rev(2, "superseded", plan.Upgrade)), rev(1, "superseded", plan.Install),
			}},
		{name: "they are ignored", spec: v1beta1.HelmReleaseSpec{Test: &v1beta1.Test{Enable: true, IgnoreFailures: true}},
			want: 2,
			history: []v1beta1.Snapshot{
				rev(3, "deployed", plan.Upgrade), failed(rev(2, "superseded", plan.Upgrade)), rev(1, "superseded", plan.Install),
			}},
		{name: "they are ignored for upgrades", want: 2,
			spec: v1beta1.HelmReleaseSpec{Test: &v1beta1.Test{Enable: true}, Upgrade: &v1beta1.Upgrade{
				Remediation: &v1beta1.UpgradeRemediation{IgnoreTestFailures: &ignores}}},
			history: []v1beta1.Snapshot{
				rev(3, "deployed", plan.Upgrade), failed(rev(2, "superseded", plan.Upgrade)), rev(1, "superseded", plan.Install),
			}},
		{name: "they are ignored for upgrades, and the install failed its own", want: 0,
			spec: v1beta1.HelmReleaseSpec{Test: &v1beta1.Test{Enable: true}, Upgrade: &v1beta1.Upgrade{
				Remediation: &v1beta1.UpgradeRemediation{IgnoreTestFailures: &ignores}}},
			history: []v1beta1.Snapshot{rev(2, "deployed", plan.Upgrade), failed(rev(1, "superseded", plan.Install))}},
	}
	for _, tt := range tests {
		hr := release()
		hr.Spec, hr.Status.InputDigest, hr.Status.History = tt.spec, "sha256:1", tt.history
		if got, err := RollbackTarget(hr, 0); int(got.Version) != tt.want || (err == nil) != (tt.want > 0) {
			t.Errorf("%s: revision %d and %v, want %d", tt.name, got.Version, err, tt.want)
		}
	}
}
