package plan

import (
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

func cancelledOf(digest string) func(*Observed) {
	return func(o *Observed) {
		o.Attempt.Cancelled = &v1beta1.CancelledAttempt{Digest: digest, Revision: "main@" + digest}
	}
}

func TestDecideCancel(t *testing.T) {
	t.Parallel()
	cancels := wanted
	cancels.Cancel = true
	deleting := cancels
	deleting.DeletedAt = now
	underWay := func(p Plan) Plan {
		p.Step = Wait
		p.Reason = ReasonUnderway
		return p
	}
	waiting := func(p Plan) Plan {
		p.Step = None
		p.Reason = ReasonUnhealthy
		p.Settled = true
		return p
	}
	isWaited := wanted
	isWaited.AwaitsHealth = true
	cancelsWait := isWaited
	cancelsWait.Cancel = true
	left := wanted.Timeout - time.Minute
	for _, tt := range []decideCase{
		{
			name: "an attempt that is being made", d: cancels, o: with(ready(), running(0, 1)),
			want: underWay(Plan{After: Slow, Cancels: true}),
		},
		{
			name: "a plan that is being computed is not ended", d: cancels,
			o: with(ready(), running(0, 1), func(o *Observed) { o.Running.Preview = true }), want: underWay(Plan{After: Slow}),
		},
		{
			name: "nor is a repair", d: cancels,
			o: with(ready(), running(0, 1), func(o *Observed) { o.Running.Repair = true }), want: underWay(Plan{After: Slow}),
		},
		{name: "nor a deletion", d: deleting, o: with(ready(), running(0, 1)), want: underWay(Plan{After: Slow})},
		{
			name: "what was cancelled is not tried again", d: wanted, o: with(tried(time.Hour, 0), newInputs, cancelledOf("d2")),
			want: Plan{Step: Wait, Reason: ReasonCancelled}, words: "a user cancelled applying main@d2",
		},
		{
			name: "until the user asks for it", d: asks(wanted), o: with(tried(time.Hour, 0), newInputs, cancelledOf("d2")),
			want: apply(ReasonAsked),
		},
		{
			name: "or something else is wanted", d: wanted, o: with(tried(time.Hour, 0), newInputs, cancelledOf("d3")),
			want: apply(ReasonChanged),
		},
		{
			name: "the wait for health", d: cancelsWait, o: with(tried(time.Minute, 0), sick),
			want: waiting(Plan{After: left, Cancels: true}),
		},
		{
			name: "a wait that is cancelled is not cancelled again", d: cancelsWait,
			o: with(tried(time.Minute, 0), sick, cancelledOf("d1")), want: waiting(Plan{After: left}),
		},
		{
			name: "a wait that is over is not cancelled", d: cancelsWait, o: with(tried(time.Hour, 0), sick),
			want: waiting(Plan{After: audit, Overdue: true}),
		},
		{
			name: "drift is repaired after a cancelled wait", d: isWaited,
			o: with(tried(time.Minute, 0), differ, cancelledOf("d1")), want: urgent(ReasonDrifted),
		},
	} {
		tt.run(t)
	}
}
