package plan

import (
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/approval"
	"fairlead.dev/fairlead/helmops/window"
)

func TestDecideUnconfirmed(t *testing.T) {
	t.Parallel()
	const gone = "sha256:gone"
	waits := func(o *Observed) { o.Unconfirmed = gone }
	decided := func(digest string, reject bool) func(*Observed) {
		return func(o *Observed) {
			o.Unconfirmed = gone
			o.Approvals = &approval.Plans{Decisions: []approval.PlanDecision{
				{Decision: approval.Decision{User: "alice", Reject: reject, At: now}, Digest: digest},
			}}
		}
	}
	confirms := func(p Plan) Plan {
		p.Confirms = gone
		return p
	}
	closed, err := window.NewCalendar([]window.Window{{
		Deny: true, Cron: "0 0 * * *", Duration: 24 * time.Hour,
	}})
	if err != nil {
		t.Fatal(err)
	}
	inWindow := wanted
	inWindow.Windows = closed
	approvedInSpec := synced(approval.Sync{Approved: gone})
	needs := Plan{Step: Need, Fact: FactApprovals, Reason: string(FactApprovals)}
	for _, tt := range []decideCase{
		{name: "approvals are looked up", d: wanted, o: with(tried(time.Hour, 0), waits), want: needs},
		{
			name: "nothing is deleted without a confirmation", d: wanted,
			o: with(tried(time.Hour, 0), decided("sha256:other", false)), want: rest(ReasonApplied, audit),
		},
		{
			name: "nor with a rejection", d: wanted, o: with(tried(time.Hour, 0), decided(gone, true)),
			want: rest(ReasonApplied, audit),
		},
		{
			name: "what a user confirmed is deleted", d: wanted, o: with(tried(time.Hour, 0), decided(gone, false)),
			want: confirms(apply(ReasonConfirmed)),
		},
		{
			name: "spec.sync.approved confirms, too", d: approvedInSpec,
			o: with(tried(time.Hour, 0), decided("sha256:other", false)), want: confirms(apply(ReasonConfirmed)),
		},
		{
			name: "a new revision does not wait for it", d: wanted,
			o: with(tried(time.Hour, 0), newInputs, decided("sha256:other", false)), want: apply(ReasonChanged),
		},
		{
			name: "an attempt that is repeated deletes it as well", d: wanted,
			o: with(tried(time.Hour, 1), decided(gone, false)), want: confirms(apply(ReasonFailed)),
		},
		{
			name: "a window that is closed holds it", d: inWindow, o: with(tried(time.Hour, 0), decided(gone, false)),
			want: func() Plan {
				p := rest(ReasonApplied, 12*time.Hour)
				p.After = soonest(p.After, audit)
				p.Note = "x"
				return p
			}(),
		},
	} {
		if tt.want.Note != "" {
			got := Decide(tt.d, tt.o, now)
			if got.Step != None || got.Note == "" || got.Confirms != "" {
				t.Errorf("%s: got %+v", tt.name, got)
			}
			continue
		}
		tt.run(t)
	}
}

func TestConfirmationsOfASpec(t *testing.T) {
	t.Parallel()
	k := &v1beta1.Kustomization{}
	k.Spec.Sync = &v1beta1.Sync{Approved: "sha256:gone", Prune: v1beta1.PruneConfirm}
	if d := DesiredOf(k, audit); d.Sync.Asks() || d.Sync.Approved != "sha256:gone" {
		t.Errorf("a confirmation of deletions has plans computed: %+v", d.Sync)
	}
}
