package promotion

import (
	"strings"
	"testing"
	"time"
)

// The approvals of version 1.2.0 in prod, which has 1.1.0. The time is 9:00.
func TestApprovals(t *testing.T) {
	t.Parallel()
	const digest = "sha256:2"
	minutes := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
	by := func(user string, at int, groups ...string) Approval {
		return Approval{User: user, Groups: groups, ID: chart(digest), At: minutes(at)}
	}
	other := func(user, digest string) Approval { return Approval{User: user, ID: chart(digest), At: minutes(-1)} }
	owners := ApprovalGate{When: Always, Groups: []string{"owners", "admins"}}
	two := ApprovalGate{When: Always, Count: 2, Expires: time.Hour}
	for _, tt := range []struct {
		name      string
		gate      ApprovalGate
		version   string
		approvals []Approval
		unknown   bool // the API server does not check who approves
		want      Result
		until     time.Time
		says      string
	}{
		{name: "an hour has not passed", gate: ApprovalGate{When: Always, Expires: time.Hour},
			approvals: []Approval{by("alice", -59)}, want: Pass, until: minutes(1), says: "approved by alice"},
		{name: "an hour has passed", gate: ApprovalGate{When: Always, Expires: time.Hour},
			approvals: []Approval{by("alice", -60)}, want: Wait,
			says: "not approved; the approval of alice expired at 2026-03-02T09:00:00Z"},
		{name: "from the future", gate: ApprovalGate{When: Always, Expires: time.Hour},
			approvals: []Approval{by("alice", 5)}, want: Pass, until: minutes(65), says: "approved by alice"},
		{name: "approved again", gate: ApprovalGate{When: Always, Expires: time.Hour},
			approvals: []Approval{by("alice", -50), by("alice", -10)}, want: Pass, until: minutes(50), says: "alice"},
		{name: "approved again after the first expired", gate: ApprovalGate{When: Always, Expires: time.Hour},
			approvals: []Approval{by("alice", -90), by("alice", -10)}, want: Pass, until: minutes(50), says: "alice"},
		{name: "for ever", gate: ApprovalGate{When: Always}, approvals: []Approval{by("alice", -9999)}, want: Pass,
			says: "alice"},
		{name: "the first of two", gate: two, approvals: []Approval{by("alice", -10)}, want: Wait, until: minutes(50),
			says: "approved by alice; 1 of 2 approvals are missing"},
		{name: "both", gate: two, approvals: []Approval{by("alice", -10), by("bob", -5)}, want: Pass,
			until: minutes(50), says: "alice, bob"},
		{name: "one more than needed", gate: two,
			approvals: []Approval{by("alice", -50), by("bob", -5), by("carol", -20)}, want: Pass, until: minutes(40),
			says: "alice, bob, carol"},
		{name: "one of two expired", gate: two, approvals: []Approval{by("alice", -61), by("bob", -5)}, want: Wait,
			until: minutes(55), says: "approved by bob; 1 of 2 approvals are missing; the approval of alice expired"},
		{name: "twice by one", gate: two, approvals: []Approval{by("alice", -10), by("alice", -5)}, want: Wait,
			until: minutes(55), says: "1 of 2 approvals are missing; alice approved more than once, which counts once"},
		{name: "another digest", gate: ApprovalGate{When: Always}, approvals: []Approval{other("bob", "sha256:2b")},
			want: Wait, says: "not approved; the approval of bob is for another digest"},
		{name: "other versions are not named", gate: ApprovalGate{When: Always},
			approvals: []Approval{other("bob", "sha256:1"), by("alice", -1)}, want: Pass, says: "approved by alice"},
		{name: "an older version is approved", gate: ApprovalGate{When: Always},
			approvals: []Approval{other("bob", "sha256:1")}, want: Wait, says: "not approved"},
		{name: "many that do not count", gate: ApprovalGate{When: Always}, approvals: []Approval{
			other("a", "x"), other("b", "x"), other("c", "x"), other("d", "x"), other("e", "x"), other("f", "x")},
			want: Wait, says: "; 2 more do not count"},

		{name: "in a group", gate: owners, approvals: []Approval{by("alice", -1, "admins", "devs")}, want: Pass,
			says: "alice"},
		{name: "in no group", gate: owners, approvals: []Approval{by("alice", -1, "devs"), by("bob", -1)}, want: Wait,
			says: "not approved; alice is in none of the groups owners, admins; bob is in none"},
		{name: "groups without identity", gate: owners, approvals: []Approval{by("alice", -1, "owners")},
			unknown: true, want: Fail, says: "approvers of the groups owners, admins are wanted, and the API server"},

		{name: "a patch needs none", gate: ApprovalGate{When: OnMinor}, version: "1.1.5", want: Pass,
			says: "no approval is needed"},
		{name: "a minor step", gate: ApprovalGate{When: OnMinor}, want: Wait, says: "not approved"},
		{name: "a minor step needs none", gate: ApprovalGate{When: OnMajor}, want: Pass, says: "no approval is needed"},
		{name: "a major step", gate: ApprovalGate{When: OnMajor}, version: "2.0.0", want: Wait, says: "not approved"},
		{name: "a major step of what asks for minor ones", gate: ApprovalGate{When: OnMinor}, version: "2.0.0",
			want: Wait, says: "not approved"},
		{name: "no semver", gate: ApprovalGate{When: OnMajor}, version: "nightly", want: Wait, says: "not approved"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := Candidate{Version: "1.2.0", ID: chart(digest)}
			if tt.version != "" {
				c.Version = tt.version
			}
			has := Candidate{Version: "1.1.0", ID: chart("sha256:1")}
			f := Facts{Stamped: !tt.unknown, Candidates: []Candidate{has, c}, Stages: []Stage{{
				Name: "prod", Gates: Gates{Approval: tt.gate}, Approvals: tt.approvals,
				Delivery: &Delivery{Candidate: has, Verified: true},
			}}}
			got := approvals(question{facts: &f, stage: &f.Stages[0], candidate: c, now: start})
			if got.Result != tt.want || !got.Until.Equal(tt.until) || !strings.Contains(got.Message, tt.says) {
				t.Errorf("got %s until %s: %s; want %s until %s, saying %q", got.Result, got.Until, got.Message,
					tt.want, tt.until, tt.says)
			}
			if got.Message == "not approved; the approval of bob is for another digest" && tt.name != "another digest" {
				t.Errorf("an approval of another version is named: %s", got.Message)
			}
			f.Stages[0].Delivery = nil
			first := approvals(question{facts: &f, stage: &f.Stages[0], candidate: c, now: start})
			if tt.gate.When != Always && first.Result != Pass {
				t.Errorf("the first candidate: %s, %s", first.Result, first.Message)
			}
		})
	}
}

// An approval that is needed is the cause of a promotion, and one that expires has it decided again.
func TestApprovedPromotions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Stage{Name: "prod", Gates: Gates{
		Approval: ApprovalGate{When: Always, Expires: time.Hour}, MinAge: 2 * time.Hour,
	}})
	w.publish("1.0.0")
	approve := func() {
		a := Approval{User: "alice", ID: chart(digestOf("1.0.0")), At: w.now}
		w.stage("prod").Approvals = append(w.stage("prod").Approvals, a)
	}
	approve()
	d := Decide(w.facts, w.now)[0]
	if d.Phase != PhaseBlocked || !d.Next.Equal(w.now.Add(time.Hour)) {
		t.Errorf("%s, again at %s: %s", d.Phase, d.Next, d.Message)
	}
	w.run(2 * time.Hour)
	if d := Decide(w.facts, w.now)[0]; d.Phase != PhaseApproval || !strings.Contains(d.Message, "expired") {
		t.Errorf("%s: %s", d.Phase, d.Message)
	}
	approve()
	if d := Decide(w.facts, w.now)[0]; d.Step != StepPromote || d.Cause != CauseApproved {
		t.Errorf("%s %s: %s", d.Step, d.Cause, d.Message)
	}
}

// A user's rejection keeps a candidate out of a stage and of those after it, and takes it out where it is.
func TestRejectionsOfUsers(t *testing.T) {
	t.Parallel()
	digest := digestOf("1.1.0")
	for _, tt := range []struct {
		name     string
		decision Approval
		groups   []string
		want     string
		says     string
	}{
		{"no one rejects", Approval{User: "alice", ID: chart(digest)}, nil, "dev 1.1.0, staging 1.1.0, prod 1.1.0", ""},
		{"a user rejects", Approval{User: "alice", ID: chart(digest), Reject: true, Comment: "too slow"}, nil,
			"dev 1.1.0, staging 1.0.0, prod 1.0.0", "alice rejected it: too slow"},
		{"without a comment", Approval{User: "alice", ID: chart(digest), Reject: true}, nil,
			"dev 1.1.0, staging 1.0.0, prod 1.0.0", "staging: alice rejected it"},
		{"another digest", Approval{User: "alice", ID: chart(digestOf("1.0.5")), Reject: true}, nil,
			"dev 1.1.0, staging 1.1.0, prod 1.1.0", ""},
		{"a user of a group", Approval{User: "alice", ID: chart(digest), Reject: true, Groups: []string{"owners"}},
			[]string{"owners"}, "dev 1.1.0, staging 1.0.0, prod 1.0.0", "alice rejected it"},
		{"a user of no group", Approval{User: "alice", ID: chart(digest), Reject: true}, []string{"owners"},
			"dev 1.1.0, staging 1.1.0, prod 1.1.0", ""},
	} {
		for _, when := range []string{"before", "after"} {
			t.Run(tt.name+" "+when, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, line(func(s *Stage) {
					if s.Name == "prod" {
						s.Gates.Soak = 24 * time.Hour
					}
				})...)
				w.publish("1.0.0")
				w.run(25 * time.Hour)
				w.publish("1.1.0")
				if when == "after" {
					w.run(12 * time.Hour)
				}
				s := w.stage("staging")
				s.Approvals, s.Gates.Approval.Groups = []Approval{tt.decision}, tt.groups
				w.run(48 * time.Hour)
				if got := w.has(); got != tt.want {
					t.Errorf("got %s, want %s:\n%s", got, tt.want, tail(w.log.String()))
				}
				if !strings.Contains(w.log.String(), strings.TrimPrefix(tt.says, "staging: ")) {
					t.Errorf("%q is not said:\n%s", tt.says, tail(w.log.String()))
				}
			})
		}
	}
}

// A pin is above the rejection of a user, as it is above spec.rejected.
func TestAPinIsAboveARejection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Stage{Name: "prod"})
	w.publish("1.0.0")
	w.run(time.Hour)
	w.publish("1.1.0")
	s := w.stage("prod")
	s.Approvals = []Approval{{User: "alice", ID: chart(digestOf("1.1.0")), Reject: true}}
	w.run(time.Hour)
	if got := w.has(); got != "prod 1.0.0" {
		t.Fatalf("got %s", got)
	}
	w.stage("prod").Pin = "1.1.0"
	w.run(time.Hour)
	if got := w.has(); got != "prod 1.1.0" {
		t.Errorf("got %s:\n%s", got, w.log.String())
	}
}
