package plan

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

var (
	healthy = Health{Known: true, Healthy: true, Since: now.Add(-time.Hour)}
	object  = v1beta1.NewResourceRef("apps", "web", "apps", "Deployment", "v1")
)

func unwell(since time.Duration) Health {
	return Health{Known: true, Since: now.Add(-since), Message: "Deployment apps/web: Available: 0/1"}
}

func broken() Health {
	return Health{Known: true, Failed: true, Since: now, Message: "Job apps/init: BackoffLimitExceeded"}
}

// upgraded wants chart2, with our defaults, and a bake of two minutes.
func upgraded(change ...func(*Desired)) Desired {
	d := desired(func(d *Desired) {
		d.Chart, d.Bake, d.Budget = chart2, 2*time.Minute, Budget{Count: 3, Per: 24 * time.Hour}
		d.Upgrade = Policy{Default: true, Remediates: true, LastToo: true}
	})
	for _, c := range change {
		c(&d)
	}
	return d
}

// rolledOut is revision 2, of chart2, while it bakes; revision 1 was verified.
func rolledOut(h Health, change ...func(*Observed)) Observed {
	o := observed(record(2, StatusDeployed, chart2), record(1, StatusSuperseded, chart1))
	o.Verified, o.Health, o.Bake = 1, h, &Bake{Revision: 2, Until: now.Add(time.Minute)}
	for _, c := range change {
		c(&o)
	}
	return o
}

func failedUpgrade(a Attempt, change ...func(*Observed)) Observed {
	o := observed(record(2, StatusFailed, chart2), record(1, StatusDeployed, chart1))
	o.Verified = 1
	a.Action, a.ChartDigest, a.At = Upgrade, chart2.Digest, now
	o = attempt(o, a)
	for _, c := range change {
		c(&o)
	}
	return o
}

func knownToBeBad(o *Observed) {
	o.KnownBad = []v1beta1.KnownBad{{ChartDigest: chart2.Digest, ConfigDigest: "sha256:c", Reason: ReasonDegraded, Since: metav1.NewTime(now)}}
}

func TestRecovery(t *testing.T) {
	once := Attempt{Failures: 1, UpgradeFailures: 1}
	back := observed(record(3, StatusDeployed, chart1, func(r *Record) { r.Action = Rollback }), record(2, StatusSuperseded, chart2), record(1, StatusSuperseded, chart1))
	back.Verified = 1
	tests := []struct {
		name     string
		desired  Desired
		observed Observed
		step     Step
		reason   string
		message  string
		check    func(Plan) bool
	}{
		{name: "a healthy revision bakes", desired: upgraded(), observed: rolledOut(healthy), step: None, reason: v1beta1.BakingReason,
			check: func(p Plan) bool { return p.Baking && p.After == time.Minute }},
		{name: "a revision that stayed healthy is in sync", desired: upgraded(), observed: rolledOut(healthy, func(o *Observed) { o.Bake.Until = now }),
			step: None, reason: ReasonInSync, check: func(p Plan) bool { return !p.Baking }},
		{name: "without a view of the cluster nothing is verified", desired: upgraded(), observed: rolledOut(Health{}, func(o *Observed) { o.Bake.Until = now }),
			step: None, reason: v1beta1.BakingReason, check: func(p Plan) bool { return p.Baking && p.After == reconsider }},
		{name: "a moment of bad health is forgiven", desired: upgraded(), observed: rolledOut(unwell(10 * time.Second)), step: None,
			reason: v1beta1.BakingReason, check: func(p Plan) bool { return p.Baking && p.After == 20*time.Second }},
		{name: "with a short bake the grace is half of it", desired: upgraded(func(d *Desired) { d.Bake = 10 * time.Second }),
			observed: rolledOut(unwell(5 * time.Second)), step: Rollback, reason: ReasonDegraded},
		{name: "bad health that stays is rolled back, and not tried again", desired: upgraded(), observed: rolledOut(unwell(30 * time.Second)), step: Rollback,
			reason: ReasonDegraded, message: "Available: 0/1", check: func(p Plan) bool { return p.To == 1 && p.MarksKnownBad && p.Failure != "" }},
		{name: "what has failed for good is rolled back at once", desired: upgraded(), observed: rolledOut(broken()), step: Rollback, reason: ReasonDegraded},
		{name: "an install that does not stay healthy has nothing to go back to", desired: upgraded(),
			observed: func() Observed {
				o := observed(record(1, StatusDeployed, chart2))
				o.Health, o.Bake = broken(), &Bake{Revision: 1, Until: now}
				return o
			}(), step: None, reason: v1beta1.RollbackHeldReason, message: "no other good revision", check: func(p Plan) bool { return p.Baking && p.Failure != "" }},
		{name: "drift comes first", desired: upgraded(func(d *Desired) { d.Corrects = true }),
			observed: rolledOut(broken(), func(o *Observed) { o.Drifted = []v1beta1.ResourceRef{object} }), step: Correct, reason: ReasonDrifted},
		{name: "many releases at once are no release's fault", desired: upgraded(), observed: rolledOut(broken(), func(o *Observed) { o.NotAttributable = Widespread(5, 10) }),
			step: None, reason: v1beta1.InconclusiveReason, message: "5 of 10 releases"},
		{name: "rollbacks may be switched off", desired: upgraded(func(d *Desired) { d.KeepFailed = true }), observed: rolledOut(broken()), step: None,
			reason: v1beta1.RollbackHeldReason, message: "autoRollback"},
		{name: "a chart may say that there is no way back", desired: upgraded(),
			observed: rolledOut(broken(), func(o *Observed) { o.History.Records[0].ForwardOnly = "the chart is forward-only" }), step: None,
			reason: v1beta1.RollbackHeldReason, message: "forward-only"},
		{name: "a budget that is used up", desired: upgraded(),
			observed: rolledOut(broken(), func(o *Observed) {
				o.Rollbacks = []time.Time{now.Add(-time.Hour), now.Add(-2 * time.Hour), now.Add(-3 * time.Hour)}
			}),
			step: None, reason: v1beta1.RollbackHeldReason, message: "3 times in 24h"},
		{name: "what spec.upgrade leaves is left", desired: upgraded(func(d *Desired) { d.Upgrade = Policy{Pause: time.Minute} }), observed: rolledOut(broken()),
			step: None, reason: v1beta1.RollbackHeldReason, message: "spec.upgrade"},
		{name: "an edit by hand that is only reported is to blame, too", desired: upgraded(), observed: rolledOut(broken(), func(o *Observed) { o.Differs = true }),
			step: None, reason: v1beta1.InconclusiveReason, message: "another client"},
		{name: "old rollbacks do not count", desired: upgraded(),
			observed: rolledOut(broken(), func(o *Observed) {
				o.Rollbacks = []time.Time{now.Add(-time.Hour), now.Add(-25 * time.Hour), now.Add(-26 * time.Hour)}
			}),
			step: Rollback, reason: ReasonDegraded},
		{name: "a revision that turned out bad before is no way back", desired: upgraded(func(d *Desired) { d.Chart.Digest, d.Chart.Version = "sha256:3", "1.2.0" }),
			observed: func() Observed {
				three := v1beta1.ChartRevision{Name: "web", Version: "1.2.0", Digest: "sha256:3"}
				o := observed(record(3, StatusDeployed, three), record(2, StatusSuperseded, chart2), record(1, StatusSuperseded, chart1))
				o.Health, o.Bake = broken(), &Bake{Revision: 3, Until: now}
				knownToBeBad(&o)
				return o
			}(), step: Rollback, reason: ReasonDegraded, check: func(p Plan) bool { return p.To == 1 && len(p.Others) == 0 }},

		{name: "a failed upgrade is rolled back once and not tried again", desired: upgraded(), observed: failedUpgrade(once), step: Rollback,
			reason: ReasonRemediation, check: func(p Plan) bool { return p.To == 1 && p.MarksKnownBad }},
		{name: "one with retries left is not condemned", desired: upgraded(func(d *Desired) { d.Upgrade = Policy{Remediates: true, Retries: 1, LastToo: true} }),
			observed: failedUpgrade(once), step: Rollback, reason: ReasonRemediation, check: func(p Plan) bool { return !p.MarksKnownBad }},
		{name: "a failure that is not the input's is retried", desired: upgraded(),
			observed: failedUpgrade(Attempt{Failures: 1, UpgradeFailures: 1, NotAttributable: "the release was not healthy before, either"}),
			step:     Wait, reason: ReasonBackoff, message: "not healthy before", check: func(p Plan) bool { return p.After == 30*time.Second && !p.Stalled }},
		{name: "with a policy of its own a failed revision that must not be rolled back stays",
			desired:  upgraded(func(d *Desired) { d.KeepFailed, d.Upgrade = true, Policy{Remediates: true, LastToo: true} }),
			observed: failedUpgrade(once), step: Wait, reason: v1beta1.RollbackHeldReason, check: func(p Plan) bool { return p.Stalled && p.MarksKnownBad }},

		{name: "a known bad input is not tried again", desired: upgraded(func(d *Desired) { d.Generation = 7 }), observed: with(back, knownToBeBad), step: Wait,
			reason: v1beta1.KnownBadReason, message: "reset", check: func(p Plan) bool { return p.Stalled }},
		{name: "under other settings it is", desired: upgraded(func(d *Desired) { d.SettingsDigest = "other" }), observed: with(back, knownToBeBad), step: Upgrade,
			reason: ReasonChanged},
		{name: "with other values it is", desired: upgraded(func(d *Desired) { d.ConfigDigest = "sha256:new" }), observed: with(back, knownToBeBad), step: Upgrade,
			reason: ReasonChanged},
		{name: "a known bad input that is still there is undone", desired: upgraded(func(d *Desired) { d.Generation = 7 }),
			observed: failedUpgrade(once, knownToBeBad), step: Rollback},
		{name: "Git goes back to what runs", desired: upgraded(func(d *Desired) { d.Chart = chart1 }), observed: with(back, knownToBeBad), step: None, reason: ReasonInSync},
		{name: "drift is corrected after a rollback, too", desired: upgraded(func(d *Desired) { d.Corrects = true }),
			observed: with(back, knownToBeBad, func(o *Observed) { o.Drifted = []v1beta1.ResourceRef{object} }), step: Correct, check: func(p Plan) bool { return p.To == 3 }},

		{name: "a user asks for a former revision", desired: upgraded(func(d *Desired) { d.Pin = &Pin{Revision: 1, Reason: "orders are lost"} }),
			observed: rolledOut(healthy), step: Rollback, reason: v1beta1.RolledBackReason, message: "orders are lost", check: func(p Plan) bool { return p.To == 1 && !p.MarksKnownBad }},
		{name: "and stays there", desired: upgraded(func(d *Desired) { d.Pin = &Pin{Revision: 1} }), observed: back, step: None, reason: v1beta1.RolledBackReason},
		{name: "a revision that is gone cannot be asked for", desired: upgraded(func(d *Desired) { d.Pin = &Pin{Revision: 9} }), observed: rolledOut(healthy),
			step: Wait, reason: v1beta1.MissingRollbackTargetReason, message: "revision 9", check: func(p Plan) bool { return p.Stalled }},
		{name: "nor one that failed", desired: upgraded(func(d *Desired) { d.Pin = &Pin{Revision: 2} }), observed: failedUpgrade(once),
			step: Wait, reason: v1beta1.MissingRollbackTargetReason, message: "never good"},

		{name: "drift that is only reported is looked at", desired: upgraded(), observed: rolledOut(healthy, func(o *Observed) { o.Drifted = []v1beta1.ResourceRef{object} }),
			step: Inspect, reason: ReasonDrifted, check: func(p Plan) bool { return len(p.Objects) == 1 }},
		{name: "an audit looks at everything", desired: upgraded(),
			observed: rolledOut(healthy, func(o *Observed) { o.AuditAt = now }), step: Inspect,
			reason: ReasonAudit, check: func(p Plan) bool { return len(p.Objects) == 0 }},
		{name: "objects that nobody listed are listed", desired: upgraded(func(d *Desired) { d.Corrects = true }),
			observed: rolledOut(healthy, func(o *Observed) { o.Unlisted = true }), step: Inspect, reason: ReasonUnlisted},
		{name: "they wait for an upgrade", desired: upgraded(),
			observed: with(observed(record(1, StatusDeployed, chart1)), func(o *Observed) { o.Unlisted = true }),
			step:     Upgrade},
		{name: "a suspended release is not listed", desired: upgraded(func(d *Desired) { d.Suspended = true }),
			observed: rolledOut(healthy, func(o *Observed) { o.Unlisted = true }), step: None, reason: v1beta1.SuspendedReason},
		{name: "the drift of what another Helm client made is reported first",
			desired: upgraded(func(d *Desired) { d.Corrects = true }),
			observed: rolledOut(healthy, func(o *Observed) {
				o.Drifted, o.Probation, o.History.Records[0].Ours = []v1beta1.ResourceRef{object}, true, false
			}), step: Inspect, reason: ReasonDrifted},
		{name: "that of a revision of our own is corrected", desired: upgraded(func(d *Desired) { d.Corrects = true }),
			observed: rolledOut(healthy, func(o *Observed) {
				o.Drifted, o.Probation, o.History.Records[0].Ours = []v1beta1.ResourceRef{object}, true, true
			}), step: Correct, reason: ReasonDrifted},
		{name: "drift waits for an upgrade", desired: upgraded(func(d *Desired) { d.Corrects = true }),
			observed: with(observed(record(1, StatusDeployed, chart1)), func(o *Observed) { o.Drifted = []v1beta1.ResourceRef{object} }), step: Upgrade},
		{name: "a suspended release drifts", desired: upgraded(func(d *Desired) { d.Suspended = true }),
			observed: rolledOut(broken(), func(o *Observed) { o.Drifted = []v1beta1.ResourceRef{object} }), step: None, reason: v1beta1.SuspendedReason},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Decide(tt.desired, tt.observed, now)
			if p.Step != tt.step || tt.reason != "" && p.Reason != tt.reason || !strings.Contains(p.Message, tt.message) {
				t.Errorf("%+v", p)
			}
			if tt.check != nil && !tt.check(p) {
				t.Errorf("%+v", p)
			}
		})
	}
}

func with(o Observed, change ...func(*Observed)) Observed {
	records := append([]Record{}, o.History.Records...)
	o.History = &History{Records: records}
	for _, c := range change {
		c(&o)
	}
	return o
}

func TestExcuse(t *testing.T) {
	for name, tt := range map[string]struct {
		before Health
		shaken string
		want   string
	}{
		"it was healthy":         {before: healthy},
		"nobody knows":           {},
		"it was not healthy":     {before: unwell(time.Hour), shaken: "more", want: "not healthy before"},
		"something else is down": {before: healthy, shaken: "its database is down", want: "database"},
	} {
		if got := NotAttributable(tt.before, tt.shaken); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, tt := range []struct {
		failing, all int
		want         bool
	}{{4, 4, false}, {5, 10, true}, {5, 100, false}, {30, 100, false}, {31, 100, true}} {
		if got := Widespread(tt.failing, tt.all); (got != "") != tt.want {
			t.Errorf("%d of %d: %q", tt.failing, tt.all, got)
		}
	}
}
