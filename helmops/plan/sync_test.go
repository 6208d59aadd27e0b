package plan

import (
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/approval"
)

// plannedFor is a plan for the desired state, from revision 1.
func plannedFor(d Desired, risk string, change ...func(*Planned)) *Planned {
	p := &Planned{
		Digest: "sha256:plan", Risk: risk, Summary: "2 changed", Input: d.Input(), Generation: d.Generation, From: 1,
		ExpiresAt: now.Add(time.Minute),
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func TestPlansThatWait(t *testing.T) {
	t.Parallel()
	upgrade := func(sync approval.Sync) Desired {
		return desired(func(d *Desired) {
			d.Chart = chart2
			d.Sync = sync
		})
	}
	manual := approval.Sync{Manual: true}
	runs := record(1, StatusDeployed, chart1)
	for _, tt := range []struct {
		name     string
		sync     approval.Sync
		planned  func(Desired) *Planned
		step     Step
		approved string
		says     string
	}{
		{"automatic", approval.Sync{}, nil, Upgrade, "", ""},
		{"manual, not planned yet", manual, nil, Preview, "", "version 1.0.0 → 1.1.0"},
		{"manual", manual, func(d Desired) *Planned { return plannedFor(d, v1beta1.RiskNone) }, Wait, "",
			"the upgrade to web 1.1.0 waits for the approval of plan plan (2 changed; risk None)"},
		{"manual and approved", approval.Sync{Manual: true, Approved: "sha256:plan"},
			func(d Desired) *Planned { return plannedFor(d, v1beta1.RiskNone) }, Upgrade, "sha256:plan", ""},
		{"manual, and another plan is approved", approval.Sync{Manual: true, Approved: "sha256:other"},
			func(d Desired) *Planned {
				return plannedFor(d, v1beta1.RiskNone, func(p *Planned) { p.Replaces = "sha256:other"; p.Moved = "values" })
			}, Wait, "", "; spec.sync.approved is plan other; this has changed since that approval: values"},
		{"approved, and the plan is of other values", approval.Sync{Manual: true, Approved: "sha256:plan"},
			func(d Desired) *Planned {
				return plannedFor(d, v1beta1.RiskNone, func(p *Planned) { p.Input.Config = "sha256:d" })
			}, Preview, "", ""},
		{"approved, and the plan is of another generation", approval.Sync{Manual: true, Approved: "sha256:plan"},
			func(d Desired) *Planned {
				return plannedFor(d, v1beta1.RiskNone, func(p *Planned) { p.Generation = 7 })
			}, Preview, "", ""},
		{"approved, and another revision runs", approval.Sync{Manual: true, Approved: "sha256:plan"},
			func(d Desired) *Planned { return plannedFor(d, v1beta1.RiskNone, func(p *Planned) { p.From = 2 }) }, Preview, "", ""},
		{"approved, and the plan is too old", approval.Sync{Manual: true, Approved: "sha256:plan"},
			func(d Desired) *Planned {
				return plannedFor(d, v1beta1.RiskNone, func(p *Planned) { p.ExpiresAt = now })
			}, Preview, "", ""},
		{"automatic with a preview, not planned yet", approval.Sync{Preview: true}, nil, Preview, "", "version 1.0.0 → 1.1.0"},
		{"automatic with a preview", approval.Sync{Preview: true},
			func(d Desired) *Planned { return plannedFor(d, v1beta1.RiskEscalation) }, Upgrade, "sha256:plan", ""},
		{"below the risk", approval.Sync{MinRisk: v1beta1.RiskRecreate},
			func(d Desired) *Planned { return plannedFor(d, v1beta1.RiskRestart) }, Upgrade, "sha256:plan", ""},
		{"at the risk", approval.Sync{MinRisk: v1beta1.RiskRestart},
			func(d Desired) *Planned { return plannedFor(d, v1beta1.RiskRestart) }, Wait, "", "risk Restart"},
		{"above the risk", approval.Sync{MinRisk: v1beta1.RiskRestart},
			func(d Desired) *Planned { return plannedFor(d, v1beta1.RiskEscalation) }, Wait, "", "risk Escalation"},
		{"a risk of a later version", approval.Sync{MinRisk: v1beta1.RiskEscalation},
			func(d Desired) *Planned { return plannedFor(d, "Terrible") }, Wait, "", "risk Terrible"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := upgrade(tt.sync)
			o := observed(runs)
			if tt.planned != nil {
				o.Planned = tt.planned(d)
			}
			p := Decide(d, o, now)
			if p.Step != tt.step || p.Approved != tt.approved || !strings.Contains(p.Message, tt.says) {
				t.Errorf("the plan is %+v", p)
			}
			if p.Step == Wait && (p.Reason != v1beta1.AwaitingApprovalReason || p.After != time.Minute || p.Stalled) {
				t.Errorf("it waits with %+v", p)
			}
		})
	}
}

// What undoes a failure, repairs drift or deletes the release never waits, and the first install does.
func TestWhatWaitsForAnApproval(t *testing.T) {
	t.Parallel()
	manual := func(d *Desired) { d.Sync = approval.Sync{Manual: true} }
	if p := Decide(desired(manual), observed(), now); p.Step != Preview {
		t.Errorf("the first install: %+v", p)
	}

	replaced := desired(manual, func(d *Desired) { d.Chart = v1beta1.ChartRevision{Name: "other", Version: "1.0.0"} })
	runs := observed(record(1, StatusDeployed, chart1))
	if p := Decide(replaced, runs, now); p.Step != Preview || !p.Afresh {
		t.Errorf("a chart of another name: %+v", p)
	}
	runs.Planned = plannedFor(replaced, v1beta1.RiskNone, func(p *Planned) { p.From = 0 })
	replaced.Sync.Approved = runs.Planned.Digest
	if p := Decide(replaced, runs, now); p.Step != Uninstall {
		t.Errorf("a chart of another name, approved: %+v", p)
	}

	d := desired(manual, func(d *Desired) { d.Deleting = true })
	if p := Decide(d, observed(record(1, StatusDeployed, chart1)), now); p.Step != Uninstall {
		t.Errorf("a deletion: %+v", p)
	}

	d = upgraded(manual)
	failing := rolledOut(Health{Known: true, Failed: true, Since: now.Add(-time.Hour), Message: "0/1"})
	if p := Decide(d, failing, now); p.Step != Rollback {
		t.Errorf("a revision that does not stay healthy: %+v", p)
	}

	next := upgraded(manual, func(d *Desired) { d.ConfigDigest = "sha256:d" })
	failing.Planned = plannedFor(next, v1beta1.RiskNone, func(p *Planned) { p.From = 2 })
	if p := Decide(next, failing, now); p.Step != Rollback {
		t.Errorf("a revision that does not stay healthy, while the next one waits: %+v", p)
	}

	if p := Decide(next, failing, now); p.Judged(next).ConfigDigest != failing.History.Newest().ConfigDigest {
		t.Errorf("it judges what is wanted, not what runs: %+v", p)
	}

	healthy := rolledOut(Health{Known: true, Healthy: true})
	healthy.Planned = failing.Planned
	p := Decide(next, healthy, now)
	if p.Reason != v1beta1.AwaitingApprovalReason || p.Bake == nil || !p.Bake.Baking {
		t.Errorf("a revision that bakes, while the next one waits: %+v", p)
	}

	d = desired(manual, func(d *Desired) {
		d.Chart = chart2
		d.Corrects = true
	})
	drifted := observed(record(1, StatusDeployed, chart1))
	drifted.Planned = plannedFor(d, v1beta1.RiskNone)
	drifted.Drifted = []v1beta1.ResourceRef{{ID: "apps_web__ConfigMap", Version: "v1"}}
	if p := Decide(d, drifted, now); p.Step != Correct {
		t.Errorf("drift, while a plan waits: %+v", p)
	}
}

// Approvals count for the plan that they name, from users of the groups, as long as they are not expired, and not against
// a rejection.
func TestApprovalsOfPlans(t *testing.T) {
	t.Parallel()
	by := func(user, digest string, change ...func(*approval.PlanDecision)) approval.PlanDecision {
		a := approval.PlanDecision{Decision: approval.Decision{User: user, At: now.Add(-time.Hour)}, Digest: digest}
		for _, c := range change {
			c(&a)
		}
		return a
	}
	rejects := func(a *approval.PlanDecision) {
		a.Reject = true
		a.Comment = "on Monday"
	}
	owner := func(a *approval.PlanDecision) { a.Groups = []string{"owners"} }
	known := func(decisions ...approval.PlanDecision) approval.Plans { return approval.Plans{Decisions: decisions} }
	checked := func(decisions ...approval.PlanDecision) approval.Plans {
		return approval.Plans{Checked: true, Decisions: decisions}
	}
	const digest = "sha256:plan"
	owners := approval.Gate{Groups: []string{"owners"}}
	for _, tt := range []struct {
		name     string
		gate     approval.Gate
		approved string
		known    approval.Plans
		says     string
	}{
		{"none", approval.Gate{}, "", approval.Plans{}, "risk None)"},
		{"one", approval.Gate{}, "", known(by("alice", digest)), ""},
		{"one of another plan", approval.Gate{}, "", known(by("alice", "sha256:past")),
			"risk None)"},
		{"one of the plan before", approval.Gate{}, "", known(by("alice", "sha256:former")),
			"risk None); the approval of alice is for plan former; this has changed since that approval: values"},
		{"a rejection", approval.Gate{}, "", known(by("alice", digest),
			by("bob", digest, rejects)), "risk None); bob rejected it: on Monday"},
		{"a rejection of what the spec approves", approval.Gate{}, digest, known(by("bob", digest, rejects)), "risk None); bob rejected it: on Monday"},
		{"a rejection of another plan", approval.Gate{}, digest, known(by("bob", "sha256:former", rejects)), ""},
		{"expired", approval.Gate{Expires: time.Hour}, "", known(by("alice", digest)),
			"risk None); the approval of alice expired at"},
		{"not expired", approval.Gate{Expires: time.Hour + time.Second}, "",
			known(by("alice", digest)), ""},
		{"one of two", approval.Gate{Count: 2}, "", checked(by("alice", digest), by("alice", digest)),
			"approved by alice; 1 of 2 approvals are missing; alice approved more than once, which counts once"},
		{"two", approval.Gate{Count: 2}, "", checked(by("alice", digest), by("bob", digest)), ""},
		{"two, and users are not checked", approval.Gate{Count: 2}, "", known(
			by("alice", digest), by("bob", digest)), "does not record who approves"},
		{"of the group", owners, "", checked(by("alice", digest, owner)), ""},
		{"of no group", owners, "", checked(by("alice", digest)),
			"risk None); alice is in none of the groups owners"},
		{"by the spec, and users are not checked", owners, digest, approval.Plans{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := upgraded(func(d *Desired) {
				d.Sync = approval.Sync{Manual: true, Approved: tt.approved, Approvals: tt.gate}
			})
			o := observed(record(1, StatusDeployed, chart1))
			o.Planned = plannedFor(d, v1beta1.RiskNone, func(p *Planned) {
				p.Replaces = "sha256:former"
				p.Moved = "values"
			})
			o.Approvals = nil
			if p := Decide(d, o, now); p.Step != Need || p.Fact != FactApprovals {
				t.Fatalf("without the approvals the plan is %+v", p)
			}

			o.Approvals = &tt.known
			p := Decide(d, o, now)
			if tt.says == "" && (p.Step != Upgrade || p.Approved != digest) {
				t.Errorf("the plan is %+v", p)
			}
			if tt.says != "" && (p.Reason != v1beta1.AwaitingApprovalReason || !strings.Contains(p.Message, tt.says)) {
				t.Errorf("the plan is %+v", p)
			}
		})
	}
}

// A release that waits for another approval is planned again when one that counts expires.
func TestAnApprovalThatExpiresWhilePlansWait(t *testing.T) {
	t.Parallel()
	d := upgraded(func(d *Desired) {
		d.Sync = approval.Sync{Manual: true, Approvals: approval.Gate{Count: 2, Expires: time.Hour}}
	})
	o := observed(record(1, StatusDeployed, chart1))
	o.Planned = plannedFor(d, v1beta1.RiskNone)
	o.Approvals = &approval.Plans{Checked: true, Decisions: []approval.PlanDecision{
		{Digest: o.Planned.Digest, Decision: approval.Decision{User: "alice", At: now.Add(30*time.Second - time.Hour)}},
	}}
	if p := Decide(d, o, now); p.Step != Wait || p.After != 30*time.Second {
		t.Errorf("the plan is %+v", p)
	}
}
