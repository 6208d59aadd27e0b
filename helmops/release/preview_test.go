package release

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/values"
)

// While an upgrade is under way the revision before it runs, and nothing says that the controller has stopped.
func TestForeseeWhileAnActionIsUnderWay(t *testing.T) {
	t.Parallel()
	wanted := plan.Record{Chart: v1beta1.ChartRevision{Name: "web", Version: inputs.Chart.Version, Digest: inputs.Chart.Digest},
		ConfigDigest: values.Digest(inputs.Values), Ours: true, Owner: ownerOf(helmRelease())}
	as := func(version int, status string, change ...func(*plan.Record)) plan.Record {
		r := wanted
		r.Version, r.Status, r.Digest = version, status, "sha256:record"
		for _, c := range change {
			c(&r)
		}
		return r
	}
	older := func(r *plan.Record) { r.Chart.Version, r.Chart.Digest = "0.9.0", "sha256:older" }
	foreign := func(r *plan.Record) { r.Ours = false }
	tests := map[string]struct {
		records    []plan.Record
		deployed   int
		running    int
		runsWanted bool
		change     plan.Step
		message    string
	}{
		"nothing is under way": {records: []plan.Record{as(2, plan.StatusDeployed, older)}, deployed: 2, change: plan.Upgrade},
		"an upgrade to what is wanted": {
			records:  []plan.Record{as(3, plan.StatusPendingUpgrade), as(2, plan.StatusDeployed, older)},
			deployed: 2, running: 3, runsWanted: true, change: plan.Upgrade,
			message: "revision 3 is pending-upgrade: the controller finishes it, at the latest when it starts again",
		},
		"the former revision is superseded already": {
			records:  []plan.Record{as(3, plan.StatusPendingUpgrade), as(2, plan.StatusSuperseded, older)},
			deployed: 2, running: 3, runsWanted: true, change: plan.Upgrade,
			message: "revision 3 is pending-upgrade: the controller finishes it, at the latest when it starts again",
		},
		"an upgrade to what is no longer wanted": {
			records:  []plan.Record{as(3, plan.StatusPendingUpgrade, older), as(2, plan.StatusSuperseded)},
			deployed: 2, running: 3, change: plan.None,
			message: "revision 3 is pending-upgrade: the controller finishes it, at the latest when it starts again",
		},
		"the first install": {
			records: []plan.Record{as(1, plan.StatusPendingInstall)}, running: 1, runsWanted: true, change: plan.Install,
			message: "revision 1 is pending-install: the controller finishes it, at the latest when it starts again",
		},
		"an upgrade of another Helm client": {
			records:  []plan.Record{as(3, plan.StatusPendingUpgrade, foreign, older), as(2, plan.StatusSuperseded, older)},
			deployed: 2, change: plan.Upgrade,
		},
		"a release of another Helm client that names no owner": {
			records: []plan.Record{as(2, plan.StatusDeployed, foreign, older, func(r *plan.Record) {
				r.Chart.Digest, r.Owner = "", plan.Owner{}
			})},
			deployed: 2, change: plan.Upgrade,
			message: "the live objects are compared with revision 2 of another Helm client before its upgrade " +
				"(version 0.9.0 → 1.0.0)",
		},
		"an uninstall": {records: []plan.Record{as(3, plan.StatusUninstalling)}, change: plan.Install},
	}
	for name, tt := range tests {
		got := PreviewOf(helmRelease(), inputs, tt.records, now)
		if version(got.Deployed) != tt.deployed || version(got.Running) != tt.running || got.RunsWanted != tt.runsWanted {
			t.Errorf("%s: deployed %d, running %d, of the inputs: %v", name, version(got.Deployed), version(got.Running), got.RunsWanted)
		}
		if got.Change.Step != tt.change {
			t.Errorf("%s: change %s (%s), want %s", name, got.Change.Step, got.Change.Message, tt.change)
		}
		if tt.message != "" && got.Next.Message != tt.message {
			t.Errorf("%s: next %q", name, got.Next.Message)
		}
	}
}

func version(r *plan.Record) int {
	if r == nil {
		return 0
	}
	return r.Version
}
