package plan

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Sync says which plans wait for an approval. The zero value has none wait.
type Sync struct {
	// Manual is set when all of them wait.
	Manual bool
	// MinRisk is the lowest risk that waits; empty for none.
	MinRisk string
	// Approved is the digest of the plan that may run; empty for none.
	Approved string
}

// SyncOf reads spec.sync.
func SyncOf(k *v1beta1.Kustomization) Sync {
	spec := k.Spec.Sync
	if spec == nil {
		return Sync{}
	}

	out := Sync{Manual: spec.Mode == v1beta1.SyncManual, Approved: spec.Approved}
	if spec.Approval != nil {
		out.MinRisk = spec.Approval.MinRisk
	}

	return out
}

// asks reports whether plans have to be computed at all.
func (s Sync) asks() bool { return s.Manual || s.MinRisk != "" }

// holds reports whether a plan waits. One with the manifests that are applied never does: a commit to another
// directory of the source makes such plans.
func (s Sync) holds(p *Planned) bool {
	if p.Unchanged || p.Digest == s.Approved {
		return false
	}
	return s.Manual || s.MinRisk != "" && v1beta1.RiskReaches(p.Risk, s.MinRisk)
}

// Planned is the plan of an attempt.
type Planned struct {
	Digest, Risk string
	// Revision of the source, and Summary for people.
	Revision, Summary string
	// Moved says what is different from the plan that was approved; empty when nothing is.
	Moved string
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
		Digest: p.Digest, Risk: p.Risk, Revision: p.Revision, Summary: p.Summary, Moved: p.Moved,
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
	if !d.Sync.asks() || o.Attempt.Applied == o.Inputs.Digest {
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

	if !d.Sync.holds(planned) {
		p.Approved = planned.Digest
		return p
	}

	if repair, due := repaired(d, o, now); due {
		return repair
	}

	p = Plan{
		Step: Wait, Reason: v1beta1.AwaitingApprovalReason, Message: planned.waits(d.Sync.Approved),
		After: soonest(planned.ExpiresAt.Sub(now), o.fightPause(now)),
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

// waits says for what the plan waits. approved is the digest of the plan that may run, empty for none.
func (p *Planned) waits(approved string) string {
	message := fmt.Sprintf("applying %s waits for the approval of plan %s (%s; risk %s)",
		p.Revision, v1beta1.ShortDigest(p.Digest), p.Summary, p.Risk)
	switch {
	case approved == "":
	case p.Moved == "":
		message += fmt.Sprintf("; approved is plan %s", v1beta1.ShortDigest(approved))
	default:
		message += fmt.Sprintf("; approved is plan %s, and this has changed since: %s",
			v1beta1.ShortDigest(approved), p.Moved)
	}

	return message
}
