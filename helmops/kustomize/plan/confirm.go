package plan

import (
	"time"

	"fairlead.dev/fairlead/helmops/approval"
	"fairlead.dev/fairlead/helmops/window"
)

// confirmed makes an attempt that deletes what users have confirmed. A window that is closed holds it.
func confirmed(d Desired, o Observed, now time.Time) (Plan, bool) {
	switch {
	case o.Unconfirmed == "":
		return Plan{}, false
	case o.Approvals == nil:
		return need(FactApprovals), true
	case !d.isConfirmed(o, now):
		return Plan{}, false
	}

	state := d.Windows.At(now, d.Timeout)
	if state.Open || d.Override && state.Manual {
		return Plan{Step: Apply, Reason: ReasonConfirmed, Message: "a user has confirmed what is deleted"}, true
	}

	instead := d.look(o, now)
	instead.Note = window.Describe("the deletion of objects", state, d.Timeout)
	instead.After = soonest(instead.After, pauseUntil(state.Opens, now))
	return instead, true
}

// confirming has every attempt delete what users have confirmed, so that one that failed does so when it is repeated.
func confirming(d Desired, o Observed, now time.Time, p Plan) Plan {
	switch {
	case o.Unconfirmed == "":
		return p
	case o.Approvals == nil:
		return need(FactApprovals)
	case d.isConfirmed(o, now):
		p.Confirms = o.Unconfirmed
	}
	return p
}

// isConfirmed reports whether as many users as it takes have confirmed the deletions that wait.
func (d Desired) isConfirmed(o Observed, now time.Time) bool {
	asked := approval.Plan{Digest: o.Unconfirmed, Approved: d.Sync.Approved}
	return d.Sync.Approvals.Judge(asked, *o.Approvals, now).Approved
}
