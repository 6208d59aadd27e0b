package plan

import (
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

var (
	now    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	target = Target{Name: "web", Namespace: "apps", StorageNamespace: "apps"}
	chart1 = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:1"}
	self   = Owner{Namespace: "apps", Name: "web", UID: "1"}
	before = Owner{Namespace: "apps", Name: "web", UID: "0"}
	other  = Owner{Namespace: "team", Name: "shop", UID: "2"}
	chart2 = v1beta1.ChartRevision{Name: "web", Version: "1.1.0", Digest: "sha256:2"}
)

func desired(change ...func(*Desired)) Desired {
	d := Desired{Self: self, Generation: 1, Target: target, Chart: chart1, ConfigDigest: "sha256:c", Timeout: 5 * time.Minute}
	for _, c := range change {
		c(&d)
	}
	return d
}

func record(version int, status string, chart v1beta1.ChartRevision, change ...func(*Record)) Record {
	r := Record{
		Version: version, Status: status, Chart: chart,
		ConfigDigest: "sha256:c", Ours: true, Owner: self, Modified: now.Add(-time.Hour),
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func observed(records ...Record) Observed {
	o := Observed{History: &History{Records: records}, Managed: len(records) > 0}.Gathered()
	if len(records) > 0 {
		o.Recorded, o.RecordedDigest = records[0].Version, records[0].Digest
	}
	return o
}

func attempt(o Observed, a Attempt) Observed {
	if a.Generation == 0 {
		a.Generation = 1
	}
	if a.ChartDigest == "" {
		a.ChartDigest = chart1.Digest
	}
	if a.ConfigDigest == "" {
		a.ConfigDigest = "sha256:c"
	}
	o.Attempt = a
	return o
}

func compared(o Observed, equal bool) Observed {
	o.Manifest = &equal
	return o
}

func foreign(r *Record) { r.Ours, r.Chart.Digest, r.Owner = false, "", Owner{} }

// by makes a record name an owner; the zero owner is that of an older Fairlead.
func by(owner Owner) func(*Record) { return func(r *Record) { r.Owner = owner } }

// unmanaged is what an object without a status observes; living is the other HelmRelease that owns the release, zero
// for none.
func unmanaged(living Owner, records ...Record) Observed {
	return Observed{History: &History{Records: records}, Owner: &living}.Gathered()
}

// decision is a row of a table test.
type decision struct {
	name     string
	desired  Desired
	observed Observed
	// step and reason of the plan; message is a part of its text, after its pause.
	step    Step
	reason  string
	message string
	after   time.Duration
}

func (d decision) check(t *testing.T) {
	t.Parallel()
	got := Decide(d.desired, d.observed, now)
	if got.Step != d.step || got.Reason != d.reason || got.After != d.after {
		t.Errorf("got %s (%s, after %s), want %s (%s, after %s)", got.Step, got.Reason, got.After, d.step, d.reason, d.after)
	}
	if !strings.Contains(got.Message, d.message) {
		t.Errorf("message %q lacks %q", got.Message, d.message)
	}
}

func TestDecide(t *testing.T) {
	aMomentAgo := now.Add(-10 * time.Second)
	tests := []decision{
		{name: "without a history, it is asked for first", desired: desired(), observed: Observed{Inputs: &Inputs{}}, step: Need, reason: "history"},
		{name: "a release that does not exist is installed", desired: desired(), observed: observed(), step: Install, reason: ReasonAbsent,
			message: "chart web-1.0.0@1"},
		{name: "a release that is as wanted is left alone", desired: desired(), observed: observed(record(1, StatusDeployed, chart1)),
			step: None, reason: ReasonInSync},
		{name: "a suspended object changes nothing, and asks for nothing", desired: desired(func(d *Desired) { d.Suspended = true }),
			observed: Observed{Looked: true}, step: None, reason: v1beta1.SuspendedReason},
		{name: "a new chart version is an upgrade", desired: desired(func(d *Desired) { d.Chart = chart2 }),
			observed: observed(record(1, StatusDeployed, chart1)), step: Upgrade, reason: ReasonChanged, message: "version 1.0.0 → 1.1.0"},
		{name: "a leading v makes no other version", desired: desired(func(d *Desired) { d.Chart.Version = "v" + chart1.Version }),
			observed: observed(record(1, StatusDeployed, chart1)), step: None, reason: ReasonInSync},
		{name: "a build is another version", desired: desired(func(d *Desired) { d.Chart.Version += "+b1" }),
			observed: observed(record(1, StatusDeployed, chart1)), step: Upgrade, reason: ReasonChanged, message: "version 1.0.0 → 1.0.0+b1"},
		{name: "new values are an upgrade", desired: desired(func(d *Desired) { d.ConfigDigest = "sha256:new" }),
			observed: observed(record(1, StatusDeployed, chart1)), step: Upgrade, reason: ReasonChanged, message: "values"},
		{name: "other content under the same version is an upgrade",
			desired:  desired(func(d *Desired) { d.Chart.Digest = "sha256:other" }),
			observed: observed(record(1, StatusDeployed, chart1)), step: Upgrade, reason: ReasonChanged, message: "digest"},
		{name: "other content under the same version is no upgrade when only the version counts",
			desired:  desired(func(d *Desired) { d.Chart.Digest, d.VersionOnly = "sha256:other", true }),
			observed: observed(record(1, StatusDeployed, chart1)), step: None, reason: ReasonInSync},
		{name: "other post renderers are an upgrade", desired: desired(func(d *Desired) { d.RenderDigest = "sha256:r" }),
			observed: observed(record(1, StatusDeployed, chart1)), step: Upgrade, reason: ReasonChanged, message: "post renderers"},
		{name: "a release of another Helm client that may be equal is compared", desired: desired(func(d *Desired) { d.RenderDigest = "sha256:r" }),
			observed: observed(record(3, StatusDeployed, chart1, foreign)), step: Need, reason: "manifest", message: "revision 3"},
		{name: "a release of another Helm client is compared also when an index writes its version with a v",
			desired:  desired(func(d *Desired) { d.Chart.Version = "v" + chart1.Version }),
			observed: observed(record(3, StatusDeployed, chart1, foreign)), step: Need, reason: "manifest", message: "revision 3"},
		{name: "a release of another Helm client that is equal is taken over without a new revision", desired: desired(),
			observed: compared(observed(record(3, StatusDeployed, chart1, foreign)), true), step: Claim, reason: ReasonUnowned, message: "revision 3"},
		{name: "a failed release of another Helm client is upgraded", desired: desired(),
			observed: observed(record(3, StatusFailed, chart1, foreign)), step: Upgrade, reason: ReasonFailed},
		{name: "an upgrade that failed unseen counts before the rollback of it is finished", desired: desired(func(d *Desired) { d.Chart = chart2 }),
			observed: func() Observed {
				o := observed(record(3, StatusPendingRollback, chart1), record(2, StatusFailed, chart2), record(1, StatusSuperseded, chart1))
				o.Recorded = 1
				return o
			}(), step: Recount, reason: ReasonUnrecorded, message: "revision 2 ended as failed"},
		{name: "a chart of another name replaces the release", desired: desired(func(d *Desired) { d.Chart.Name = "shop" }),
			observed: observed(record(1, StatusDeployed, chart1)), step: Uninstall, reason: ReasonRenamed, message: "shop"},
		{name: "a chart of another name upgrades in place when that is asked for",
			desired:  desired(func(d *Desired) { d.Chart.Name, d.InPlace = "shop", true }),
			observed: observed(record(1, StatusDeployed, chart1)), step: Upgrade, reason: ReasonChanged, message: "chart web → shop"},
		{name: "a version that upstream withdrew stays",
			desired:  desired(func(d *Desired) { d.FromRange = true }),
			observed: attempt(observed(record(2, StatusDeployed, chart2)), Attempt{At: now}), step: None, reason: ReasonWithdrawn, message: "1.1.0"},
		{name: "an older version that the user asks for is taken",
			desired:  desired(func(d *Desired) { d.FromRange, d.Generation = true, 2 }),
			observed: attempt(observed(record(2, StatusDeployed, chart2)), Attempt{At: now}), step: Upgrade, reason: ReasonChanged},
		{name: "an uninstalled release with kept records is installed again", desired: desired(),
			observed: observed(record(2, StatusUninstalled, chart1)), step: Install, reason: ReasonAbsent},

		{name: "a failed revision is tried again", desired: desired(), observed: observed(record(1, StatusFailed, chart1)),
			step: Upgrade, reason: ReasonFailed},
		{name: "right after a failure the same input waits", desired: desired(),
			observed: attempt(observed(record(1, StatusFailed, chart1)), Attempt{Failures: 1, At: aMomentAgo}),
			step:     Wait, reason: ReasonBackoff, after: 20 * time.Second},
		{name: "a failure without a revision waits too", desired: desired(),
			observed: attempt(observed(), Attempt{Failures: 2, At: aMomentAgo}), step: Wait, reason: ReasonBackoff, after: 50 * time.Second},
		{name: "after the pause it is tried again", desired: desired(),
			observed: attempt(observed(record(1, StatusFailed, chart1)), Attempt{Failures: 1, At: now.Add(-time.Minute)}), step: Upgrade, reason: ReasonFailed},
		{name: "new values do not wait for an old failure", desired: desired(func(d *Desired) { d.ConfigDigest = "sha256:new" }),
			observed: attempt(observed(record(1, StatusFailed, chart1)), Attempt{Failures: 5, At: aMomentAgo}), step: Upgrade, reason: ReasonFailed},
		{name: "a new chart does not wait for an old failure", desired: desired(func(d *Desired) { d.Chart = chart2 }),
			observed: attempt(observed(record(1, StatusFailed, chart1)), Attempt{Failures: 5, At: aMomentAgo}), step: Upgrade, reason: ReasonFailed},
		{name: "a new generation does not wait for an old failure", desired: desired(func(d *Desired) { d.Generation = 2 }),
			observed: attempt(observed(record(1, StatusFailed, chart1)), Attempt{Failures: 5, At: aMomentAgo}), step: Upgrade, reason: ReasonFailed},
		{name: "a request does not wait for an old failure", desired: desired(func(d *Desired) { d.Retry = true }),
			observed: attempt(observed(record(1, StatusFailed, chart1)), Attempt{Failures: 5, At: aMomentAgo}), step: Upgrade, reason: ReasonFailed},
		{name: "input that cannot succeed is not tried again", desired: desired(),
			observed: attempt(observed(), Attempt{Failures: 1, Stalled: true, At: now.Add(-24 * time.Hour)}), step: Wait, reason: ReasonFailed},
		{name: "input that could not succeed is tried when it changes", desired: desired(func(d *Desired) { d.ConfigDigest = "sha256:new" }),
			observed: attempt(observed(), Attempt{Failures: 1, Stalled: true, At: now}), step: Install, reason: ReasonAbsent},

		{name: "our own pending revision was interrupted", desired: desired(),
			observed: observed(record(2, StatusPendingUpgrade, chart1), record(1, StatusDeployed, chart1)), step: Resume, reason: ReasonInterrupted,
			message: "revision 2"},
		{name: "our own pending revision of other input was interrupted", desired: desired(func(d *Desired) { d.Chart = chart2 }),
			observed: observed(record(2, StatusPendingUpgrade, chart1), record(1, StatusDeployed, chart1)), step: Unlock, reason: ReasonInterrupted},
		{name: "our own rollback was interrupted", desired: desired(func(d *Desired) { d.Chart = chart2 }),
			observed: observed(record(3, StatusPendingRollback, chart1), record(2, StatusFailed, chart2), record(1, StatusDeployed, chart1)),
			step:     Resume, reason: ReasonInterrupted},
		{name: "our own uninstall was interrupted and nobody wants it any more", desired: desired(),
			observed: observed(record(1, StatusUninstalling, chart1)), step: Unlock, reason: ReasonInterrupted},
		{name: "our own uninstall for a chart of another name was interrupted", desired: desired(func(d *Desired) { d.Chart.Name = "shop" }),
			observed: observed(record(1, StatusUninstalling, chart1)), step: Resume, reason: ReasonRenamed},
		{name: "a pending revision that could not be unlocked waits", desired: desired(),
			observed: attempt(observed(record(2, StatusPendingUpgrade, chart1)), Attempt{Failures: 1, At: aMomentAgo}),
			step:     Wait, reason: ReasonBackoff, after: 20 * time.Second},
		{name: "a pending revision of another client is left alone", desired: desired(),
			observed: observed(record(2, StatusPendingUpgrade, chart1, foreign, func(r *Record) { r.Modified = now.Add(-time.Minute) })),
			step:     Wait, reason: v1beta1.PendingReleaseReason, after: 9 * time.Minute, message: "2026-03-01T12:09:00Z"},
		{name: "a pending revision of another client is abandoned after its time", desired: desired(),
			observed: observed(record(2, StatusPendingInstall, chart1, foreign)), step: Unlock, reason: ReasonAbandoned},

		{name: "a deleted object's release is uninstalled", desired: desired(func(d *Desired) { d.Deleting = true }),
			observed: observed(record(1, StatusDeployed, chart1)), step: Uninstall, reason: ReasonDeleted},
		{name: "a deleted object's failed release is uninstalled at once, whatever the back-off of its upgrades",
			desired:  desired(func(d *Desired) { d.Deleting, d.Generation = true, 2 }),
			observed: attempt(observed(record(1, StatusFailed, chart1)), Attempt{Failures: 9, At: aMomentAgo}),
			step:     Uninstall, reason: ReasonDeleted},
		{name: "a failed uninstall waits", desired: desired(func(d *Desired) { d.Deleting = true }),
			observed: attempt(observed(record(1, StatusUninstalling, chart1)), Attempt{Failures: 1, At: aMomentAgo}),
			step:     Wait, reason: ReasonBackoff, after: 20 * time.Second},
		{name: "an interrupted uninstall goes on", desired: desired(func(d *Desired) { d.Deleting = true }),
			observed: observed(record(1, StatusUninstalling, chart1)), step: Resume, reason: ReasonDeleted},
		{name: "a deleted object can leave its release behind, whatever is known of it",
			desired: desired(func(d *Desired) { d.Deleting, d.Orphan = true, true }), step: None, reason: ReasonOrphaned, message: "apps/web"},
		{name: "in a namespace that goes too, an uninstall that is refused is let be",
			desired:  desired(func(d *Desired) { d.Deleting, d.NamespaceTerminating = true, true }),
			observed: attempt(observed(record(1, StatusDeployed, chart1)), Attempt{Failures: 1, Denied: true, At: aMomentAgo}),
			step:     None, reason: ReasonUnreachable, message: "may be left"},
		{name: "in a namespace that stays, an uninstall that is refused is tried again", desired: desired(func(d *Desired) { d.Deleting = true }),
			observed: attempt(observed(record(1, StatusDeployed, chart1)), Attempt{Failures: 1, Denied: true, At: aMomentAgo}),
			step:     Wait, reason: ReasonBackoff, after: 20 * time.Second},
		{name: "when the release is gone, the object may go", desired: desired(func(d *Desired) { d.Deleting = true }),
			observed: observed(), step: None, reason: ReasonGone},
		{name: "a release that was never ours is left alone on deletion", desired: desired(func(d *Desired) { d.Deleting = true }),
			observed: Observed{History: &History{Records: []Record{record(1, StatusDeployed, chart1, foreign)}}}.Gathered(), step: None, reason: ReasonGone},
		{name: "a release that was ours before the status was written is uninstalled", desired: desired(func(d *Desired) { d.Deleting = true }),
			observed: Observed{History: &History{Records: []Record{record(1, StatusDeployed, chart1)}}}.Gathered(), step: Uninstall, reason: ReasonDeleted},
		{name: "a suspended object that is deleted leaves its release",
			desired:  desired(func(d *Desired) { d.Deleting, d.Suspended = true, true }),
			observed: observed(record(1, StatusDeployed, chart1)), step: None, reason: v1beta1.SuspendedReason},
		{name: "a release that moved is uninstalled where it was", desired: desired(),
			observed: Observed{History: &History{Records: []Record{record(1, StatusDeployed, chart1)}}, Managed: true, Moved: &Target{Name: "old"}}.Gathered(),
			step:     Uninstall, reason: ReasonMoved},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.check)
	}
}

// The order of the rules is a contract: each row would go wrong if its two rules changed places.
func TestRuleOrder(t *testing.T) {
	order := []string{
		"underway", "suspended", "orphaned", "inputs", "blocked", "history", "owned by other", "objects", "deleted", "moved", "taken",
		"unrecorded", "interrupted", "locked", "renamed", "cancelled", "pinned", "forced", "stalled", "remedied",
		"known bad", "backing off", "absent", "failed", "foreign", "withdrawn", "changed", "untested",
	}
	if len(order) != len(rules) {
		t.Fatalf("%d rules, %d expected", len(rules), len(order))
	}
	for i, want := range order {
		if !strings.HasPrefix(rules[i].name, want) {
			t.Errorf("rule %d is %q, want %q", i, rules[i].name, want)
		}
	}
}

func TestRetryDelay(t *testing.T) {
	want := map[int64]time.Duration{
		0: 30 * time.Second, 1: 30 * time.Second, 2: time.Minute, 3: 2 * time.Minute, 7: 32 * time.Minute, 8: time.Hour, 1 << 40: time.Hour,
	}
	for failures, delay := range want {
		if got := RetryDelay(failures); got != delay {
			t.Errorf("after %d failures: %s, want %s", failures, got, delay)
		}
	}
}
