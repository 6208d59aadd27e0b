package plan

import (
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/approval"
)

// planned is the plan of the inputs d2 on top of d1, computed so long ago.
func planned(ago time.Duration, changes ...func(*Planned)) func(*Observed) {
	return func(o *Observed) {
		p := &Planned{
			Digest: "sha256:p2", Risk: v1beta1.RiskRestart, Revision: "main@2", Summary: "1 changed",
			Inputs: "d2", From: "d1", Generation: 1, ExpiresAt: now.Add(v1beta1.PlanValidity - ago),
		}
		for _, change := range changes {
			change(p)
		}
		o.Planned = p
		o.Approvals = &approval.Plans{}
	}
}

func synced(s approval.Sync, changes ...func(*Desired)) Desired {
	d := wanted
	d.Sync = s
	for _, change := range changes {
		change(&d)
	}
	return d
}

func TestDecideSync(t *testing.T) {
	t.Parallel()
	manual := approval.Sync{Manual: true}
	preview := Plan{Step: Preview, Reason: ReasonUnplanned}
	waits := func(after time.Duration) Plan {
		return Plan{Step: Wait, Reason: v1beta1.AwaitingApprovalReason, After: after}
	}
	runs := func(reason string) Plan { return Plan{Step: Apply, Reason: reason, Approved: "sha256:p2"} }
	repair := func(p Plan) Plan {
		p.Repair = true
		return p
	}
	next := func(changes ...func(*Observed)) Observed {
		return with(with(tried(time.Hour, 0), newInputs), changes...)
	}
	moved := func(p *Planned) {
		p.Replaces = "sha256:p1"
		p.Moved = "revision main@1 → main@2"
	}
	paused := func(o *Observed) { o.Repairs = now.Add(time.Second) }
	justChanged := func(o *Observed) { o.Replans = now.Add(time.Second) }
	undepended := func(o *Observed) { o.Dependencies = &Dependencies{Obstacle: &Obstacle{Message: "infra"}} }
	for _, tt := range []decideCase{
		{name: "no sync, no plan", d: wanted, o: next(), want: apply(ReasonChanged)},
		{name: "automatic without a risk", d: synced(approval.Sync{Approved: "sha256:p9"}), o: next(), want: apply(ReasonChanged)},
		{name: "no plan yet", d: synced(manual), o: next(), want: preview, words: "has changed"},
		{name: "the first attempt", d: synced(manual), o: with(ready(), newInputs), want: preview},
		{
			name: "a plan on top of something else", d: synced(manual), want: preview,
			o: next(planned(0, func(p *Planned) { p.From = "d0" })),
		},
		{
			name: "a plan of other inputs", d: synced(manual), want: preview,
			o: next(planned(0, func(p *Planned) { p.Inputs = "d3" })),
		},
		{
			name: "a plan of another generation", d: synced(manual), want: preview,
			o: next(planned(0, func(p *Planned) { p.Generation = 0 })),
		},
		{name: "a plan that has expired", d: synced(manual), o: next(planned(time.Hour)), want: preview},
		{
			name: "a plan that had changed by the time of its attempt", d: synced(manual),
			o: next(planned(time.Hour), justChanged), words: "computed again",
			want: Plan{Step: Wait, Reason: ReasonUnplanned, After: time.Second},
		},
		{
			name: "a plan that stands after one that had changed", d: synced(manual),
			o: next(planned(0), justChanged), want: waits(time.Hour),
		},
		{
			name: "a plan after its dependencies", d: synced(manual), o: next(undepended), words: "infra",
			want: Plan{Step: Wait, Reason: ReasonBlocked, After: audit, Obstacle: &Obstacle{}},
		},
		{
			name: "a plan that waits", d: synced(manual), o: next(planned(time.Minute)), want: waits(59 * time.Minute),
			words: "applying main@2 waits for the approval of plan",
		},
		{
			name: "a plan that waits, asked for", d: asks(synced(manual)), o: next(planned(0)), want: waits(time.Hour),
			words: "(1 changed; risk Restart)",
		},
		{
			name: "another plan was approved", d: synced(approval.Sync{Manual: true, Approved: "sha256:p1"}),
			o: next(planned(0, moved)), want: waits(time.Hour), words: "has changed since that approval: revision main@1 → main@2",
		},
		{
			name: "a plan that was approved", d: synced(approval.Sync{Manual: true, Approved: "sha256:p2"}), o: next(planned(0)),
			want: runs(ReasonChanged),
		},
		{
			name: "a plan that changes no manifest", d: synced(manual), want: runs(ReasonChanged),
			o: next(planned(0, func(p *Planned) { p.Unchanged = true })),
		},
		{
			name: "a preview, not planned yet", d: synced(approval.Sync{Preview: true}), o: next(),
			want: preview,
		},
		{
			name: "a preview waits for no approval", d: synced(approval.Sync{Preview: true}), o: next(planned(0)),
			want: runs(ReasonChanged),
		},
		{
			name: "a lower risk", d: synced(approval.Sync{MinRisk: v1beta1.RiskDataLoss}), o: next(planned(0)),
			want: runs(ReasonChanged),
		},
		{
			name: "a risk that waits", d: synced(approval.Sync{MinRisk: v1beta1.RiskRestart}), o: next(planned(0)),
			want: waits(time.Hour),
		},
		{
			name: "what is applied is corrected without a plan", d: synced(manual), o: with(tried(time.Hour, 0), differ),
			want: urgent(ReasonDrifted),
		},
		{
			name: "drift while a plan waits", d: synced(manual), o: next(planned(0), differ),
			want: repair(urgent(ReasonDrifted)), words: "objects differ",
		},
		{
			name: "drift just after a repair", d: synced(manual), o: next(planned(0), differ, paused),
			want: waits(time.Second),
		},
		{
			name: "drift of an approved plan", d: synced(approval.Sync{Manual: true, Approved: "sha256:p2"}),
			o: next(planned(0), differ), want: runs(ReasonChanged),
		},
		{
			name: "an audit while a plan waits", d: synced(manual), o: next(planned(0), hasUnseen, isDue),
			want: repair(apply(ReasonAudit)),
		},
		{
			name: "the end of a truce while a plan waits", d: synced(manual), o: next(planned(0), truceUntil(now)),
			want: repair(urgent(ReasonFought)),
		},
		{
			name: "a truce while a plan waits", d: synced(manual), want: waits(time.Minute),
			o: next(planned(0), truceUntil(now.Add(time.Minute))),
		},
		{
			name: "nothing is repaired before the first attempt", d: synced(manual), want: waits(time.Hour),
			o: with(ready(), newInputs, differ, planned(0, func(p *Planned) { p.From = "" }), func(o *Observed) {
				o.Repairs = now.Add(2 * time.Hour)
			}),
		},
		{
			name: "an approved attempt that failed", d: synced(approval.Sync{Manual: true, Approved: "sha256:p2"}),
			o: with(next(planned(0)), func(o *Observed) {
				o.Attempt.Digest = "d2"
				o.Attempt.Failures = 1
				o.Attempt.At = now.Add(-time.Second)
			}),
			want: backOff(4 * time.Second),
		},
	} {
		tt.run(t)
	}
}

// Whatever is known, nothing but what was approved, or does not have to be, is applied.
func TestNothingRunsWithoutItsApproval(t *testing.T) {
	t.Parallel()
	risks := append(v1beta1.Risks(), "Unknown")
	for _, sync := range []approval.Sync{
		{Manual: true}, {Manual: true, Approved: "sha256:p1"}, {Manual: true, Approved: "sha256:p2"},
		{MinRisk: v1beta1.RiskNone}, {MinRisk: v1beta1.RiskEscalation},
		{MinRisk: v1beta1.RiskRecreate, Approved: "sha256:p2"},
	} {
		for _, risk := range risks {
			for _, change := range []func(*Observed){nothingKnown, differ, hasUnseen, notSeen, sick, isAwaited, isDue} {
				o := with(with(tried(time.Hour, 0), newInputs), change, planned(0, func(p *Planned) { p.Risk = risk }))
				p := Decide(synced(sync), o, now)
				reaches := sync.Manual || v1beta1.RiskReaches(risk, sync.MinRisk)
				mayRun := !reaches || sync.Approved == "sha256:p2"
				switch {
				case p.Step == Apply && !p.Repair && (!mayRun || p.Approved != "sha256:p2"):
					t.Errorf("%+v, risk %s: %+v runs", sync, risk, p)
				case mayRun && (p.Step != Apply || p.Repair):
					t.Errorf("%+v, risk %s: %+v does not run", sync, risk, p)
				case p.Step == Wait && !strings.Contains(p.Message, "waits for the approval"):
					t.Errorf("%+v, risk %s: %+v", sync, risk, p)
				}
			}
		}
	}
}

func nothingKnown(*Observed) {}

func TestPlansAreReadFromTheObject(t *testing.T) {
	t.Parallel()
	k := following("apps", "web", "main@1")
	if d := DesiredOf(k, time.Hour); d.Sync.Asks() || PlannedOf(&k.Status) != nil {
		t.Errorf("without spec.sync it asks for %+v", d.Sync)
	}
	k.Spec.Sync = &v1beta1.Sync{Mode: v1beta1.SyncAutomatic, Approval: &v1beta1.SyncApproval{MinRisk: "Restart"}}
	if s := DesiredOf(k, time.Hour).Sync; s.MinRisk != "Restart" || s.Manual || !s.Asks() {
		t.Errorf("sync: %+v", s)
	}
	k.Spec.Sync = &v1beta1.Sync{Mode: v1beta1.SyncManual, Approved: "sha256:p2"}
	if s := DesiredOf(k, time.Hour).Sync; !s.Manual || s.Approved != "sha256:p2" || !s.Asks() {
		t.Errorf("sync: %+v", s)
	}
	k.Status.Plan = &v1beta1.KustomizationPlanStatus{
		Digest: "sha256:p2", Risk: "None", InputDigest: "d2", FromDigest: "d1", ObservedGeneration: 3, Unchanged: true,
	}
	p := PlannedOf(&k.Status)
	if p.Digest != "sha256:p2" || p.Inputs != "d2" || p.From != "d1" || p.Generation != 3 || !p.Unchanged {
		t.Errorf("planned: %+v", p)
	}
}

// The approvals of users are looked up when a plan waits, and no sooner; they count as the spec says.
func TestUsersApprovePlans(t *testing.T) {
	t.Parallel()
	manual := synced(approval.Sync{Manual: true, Approvals: approval.Gate{Count: 2}})
	o := with(with(tried(time.Hour, 0), newInputs), planned(0))
	o.Approvals = nil
	if p := Decide(manual, o, now); p.Step != Need || p.Fact != FactApprovals {
		t.Errorf("the plan is %+v", p)
	}

	by := func(users ...string) *approval.Plans {
		known := &approval.Plans{Checked: true}
		for _, user := range users {
			known.Decisions = append(known.Decisions, approval.PlanDecision{
				Digest: "sha256:p2", Decision: approval.Decision{User: user, At: now},
			})
		}
		return known
	}
	o.Approvals = by("alice")
	if p := Decide(manual, o, now); p.Step != Wait || !strings.Contains(p.Message, "1 of 2 approvals are missing") {
		t.Errorf("the plan is %+v", p)
	}
	o.Approvals = by("alice", "bob")
	if p := Decide(manual, o, now); p.Step != Apply || p.Approved != "sha256:p2" {
		t.Errorf("the plan is %+v", p)
	}
}
