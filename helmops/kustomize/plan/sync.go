package plan

import (
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/approval"
)

// Planned is the plan of an attempt.
type Planned struct {
	Digest, Risk string
	// Revision of the source, and Summary for people.
	Revision, Summary string
	// Replaces is the digest of the plan that this one took the place of before that ran, and Moved says what is
	// different from it; both are empty when there was none.
	Replaces, Moved string
	// Unchanged is set when the manifests are those that are applied.
	Unchanged bool
	// Inputs is the digest of the inputs, From of those that were applied; with the Generation they are what it was made
	// of.
	Inputs, From string
	Generation   int64
	// ExpiresAt is when it is computed again.
	ExpiresAt time.Time
}

// PlannedOf reads status.plan; nil for none.
func PlannedOf(s *v1beta1.KustomizationStatus) *Planned {
	p := s.Plan
	if p == nil {
		return nil
	}
	return &Planned{
		Digest: p.Digest, Risk: p.Risk, Revision: p.Revision, Summary: p.Summary, Replaces: p.Replaces, Moved: p.Moved,
		Unchanged: p.Unchanged, Inputs: p.InputDigest, From: p.FromDigest, Generation: p.ObservedGeneration,
		ExpiresAt: p.ExpiresAt.Time,
	}
}

// stands reports whether the plan is about what is wanted and what is applied.
func (p *Planned) stands(d Desired, o Observed, now time.Time) bool {
	return p != nil && p.Inputs == o.Inputs.Digest && p.From == o.Attempt.Applied && p.Generation == d.Generation &&
		now.Before(p.ExpiresAt)
}

// approved has an attempt with other inputs than those that are applied wait until its plan is computed and, where its
// risk asks for it, approved. Meanwhile what is applied is repaired.
func approved(d Desired, o Observed, now time.Time, p Plan) Plan {
	if !d.Sync.Asks() || o.Attempt.Applied == o.Inputs.Digest {
		return p
	}

	planned := o.Planned
	switch {
	case planned.stands(d, o, now):
	case now.Before(o.Replans):
		return Plan{
			Step: Wait, Reason: ReasonUnplanned, After: o.Replans.Sub(now),
			Message: "the plan had changed when it was to be applied; it is computed again",
		}
	default:
		return Plan{Step: Preview, Reason: ReasonUnplanned, Message: p.Message}
	}

	// A plan with the manifests that are applied never waits: a commit to another directory of the source makes such
	// plans.
	p.Approved = planned.Digest
	if planned.Unchanged || !d.Sync.Holds(planned.Risk) {
		return p
	}
	if o.Approvals == nil {
		return need(FactApprovals)
	}

	asked := approval.Plan{
		Digest: planned.Digest, Replaces: planned.Replaces, Moved: planned.Moved, Approved: d.Sync.Approved,
	}
	answer := d.Sync.Approvals.Judge(asked, *o.Approvals, now)
	if answer.Approved {
		return p
	}

	if repair, due := repaired(d, o, now); due {
		return repair
	}

	waiting := answer.Wait("applying "+planned.Revision, asked, planned.Summary, planned.Risk, planned.ExpiresAt)
	p = Plan{
		Step: Wait, Reason: v1beta1.AwaitingApprovalReason, Message: waiting.Message,
		After: soonest(waiting.Until.Sub(now), o.fightPause(now)),
	}
	if len(o.Objects.Differs) > 0 {
		p.After = soonest(p.After, max(o.Repairs.Sub(now), 0))
	}
	if d.Remote {
		p.After = soonest(p.After, remoteLook)
	}

	return p
}

// repaired corrects drift of the revision that is applied, unless it was corrected a moment ago.
func repaired(d Desired, o Observed, now time.Time) (Plan, bool) {
	if o.Attempt.Applied == "" || !o.Objects.Known || now.Before(o.Repairs) {
		return Plan{}, false
	}

	for _, due := range []func(Desired, Observed, time.Time) (Plan, bool){drifted, audited, fought} {
		if p, is := due(d, o, now); is {
			p.Repair = true
			return p, true
		}
	}

	return Plan{}, false
}
