package promotion

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/helmops/window"
)

var update = flag.Bool("update", false, "write the golden transcripts")

func TestRuleOrder(t *testing.T) {
	t.Parallel()
	want := []string{"suspended", "rejected", "verified", "pinned", "rolledBack", "judged", "requested", "held",
		"promoted", "idle"}
	names := make([]string, 0, len(rules))
	for _, r := range rules {
		names = append(names, r.name)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

// Each history is a story of one pipeline, with the decisions that it leads to.
func TestHistories(t *testing.T) {
	t.Parallel()
	only := func(name string, change func(*Stage)) func(*Stage) {
		return func(s *Stage) {
			if s.Name == name {
				change(s)
			}
		}
	}
	for name, story := range map[string]func(*testing.T) *world{
		"a good version goes through all stages": func(t *testing.T) *world {
			w := newWorld(t, line()...)
			w.publish("1.0.0")
			w.run(time.Hour)
			w.publish("1.1.0")
			w.run(time.Hour)
			return w
		},
		"staging rolls a version back and the fix goes through": func(t *testing.T) *world {
			w := newWorld(t, line()...)
			w.publish("1.0.0")
			w.run(time.Hour)
			w.broken["staging/"+digestOf("1.1.0")] = true
			w.publish("1.1.0")
			w.run(time.Hour)
			w.publish("1.1.1")
			w.run(time.Hour)
			return w
		},
		"a bad version holds the stage where that is asked for": func(t *testing.T) *world {
			w := newWorld(t, line(only("staging", func(s *Stage) { s.OnFailure = Hold }))...)
			w.publish("1.0.0")
			w.run(time.Hour)
			w.broken["staging/"+digestOf("1.1.0")] = true
			w.publish("1.1.0")
			w.run(time.Hour)
			w.publish("1.1.1")
			w.run(time.Hour)
			w.say("a user resumes staging")
			w.stage("staging").HeldBy = ""
			w.run(time.Hour)
			return w
		},
		"soak, approval, window and freeze of prod": func(t *testing.T) *world {
			w := newWorld(t, line(only("prod", func(s *Stage) {
				s.Promote = Manual
				s.Gates = Gates{Soak: time.Hour, Approval: ApprovalGate{Count: 2}, Windows: []window.Window{
					{Cron: "0 10 * * 1-5", Duration: 4 * time.Hour, TimeZone: "Europe/Berlin"},
				}}
			}))...)
			w.publish("1.0.0")
			w.run(90 * time.Minute)
			w.say("alice approves")
			w.stage("prod").Approvals = append(w.stage("prod").Approvals,
				Approval{User: "alice", ID: chart(digestOf("1.0.0"))})
			w.run(time.Minute)
			w.say("an incident freezes everything until 14:00")
			w.facts.Freezes = []Freeze{{Name: "incident", Until: start.Add(5 * time.Hour),
				Reason: "the database is restored"}}
			w.say("bob approves")
			w.stage("prod").Approvals = append(w.stage("prod").Approvals,
				Approval{User: "bob", ID: chart(digestOf("1.0.0"))})
			w.run(48 * time.Hour)
			return w
		},
		"a pin goes back during a freeze, and its end goes forward again": func(t *testing.T) *world {
			w := newWorld(t, line()...)
			w.publish("1.0.0")
			w.run(time.Hour)
			w.publish("1.1.0")
			w.run(time.Hour)
			w.facts.Freezes = []Freeze{{Name: "sale", Reason: "the sale"}}
			w.say("a freeze begins, and a user pins prod to 1.0.0")
			w.stage("prod").Pin = "1.0.0"
			w.run(time.Hour)
			w.say("the user takes the pin away")
			w.stage("prod").Pin = ""
			w.run(time.Hour)
			w.say("the freeze ends")
			w.facts.Freezes = nil
			w.run(time.Hour)
			return w
		},
		"a candidate that is judged is judged to the end": func(t *testing.T) *world {
			w := newWorld(t, line()...)
			w.publish("1.0.0")
			w.run(time.Minute)
			w.publish("1.1.0")
			w.run(time.Hour)
			return w
		},
		"a candidate that is never verified is rejected at the deadline": func(t *testing.T) *world {
			w := newWorld(t, line(func(s *Stage) { s.Deadline = time.Hour })...)
			w.publish("1.0.0")
			w.run(time.Hour)
			w.publish("1.1.0")
			w.pass()
			delete(w.baking, "dev")
			w.say("the release of dev makes no progress")
			w.run(3 * time.Hour)
			return w
		},
		"a version that staging verified turns bad while prod soaks it": func(t *testing.T) *world {
			w := newWorld(t, line(only("prod", func(s *Stage) { s.Gates.Soak = 24 * time.Hour }))...)
			w.publish("1.0.0")
			w.run(25 * time.Hour)
			w.publish("1.1.0")
			w.run(12 * time.Hour)
			w.say("the release of staging withdraws what it said of 1.1.0")
			r := &w.stage("staging").Releases[0]
			r.ID, r.Bad[chart(digestOf("1.1.0"))] = Identity{}, "it is degraded"
			w.run(24 * time.Hour)
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := story(t)
			got := w.log.String() + "=== " + w.has() + "\n"
			path := filepath.Join("testdata", strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-")+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
		})
	}
}

// One stage in one state, and what is decided.
func TestDecide(t *testing.T) {
	t.Parallel()
	old := Candidate{Version: "1.0.0", ID: chart(digestOf("1.0.0")), FirstSeen: start.Add(-48 * time.Hour)}
	good := Candidate{Version: "1.1.0", ID: chart(digestOf("1.1.0")), FirstSeen: start.Add(-24 * time.Hour)}
	next := Candidate{Version: "1.2.0", ID: chart(digestOf("1.2.0")), FirstSeen: start.Add(-time.Hour)}
	has := func(c Candidate, verified bool) func(*Facts) {
		return func(f *Facts) {
			s := &f.Stages[0]
			s.Delivery = &Delivery{Candidate: c, Cause: CauseAuto, At: start.Add(-time.Hour), Verified: verified}
			s.Releases = []Release{{Name: "apps/web", Current: true, Message: "baking"}}
			if verified {
				s.Releases[0].ID, s.Releases[0].At = c.ID, start.Add(-30*time.Minute)
				s.Verified = []Verification{{Candidate: old, At: start.Add(-2 * time.Hour)},
					{Candidate: c, At: start, Since: start}}
			}
		}
	}
	stage := func(change func(*Stage)) func(*Facts) { return func(f *Facts) { change(&f.Stages[0]) } }
	bad := stage(func(s *Stage) {
		s.Releases[0].ID, s.Releases[0].Bad = Identity{}, map[Identity]string{s.Delivery.ID: "did not stay healthy"}
	})
	for _, tt := range []struct {
		name  string
		facts []func(*Facts)
		step  string
		phase string
		is    string // the version that it is about
		back  string
		says  string
	}{
		{"nothing is there yet", nil, StepPromote, PhaseVerifying, "1.2.0", "", "passes all gates"},
		{"the pipeline is suspended", []func(*Facts){func(f *Facts) { f.Suspended = true }}, StepNone, PhaseSuspended,
			"", "", "suspend"},
		{"there is no candidate", []func(*Facts){func(f *Facts) { f.Candidates = nil }}, StepNone, PhaseIdle, "", "",
			"no candidate"},
		{"the newest is verified", []func(*Facts){has(next, true)}, StepNone, PhaseVerified, "1.2.0", "", "verified"},
		{"a newer one", []func(*Facts){has(good, true)}, StepPromote, PhaseVerifying, "1.2.0", "", ""},
		{"it is being judged", []func(*Facts){has(good, false)}, StepNone, PhaseVerifying, "1.1.0", "",
			"apps/web: baking"},
		{"no release follows", []func(*Facts){has(good, false), stage(func(s *Stage) { s.Releases = nil })},
			StepPromote, PhaseVerifying, "1.2.0", "", ""},
		{"no release follows the newest", []func(*Facts){has(next, false), stage(func(s *Stage) { s.Releases = nil })},
			StepNone, PhaseVerifying, "1.2.0", "", "no HelmRelease"},
		{"one of two releases has verified it", []func(*Facts){has(good, true), stage(func(s *Stage) {
			s.Delivery.Verified = false
			s.Releases = append(s.Releases, Release{Name: "apps/api", Current: true, ID: chart("sha256:other"),
				Message: "baking"})
		})}, StepNone, PhaseVerifying, "1.1.0", "", "1 of 2 HelmReleases have not verified it: apps/api: baking"},
		{"a release verified it before its spec changed", []func(*Facts){has(good, true), stage(func(s *Stage) {
			s.Delivery.Verified, s.Releases[0].Current = false, false
		})}, StepNone, PhaseVerifying, "1.1.0", "", "not reconciled yet"},
		{"a release is suspended", []func(*Facts){has(good, false),
			stage(func(s *Stage) { s.Releases[0].Suspended = true })},
			StepNone, PhaseVerifying, "1.1.0", "", "suspended"},
		{"all have verified it", []func(*Facts){has(good, true), stage(func(s *Stage) { s.Delivery.Verified = false })},
			StepVerify, PhaseVerified, "1.1.0", "", ""},
		{"it is bad", []func(*Facts){has(good, true), bad}, StepReject, PhaseVerifying, "1.1.0", "1.0.0",
			"did not stay healthy"},
		{"it is bad, and so was the one before", []func(*Facts){has(next, true), bad, stage(func(s *Stage) {
			s.Verified = []Verification{{Candidate: old}, {Candidate: good}, {Candidate: next}}
			s.Rejected = []Rejection{{good.ID, "bad"}}
		})}, StepReject, PhaseVerifying, "1.2.0", "1.0.0", ""},
		{"it is bad, and there is nothing before", []func(*Facts){has(good, false), bad}, StepReject, PhaseFailed,
			"1.1.0", "", ""},
		{"it is known to be bad, and there is nothing before",
			[]func(*Facts){has(next, false), bad, stage(func(s *Stage) {
				s.Rejected = []Rejection{{next.ID, "bad"}}
			})}, StepNone, PhaseFailed, "1.2.0", "", "did not stay healthy"},
		{"it is known to be bad, and there is a newer one", []func(*Facts){has(good, false), bad, stage(func(s *Stage) {
			s.Rejected = []Rejection{{good.ID, "bad"}}
		})}, StepPromote, PhaseVerifying, "1.2.0", "", ""},
		{"a rollback is never rolled back", []func(*Facts){has(next, true), bad, stage(func(s *Stage) {
			s.Delivery.Cause = CauseRollback
		})}, StepNone, PhaseFailed, "1.2.0", "", "did not stay healthy"},
		{"a rollback does not keep a fix out", []func(*Facts){has(good, false),
			stage(func(s *Stage) { s.Delivery.Cause = CauseRollback })},
			StepPromote, PhaseVerifying, "1.2.0", "", ""},
		{"a user rejects it", []func(*Facts){has(good, true), stage(func(s *Stage) { s.Refused = []string{"1.1.0"} })},
			StepReject, PhaseVerifying, "1.1.0", "1.0.0", "a user rejected it"},
		{"a user rejects the next one", []func(*Facts){has(good, true),
			stage(func(s *Stage) { s.Refused = []string{next.ID.Chart} })},
			StepNone, PhaseBlocked, "1.2.0", "", "rejected: a user rejected it"},
		{"the deadline is over", []func(*Facts){has(good, false), stage(func(s *Stage) { s.Deadline = time.Hour })},
			StepReject, PhaseFailed, "1.1.0", "", "not verified within 1h0m0s"},
		{"the deadline is over, and there is nothing to go back to", []func(*Facts){has(next, false),
			stage(func(s *Stage) {
				s.Deadline, s.Rejected = time.Hour, []Rejection{{next.ID, "not verified within 1h0m0s"}}
			})}, StepNone, PhaseFailed, "1.2.0", "", "not verified within 1h0m0s"},
		{"the deadline of what was verified", []func(*Facts){has(next, true), stage(func(s *Stage) {
			s.Deadline, s.Releases[0].ID = time.Hour, Identity{}
		})}, StepNone, PhaseVerifying, "1.2.0", "", "have not verified it"},
		{"a user pins a lower version", []func(*Facts){has(good, true), stage(func(s *Stage) { s.Pin = "v1.0.0" })},
			StepPromote, PhasePinned, "1.0.0", "", ""},
		{"a user pins what is there", []func(*Facts){has(good, true), stage(func(s *Stage) { s.Pin = "1.1.0" })},
			StepNone, PhasePinned, "1.1.0", "", "verified by all"},
		{"a user pins what is not there", []func(*Facts){has(good, true), stage(func(s *Stage) { s.Pin = "9.9.9" })},
			StepNone, PhasePinned, "", "", "which the subject does not have"},
		{"a pin is above the verdict about another",
			[]func(*Facts){has(good, false), stage(func(s *Stage) { s.Pin = "1.2.0" })},
			StepPromote, PhasePinned, "1.2.0", "", ""},
		{"a freeze keeps a new version from being pinned",
			[]func(*Facts){has(good, true), stage(func(s *Stage) { s.Pin = "1.2.0" }),
				func(f *Facts) { f.Freezes = []Freeze{{Name: "sale"}} }}, StepNone, PhaseFrozen, "1.2.0", "", "sale"},
		{"a freeze does not keep a pin from going back",
			[]func(*Facts){has(good, true), stage(func(s *Stage) { s.Pin = "1.0.0" }),
				func(f *Facts) { f.Freezes = []Freeze{{Name: "sale"}} }}, StepPromote, PhasePinned, "1.0.0", "", ""},
		{"what was rejected here is not pinned again", []func(*Facts){has(good, true), stage(func(s *Stage) {
			s.Pin, s.Rejected = "1.2.0", []Rejection{{next.ID, "bad"}}
		})}, StepNone, PhasePinned, "1.2.0", "", "which was rejected here: bad"},
		{"a user holds the stage", []func(*Facts){has(good, true), stage(func(s *Stage) { s.Hold = "migration" })},
			StepNone, PhaseHeld, "", "", "held: migration"},
		{"a freeze does not keep a bad one in", []func(*Facts){has(good, true), bad,
			func(f *Facts) { f.Freezes = []Freeze{{Name: "sale"}} }}, StepReject, PhaseVerifying, "1.1.0", "1.0.0", ""},
		{"a hold does not keep a bad one in", []func(*Facts){has(good, true), bad,
			stage(func(s *Stage) { s.Hold = "x" })},
			StepReject, PhaseVerifying, "1.1.0", "1.0.0", ""},
		{"an approval is missing", []func(*Facts){has(good, true), stage(func(s *Stage) { s.Promote = Manual })},
			StepNone, PhaseApproval, "1.2.0", "", "approval: not approved"},
		{"an older candidate is approved", []func(*Facts){has(old, true), stage(func(s *Stage) {
			s.Promote, s.Approvals = Manual, []Approval{{User: "alice", ID: good.ID}}
		})}, StepPromote, PhaseVerifying, "1.1.0", "", ""},
		{"the newest fails a gate, the one before does not",
			[]func(*Facts){has(old, true), stage(func(s *Stage) { s.Gates.Range = "<1.2.0" })},
			StepPromote, PhaseVerifying, "1.1.0", "", ""},
		{"what is there left the range", []func(*Facts){has(next, true),
			stage(func(s *Stage) { s.Gates.Range = "<1.2.0" })},
			StepNone, PhaseVerified, "1.2.0", "", ""},
		{"what is there left the range, and a downgrade is allowed",
			[]func(*Facts){has(next, true), stage(func(s *Stage) {
				s.Gates.Range, s.Gates.Downgrade = "<1.2.0", true
			})}, StepPromote, PhaseVerifying, "1.1.0", "", ""},
		{"a downgrade is allowed, and there is no reason for one",
			[]func(*Facts){has(next, true), stage(func(s *Stage) {
				s.Gates.Downgrade = true
			})}, StepNone, PhaseVerified, "1.2.0", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := Facts{Candidates: []Candidate{old, next, good}, Stages: []Stage{{Name: "dev"}}, Stamped: true}
			for _, change := range tt.facts {
				change(&f)
			}
			d := Decide(f, start)[0]
			version := func(c *Candidate) string {
				if c == nil {
					return ""
				}
				return c.Version
			}
			if d.Step != tt.step || d.Phase != tt.phase || version(d.Candidate) != tt.is || version(d.Back) != tt.back {
				t.Errorf("got %s %s %q back %q, want %s %s %q back %q (%s)", d.Step, d.Phase, version(d.Candidate),
					version(d.Back),
					tt.step, tt.phase, tt.is, tt.back, d.Message)
			}
			if !strings.Contains(d.Message, tt.says) {
				t.Errorf("message %q does not contain %q", d.Message, tt.says)
			}
		})
	}
}

// What is remembered of a stage is bounded.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Stage{Name: "dev"})
	for i := range 60 {
		v := fmt.Sprintf("1.%d.0", i)
		if i%2 == 1 {
			w.broken["dev/"+digestOf(v)] = true
		}
		w.publish(v)
		w.run(10 * time.Minute)
	}
	s := w.stage("dev")
	if len(s.Verified) > maxRemembered || len(s.Rejected) > maxRemembered || len(s.Rejected) < maxRemembered {
		t.Errorf("%d verified, %d rejected", len(s.Verified), len(s.Rejected))
	}
	if !slices.ContainsFunc(s.Verified, func(v Verification) bool { return v.ID == s.Delivery.ID }) {
		t.Error("what is there is forgotten")
	}
}
