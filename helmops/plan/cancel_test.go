package plan

import (
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestDecideAfterACancel(t *testing.T) {
	t.Parallel()
	toNext := func(changes ...func(*Desired)) Desired {
		return desired(append([]func(*Desired){func(d *Desired) {
			d.Chart = chart2
			d.SettingsDigest = "sha256:s"
			d.Upgrade = Policy{Default: true, Remediates: true, LastToo: true}
		}}, changes...)...)
	}
	failed := func(c *Cancelled, records ...Record) Observed {
		o := attempt(observed(records...), Attempt{
			Action: Upgrade, ChartDigest: chart2.Digest, At: now.Add(-time.Hour), UpgradeFailures: 1, Failures: 1,
		})
		o.Cancelled = c
		return o
	}
	upgrade := &Cancelled{
		Action: Upgrade, Input: toNext().Input(), Settings: "sha256:s", At: now.Add(-time.Minute), Why: "INC-1",
	}
	rollback := &Cancelled{Action: Rollback, Input: upgrade.Input, Settings: "sha256:s", Pin: 1}
	two := []Record{record(2, StatusFailed, chart2), record(1, StatusDeployed, chart1)}
	three := []Record{record(3, StatusFailed, chart1), record(2, StatusDeployed, chart2), record(1, StatusSuperseded, chart1)}
	pin := func(revision int) func(*Desired) { return func(d *Desired) { d.Pin = &Pin{Revision: revision} } }
	for _, tt := range []decision{
		{
			name: "it is neither tried again nor rolled back", desired: toNext(), observed: failed(upgrade, two...),
			step: Wait, reason: v1beta1.CancelledReason, message: "a user cancelled the upgrade on 2026-03-01T11:59:00Z (INC-1)",
		},
		{
			name: "without the cancel it would be rolled back", desired: toNext(), observed: failed(nil, two...),
			step: Rollback, reason: ReasonRemediation,
		},
		{
			name: "a plain request changes nothing", desired: toNext(func(d *Desired) { d.Retry = true }),
			observed: failed(upgrade, two...), step: Wait, reason: v1beta1.CancelledReason,
		},
		{
			name: "other values are tried", desired: toNext(func(d *Desired) { d.ConfigDigest = "sha256:new" }),
			observed: failed(upgrade, two...), step: Upgrade, reason: ReasonFailed,
		},
		{
			name: "so are other settings, by the policy", desired: toNext(func(d *Desired) { d.SettingsDigest = "sha256:t" }),
			observed: failed(upgrade, two...), step: Rollback, reason: ReasonRemediation,
		},
		{
			name: "a user can force it", desired: toNext(func(d *Desired) { d.Force = true }),
			observed: failed(upgrade, two...), step: Upgrade, reason: ReasonForced,
		},
		{
			name: "a user can go back", desired: toNext(pin(1)), observed: failed(upgrade, two...),
			step: Rollback, reason: v1beta1.RolledBackReason,
		},
		{
			name: "another client has made what is wanted", desired: toNext(),
			observed: failed(upgrade, record(3, StatusDeployed, chart2), two[0]), step: None, reason: ReasonInSync,
		},
		{
			name: "a test that did not run is not tried again", desired: toNext(func(d *Desired) { d.Tests.Enabled = true }),
			observed: failed(&Cancelled{Action: Test, Input: upgrade.Input, Settings: "sha256:s"}, record(2, StatusDeployed, chart2,
				func(r *Record) { r.Tests = []TestRun{{Name: "smoke"}} })),
			step: Wait, reason: v1beta1.CancelledReason,
		},
		{
			name: "a rollback that a user asked for is not tried again", desired: toNext(pin(1)),
			observed: failed(rollback, three...), step: Wait, reason: v1beta1.CancelledReason,
		},
		{
			name: "one to another revision is", desired: toNext(pin(2)),
			observed: failed(rollback, three...), step: Rollback, reason: v1beta1.RolledBackReason,
		},
		{
			name: "what is wanted is tried when the request is gone", desired: toNext(),
			observed: func() Observed {
				o := failed(rollback, three...)
				o.Attempt = Attempt{}
				return o
			}(), step: Upgrade, reason: ReasonFailed,
		},
	} {
		t.Run(tt.name, tt.check)
	}
}

func TestDecideACancelWhileAStepRuns(t *testing.T) {
	t.Parallel()
	isNo := false
	for step, ends := range map[Step]bool{
		Install: true, Upgrade: true, Rollback: true, Test: true,
		Uninstall: false, Correct: false, Compare: false, Preview: false, Unlock: false, Claim: false,
	} {
		for _, asked := range []bool{true, false} {
			d := desired(func(d *Desired) { d.Cancel = asked })
			got := Decide(d, running(step, time.Minute, 1, &isNo), now)
			if got.Step != Wait || got.Cancelled != (ends && asked) || got.Outdated {
				t.Errorf("%s, asked %v: got %+v", step, asked, got)
			}
		}
	}
}
