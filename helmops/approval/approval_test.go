package approval

import (
	"testing"
	"time"
)

var now = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

func by(user string, minutes int, groups ...string) Decision {
	return Decision{User: user, Groups: groups, At: now.Add(time.Duration(minutes) * time.Minute)}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	two := Gate{Count: 2, Expires: time.Hour}
	owners := Gate{Groups: []string{"owners"}}
	for _, tt := range []struct {
		name      string
		gate      Gate
		decisions []Decision
		approved  bool
		says      string
		until     time.Time
	}{
		{"no decision", Gate{}, nil, false, "not approved", time.Time{}},
		{"one", Gate{}, []Decision{by("alice", -9999)}, true, "approved by alice", time.Time{}},
		{"of an unknown user", Gate{}, []Decision{by("", -1)}, true, "approved", time.Time{}},
		{"a rejection does not approve", Gate{}, []Decision{{User: "alice", Reject: true}}, false, "not approved",
			time.Time{}},
		{"none of two", two, nil, false, "not approved; 2 approvals are needed", time.Time{}},
		{"one of two", two, []Decision{by("alice", -10)}, false,
			"approved by alice; 1 of 2 approvals are missing", now.Add(50 * time.Minute)},
		{"one twice", two, []Decision{by("alice", -10), by("alice", -5)}, false,
			"approved by alice; 1 of 2 approvals are missing; alice approved more than once, which counts once",
			now.Add(55 * time.Minute)},
		{"two", two, []Decision{by("bob", -5), by("alice", -50)}, true, "approved by alice, bob",
			now.Add(10 * time.Minute)},
		{"the last minute", two, []Decision{by("bob", -60), by("alice", -59)}, false,
			"approved by alice; 1 of 2 approvals are missing; the approval of bob expired at 2026-03-02T10:00:00Z",
			now.Add(time.Minute)},
		{"in a group", owners, []Decision{by("alice", -1, "devs", "owners")}, true, "approved by alice", time.Time{}},
		{"in none of the groups", owners, []Decision{by("alice", -1, "devs")}, false,
			"not approved; alice is in none of the groups owners", time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := tt.gate.Tally(tt.decisions, now).Answer()
			want := Answer{Approved: tt.approved, Message: tt.says, Until: tt.until}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// Remarks are named in an order of their own, each once, and not too many of them.
func TestRemarksAreBounded(t *testing.T) {
	t.Parallel()
	tally := Gate{}.Tally(nil, now)
	for _, user := range []string{"frank", "alice", "bob", "alice", "carol", "dave", "erin"} {
		tally.Remark("%s is for another plan", user)
	}

	want := "not approved; alice is for another plan; bob is for another plan; carol is for another plan; " +
		"dave is for another plan; 2 more do not count"
	if got := tally.Answer().Message; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRejections(t *testing.T) {
	t.Parallel()
	reject := func(user, comment string, groups ...string) Decision {
		return Decision{User: user, Groups: groups, Reject: true, Comment: comment}
	}
	owners := Gate{Groups: []string{"owners"}}
	for _, tt := range []struct {
		name      string
		gate      Gate
		decisions []Decision
		want      string
	}{
		{"none", Gate{}, []Decision{by("alice", -1)}, ""},
		{"one", Gate{}, []Decision{by("alice", -1), reject("bob", "")}, "bob rejected it"},
		{"with a comment", Gate{}, []Decision{reject("bob", "too slow")}, "bob rejected it: too slow"},
		{"of no group", owners, []Decision{reject("bob", "too slow", "devs")}, ""},
		{"of a group", owners, []Decision{reject("bob", "", "owners")}, "bob rejected it"},
	} {
		if got := tt.gate.Rejection(tt.decisions); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// More than one approver, and groups, need an API server that records who decides.
func TestWhatNeedsARecordedUser(t *testing.T) {
	t.Parallel()
	const unknown = "the API server of this cluster does not record who approves"
	for want, gate := range map[string]Gate{
		"":                                       {Count: 1, Expires: time.Hour},
		"2 approvers are wanted, and " + unknown: {Count: 2, Groups: []string{"owners"}},
		"approvers of the groups owners, admins are wanted, and " + unknown: {
			Groups: []string{"owners", "admins"},
		},
	} {
		if got := gate.Untrusted(); got != want {
			t.Errorf("%+v: got %q, want %q", gate, got, want)
		}
	}
}
