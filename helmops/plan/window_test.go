package plan

import (
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/window"
)

// inWindows are windows around noon, which it is.
func inWindows(t *testing.T, windows ...window.Window) func(*Desired) {
	t.Helper()
	calendar, err := window.NewCalendar(windows)
	if err != nil {
		t.Fatal(err)
	}
	return func(d *Desired) {
		d.Windows = Windows{Calendar: calendar, InstallLasts: 20 * time.Minute, UpgradeLasts: 10 * time.Minute}
	}
}

// noon denies the hour from now, which is noon.
var noon = window.Window{Deny: true, Cron: "0 12 * * *", Duration: time.Hour}

func overridden(d *Desired) { d.Windows.Override = true }

func newChart(d *Desired) { d.Chart = chart2 }

func TestWhatAWindowHolds(t *testing.T) {
	t.Parallel()
	closed := inWindows(t, noon)
	manual, repairs, soon := noon, noon, noon
	manual.Manual = true
	repairs.HoldsRepairs = true
	soon.Cron = "15 12 * * *"
	runs := record(1, StatusDeployed, chart1)
	broke := record(2, StatusFailed, chart2)
	failedOnce := Attempt{
		Action: Upgrade, ChartDigest: chart2.Digest, Failures: 1, UpgradeFailures: 1, At: now.Add(-time.Hour),
	}
	ranBefore := attempt(observed(), Attempt{Action: Upgrade})
	undone := attempt(observed(), Attempt{Action: Install, Failures: 1, InstallFailures: 1, At: now.Add(-time.Hour)})
	drifted := observed(runs)
	drifted.Drifted = []v1beta1.ResourceRef{{ID: "apps_web__ConfigMap", Version: "v1"}}
	corrects := func(d *Desired) { d.Corrects = true }
	const heldReason = v1beta1.SyncWindowClosedReason
	for _, tt := range []decision{
		{name: "an upgrade", desired: desired(closed, newChart), observed: observed(runs), step: None, reason: heldReason,
			message: `the upgrade to web 1.1.0 is held until 2026-03-01T13:00:00Z by Deny window "0 12 * * *" (UTC)`,
			after:   time.Hour},
		{name: "other values", desired: desired(closed, func(d *Desired) { d.ConfigDigest = "sha256:d" }),
			observed: observed(runs), step: None, reason: heldReason, after: time.Hour},
		{name: "other post renderers", desired: desired(closed, func(d *Desired) { d.RenderDigest = "sha256:r" }),
			observed: observed(runs), step: None, reason: heldReason, after: time.Hour},
		{name: "the first install", desired: desired(closed), observed: observed(), step: Wait, reason: heldReason,
			message: "the install of web 1.0.0 is held until", after: time.Hour},
		{name: "the install of what ran before is none", desired: desired(closed), observed: ranBefore, step: Install,
			reason: ReasonAbsent},
		{name: "the repetition of an install that was undone", desired: desired(closed), observed: undone, step: Wait,
			reason: heldReason, after: time.Hour},
		{name: "a chart of another name", desired: desired(closed, func(d *Desired) { d.Chart.Name = "shop" }),
			observed: observed(runs), step: None, reason: heldReason,
			message: "the replacement of the release by shop 1.0.0", after: time.Hour},
		{name: "a release that moved", desired: desired(closed), observed: Observed{
			History: &History{Records: []Record{runs}}, Managed: true, Moved: &Target{Name: "old"},
		}.Gathered(), step: None, reason: heldReason, message: "the move of the release", after: time.Hour},
		{name: "a forced upgrade", desired: desired(closed, func(d *Desired) { d.Force = true }),
			observed: observed(runs), step: None, reason: heldReason, after: time.Hour},
		{name: "the repetition of an upgrade that failed", desired: desired(closed, newChart, retriesUpgrades),
			observed: attempt(observed(broke, runs), failedOnce), step: Wait, reason: heldReason, after: time.Hour},
		{name: "not a rollback", desired: desired(closed, newChart, rollsBack),
			observed: attempt(observed(broke, runs), failedOnce), step: Rollback, reason: ReasonRemediation},
		{name: "a rollback, when it holds repairs", desired: desired(inWindows(t, repairs), newChart, rollsBack),
			observed: attempt(observed(broke, runs), failedOnce), step: Wait, reason: heldReason,
			message: "the rollback to revision 1 is held until", after: time.Hour},
		{name: "not the repair of drift", desired: desired(closed, corrects), observed: drifted, step: Correct,
			reason: ReasonDrifted},
		{name: "not the repair of drift while an upgrade is held", desired: desired(closed, newChart, corrects),
			observed: drifted, step: Correct, reason: ReasonDrifted},
		{name: "the repair of drift, when it holds repairs", desired: desired(inWindows(t, repairs), corrects),
			observed: drifted, step: None, reason: ReasonInSync, after: time.Hour},
		{name: "not a deletion", desired: desired(closed, func(d *Desired) { d.Deleting = true }),
			observed: observed(runs), step: Uninstall, reason: ReasonDeleted},
		{name: "not what is in sync", desired: desired(closed), observed: observed(runs), step: None,
			reason: ReasonInSync},
		{name: "not what a person overrides", desired: desired(inWindows(t, manual), newChart, overridden),
			observed: observed(runs), step: Upgrade, reason: ReasonChanged},
		{name: "what a person would override and may not", desired: desired(closed, newChart, overridden),
			observed: observed(runs), step: None, reason: heldReason,
			message: "; the request to override is not followed", after: time.Hour},
		{name: "not a plan that is looked at", desired: desired(closed, newChart, func(d *Desired) {
			d.Sync.Manual = true
		}), observed: observed(runs), step: Preview, reason: ReasonUnplanned},
		{name: "not an upgrade that ends before it", desired: desired(inWindows(t, soon), newChart),
			observed: observed(runs), step: Upgrade, reason: ReasonChanged},
		{name: "an install that would reach into it", desired: desired(inWindows(t, soon)), observed: observed(),
			step: Wait, reason: heldReason, after: 75 * time.Minute},
	} {
		t.Run(tt.name, tt.check)
	}
}

func retriesUpgrades(d *Desired) { d.Upgrade = Policy{Pause: time.Minute} }

func rollsBack(d *Desired) { d.Upgrade = Policy{Default: true, Remediates: true, LastToo: true} }

// A release of which an upgrade is held keeps what its status says of the revision that runs, with a note, and is
// watched as before.
func TestAHeldUpgradeLeavesWhatRuns(t *testing.T) {
	t.Parallel()
	closed := inWindows(t, noon)
	d := desired(closed, newChart)
	p := Decide(d, observed(record(1, StatusDeployed, chart1)), now)
	if p.Held == nil || p.Held.Chart != chart2 || p.Note != p.Held.Message || !p.Held.Until.Equal(now.Add(time.Hour)) {
		t.Errorf("the plan is %+v", p)
	}

	next := upgraded(closed, func(d *Desired) { d.ConfigDigest = "sha256:d" })
	p = Decide(next, rolledOut(Health{Known: true, Healthy: true}), now)
	if !p.Baking || p.Held == nil || p.Note == "" || p.After <= 0 || p.After > time.Hour {
		t.Errorf("a revision that bakes: %+v", p)
	}

	sick := rolledOut(Health{Known: true, Failed: true, Since: now.Add(-time.Hour), Message: "0/1"})
	if p = Decide(next, sick, now); p.Step != Rollback {
		t.Errorf("a revision that does not stay healthy: %+v", p)
	}

	repairs := noon
	repairs.HoldsRepairs = true
	p = Decide(upgraded(inWindows(t, repairs)), sick, now)
	if p.Step != None || p.Reason != v1beta1.RollbackHeldReason || p.After != time.Hour ||
		!strings.Contains(p.Message, "it is not rolled back: the rollback is held until 2026-03-01T13:00:00Z") {
		t.Errorf("a revision that does not stay healthy, while repairs are held: %+v", p)
	}
}
