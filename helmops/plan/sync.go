package plan

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/approval"
)

// ReasonUnplanned is the reason of a Preview.
const ReasonUnplanned = "Unplanned"

// Planned is the plan of an install or upgrade.
type Planned struct {
	Digest, Risk string
	// Summary for people.
	Summary string
	// Replaces is the digest of the plan that this one took the place of before that ran, and Moved says what is
	// different from it; both are empty when there was none.
	Replaces, Moved string
	// Input, Generation and From, the revision that ran, are what it was made of.
	Input      Input
	Generation int64
	From       int
	// ExpiresAt is when it is computed again.
	ExpiresAt time.Time
}

// PlannedOf reads status.plan; nil for none.
func PlannedOf(s *v1beta1.HelmReleaseStatus) *Planned {
	p := s.Plan
	if p == nil {
		return nil
	}
	return &Planned{
		Digest: p.Digest, Risk: p.Risk, Summary: p.Summary, Replaces: p.Replaces, Moved: p.Moved,
		Input:      Input{Chart: p.ChartDigest, Config: p.ConfigDigest, Render: p.RenderDigest},
		Generation: p.ObservedGeneration, From: int(p.FromRevision), ExpiresAt: p.ExpiresAt.Time,
	}
}

// stands reports whether the plan is about what is wanted and what runs.
func (p *Planned) stands(d Desired, from int, now time.Time) bool {
	return p != nil && p.Input == d.Input() && p.Generation == d.Generation && p.From == from &&
		now.Before(p.ExpiresAt)
}

// runs is the revision that runs, 0 for none.
func (o Observed) runs() int {
	if o.History == nil {
		return 0
	}
	current := Current(o.History.Records)
	if current == nil {
		return 0
	}
	return current.Version
}

// change is what a step does with a chart, in words.
var change = map[Step]string{
	Install: "the install of", Upgrade: "the upgrade to", Uninstall: "the replacement of the release by",
}

// approved has an install or upgrade wait until its plan is computed and, where its risk asks for it, approved. What
// undoes a failure and what repairs drift never waits.
func approved(d Desired, o Observed, now time.Time, p Plan) Plan {
	if d.Deleting || !d.Sync.Asks() || !p.ChangesCluster() {
		return p
	}

	from := o.runs()
	afresh := p.Step == Uninstall // a chart of another name: one approval is for both, the uninstall and the install
	if afresh {
		from = 0
	}

	planned := o.Planned
	if !planned.stands(d, from, now) {
		return Plan{Step: Preview, Target: p.Target, Reason: ReasonUnplanned, Message: p.Message, Afresh: afresh}
	}

	if !afresh {
		p.Approved = planned.Digest
	}
	if !d.Sync.Holds(planned.Risk) {
		return p
	}
	if o.Approvals == nil {
		return Plan{Step: Need, Fact: FactApprovals, Target: p.Target, Reason: string(FactApprovals)}
	}

	asked := approval.Plan{
		Digest: planned.Digest, Replaces: planned.Replaces, Moved: planned.Moved, Approved: d.Sync.Approved,
	}
	answer := d.Sync.Approvals.Judge(asked, *o.Approvals, now)
	if answer.Approved {
		return p
	}

	what := fmt.Sprintf("%s %s %s", change[p.Step], d.Chart.Name, d.Chart.Version)
	waiting := answer.Wait(what, asked, planned.Summary, planned.Risk, planned.ExpiresAt)
	return Plan{
		Step: Wait, Target: p.Target, Reason: v1beta1.AwaitingApprovalReason, Message: waiting.Message,
		After: waiting.Until.Sub(now),
	}
}
