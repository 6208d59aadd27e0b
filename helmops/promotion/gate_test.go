package promotion

import (
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/helmops/window"
)

// Each gate, asked about version 1.2.0 in prod, which has 1.1.0 and gets its candidates from two stages.
func TestGates(t *testing.T) {
	t.Parallel()
	minutes := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
	c := Candidate{Version: "1.2.0", ID: chart("sha256:2"), FirstSeen: minutes(-60)}
	type change func(*Facts, *Stage, *Candidate)
	prod := func(f func(*Stage)) change { return func(_ *Facts, s *Stage, _ *Candidate) { f(s) } }
	version := func(v string) change { return func(_ *Facts, _ *Stage, c *Candidate) { c.Version = v } }
	verified := func(stages ...string) change {
		return func(f *Facts, _ *Stage, _ *Candidate) {
			for _, name := range stages {
				f.stage(name).Verified = []Verification{{Candidate: c, At: minutes(-30), Since: minutes(-30)}}
			}
		}
	}
	ended := func(stage string, after time.Duration) change {
		return func(f *Facts, _ *Stage, _ *Candidate) {
			v := &f.stage(stage).Verified[0]
			v.Since, v.Longest = time.Time{}, after
		}
	}
	rejects := func(stage string) change {
		return func(f *Facts, _ *Stage, _ *Candidate) {
			f.stage(stage).Rejected = []Rejection{{chart("sha256:2"), "it crashed"}}
		}
	}
	// holds gives a stage the candidate, of which its release says that it verified a digest.
	holds := func(stage, digest string) change {
		return func(f *Facts, _ *Stage, _ *Candidate) {
			s := f.stage(stage)
			s.Delivery = &Delivery{Candidate: c, At: minutes(-40), Verified: true}
			s.Releases = []Release{{Name: "apps/web", Current: true, ID: chart(digest), At: minutes(-30)}}
		}
	}
	soaks := prod(func(s *Stage) { s.Gates.Soak = time.Hour })
	anyOf := prod(func(s *Stage) { s.FromPolicy = Any })
	frozen := func(freezes ...Freeze) change { return func(f *Facts, _ *Stage, _ *Candidate) { f.Freezes = freezes } }
	manual := func(n int, users ...string) change {
		return prod(func(s *Stage) {
			s.Promote, s.Gates.Approval.Count = Manual, n
			for _, u := range users {
				s.Approvals = append(s.Approvals, Approval{User: u, ID: chart("sha256:2")})
			}
		})
	}
	bumps := func(largest string) change { return prod(func(s *Stage) { s.Gates.Bump = largest }) }
	for _, tt := range []struct {
		name    string
		gate    string
		changes []change
		want    Result
		until   time.Time
		says    string
	}{
		{"verified in both", GateUpstream, []change{verified("qa", "load")}, Pass, time.Time{}, "qa, load"},
		{"verified in one of all", GateUpstream, []change{verified("qa")}, Wait, time.Time{}, "not verified in load"},
		{"verified in one of any", GateUpstream, []change{anyOf, verified("qa")}, Pass, time.Time{}, "qa"},
		{"verified in none of any", GateUpstream, []change{anyOf}, Wait, time.Time{}, "any of qa, load"},
		{"rejected upstream", GateUpstream, []change{verified("qa", "load"), rejects("qa")}, Fail, time.Time{},
			"qa rejected it: it crashed"},
		{"rejected in one of any", GateUpstream, []change{anyOf, verified("qa", "load"), rejects("qa")}, Pass,
			time.Time{}, ""},
		{"rejected in all of any", GateUpstream, []change{anyOf, rejects("load"), rejects("qa")}, Fail, time.Time{},
			""},
		{"rejected far upstream", GateUpstream, []change{verified("qa", "load"), rejects("dev")}, Fail, time.Time{},
			"dev rejected it"},
		{"verified and withdrawn", GateUpstream, []change{verified("qa", "load"), holds("qa", "")}, Wait, time.Time{},
			"not verified in qa"},
		{"verified and still there", GateUpstream, []change{verified("qa", "load"), holds("qa", "sha256:2")}, Pass,
			time.Time{}, "qa, load"},
		{"withdrawn in one of any", GateUpstream, []change{anyOf, verified("qa", "load"), holds("qa", "")}, Pass,
			time.Time{}, "verified in load"},
		{"from the subject", GateUpstream, []change{prod(func(s *Stage) { s.From = nil })}, Pass, time.Time{},
			"subject"},
		{"from a stage that is gone", GateUpstream, []change{prod(func(s *Stage) { s.From = []string{"old"} })}, Wait,
			time.Time{}, "old"},

		{"rejected here", GateRejected, []change{rejects("prod")}, Fail, time.Time{}, "it crashed"},
		{"rejected by a user", GateRejected, []change{prod(func(s *Stage) { s.Refused = []string{"v1.2.0"} })}, Fail,
			time.Time{}, "user"},
		{"another is rejected", GateRejected, []change{prod(func(s *Stage) { s.Refused = []string{"1.1.0"} })}, Pass,
			time.Time{}, ""},

		{"in the range", GateRange, []change{prod(func(s *Stage) { s.Gates.Range = "^1.0.0" })}, Pass, time.Time{}, ""},
		{"not in the range", GateRange, []change{prod(func(s *Stage) { s.Gates.Range = "<1.2" })}, Fail, time.Time{},
			"not in"},
		{"a pre-release in the range", GateRange, []change{version("1.2.0-rc.1"),
			prod(func(s *Stage) { s.Gates.Range = "^1.0.0" })}, Pass, time.Time{}, ""},
		{"a text is in no range", GateRange, []change{version("nightly"),
			prod(func(s *Stage) { s.Gates.Range = "*" })}, Fail, time.Time{}, "no semver"},
		{"no range", GateRange, []change{prod(func(s *Stage) { s.Gates.Range = "newest" })}, Fail, time.Time{},
			"no version range"},

		{"a pre-release", GatePrereleases, []change{version("1.2.0-rc.1"),
			prod(func(s *Stage) { s.Gates.NoPrereleases = true })}, Fail, time.Time{}, ""},
		{"a release", GatePrereleases, []change{prod(func(s *Stage) { s.Gates.NoPrereleases = true })}, Pass,
			time.Time{}, ""},
		{"an allowed pre-release", GatePrereleases, []change{version("1.2.0-rc.1")}, Pass, time.Time{}, ""},

		{"higher", GateDowngrade, nil, Pass, time.Time{}, ""},
		{"lower", GateDowngrade, []change{version("1.0.9")}, Fail, time.Time{}, "lower than 1.1.0"},
		{"equal", GateDowngrade, []change{version("1.1.0")}, Pass, time.Time{}, ""},
		{"lower and allowed", GateDowngrade, []change{version("1.0.9"),
			prod(func(s *Stage) { s.Gates.Downgrade = true })}, Pass, time.Time{}, ""},

		{"a patch", GateBump, []change{version("1.1.9"), bumps(BumpPatch)}, Pass, time.Time{}, ""},
		{"a minor step", GateBump, []change{bumps(BumpPatch)}, Wait, time.Time{}, "is a minor one: not approved"},
		{"a major step", GateBump, []change{version("2.0.0"), bumps(BumpMinor)}, Wait, time.Time{}, "is a major one"},
		{"a step that is approved", GateBump, []change{bumps(BumpPatch),
			prod(func(s *Stage) { s.Approved = []string{"1.2.0"} })}, Pass, time.Time{}, ""},
		{"any step", GateBump, []change{version("2.0.0")}, Pass, time.Time{}, ""},
		{"the first candidate", GateBump, []change{bumps(BumpPatch), prod(func(s *Stage) { s.Delivery = nil })}, Pass,
			time.Time{}, ""},

		{"soaking in both", GateSoak, []change{soaks, verified("qa", "load")}, Wait, minutes(30),
			"until 2026-03-02T09:30:00Z"},
		{"soaked in one of all", GateSoak, []change{soaks, verified("qa", "load"), ended("qa", time.Hour)}, Wait,
			minutes(30), ""},
		{"soaked in one of any", GateSoak, []change{soaks, anyOf, verified("qa", "load"), ended("qa", time.Hour)},
			Pass, time.Time{}, ""},
		{"soaked in both", GateSoak, []change{soaks, verified("qa", "load"), ended("qa", time.Hour),
			ended("load", time.Hour)}, Pass, time.Time{}, ""},
		{"the soak was broken off", GateSoak, []change{soaks, verified("qa", "load"), ended("qa", time.Minute)}, Wait,
			time.Time{}, "verified for 1m0s of 1h0m0s"},
		{"not verified, so no soak", GateSoak, []change{soaks}, Wait, time.Time{}, "has not begun"},
		{"no soak", GateSoak, nil, Pass, time.Time{}, ""},

		{"too young", GateMinAge, []change{prod(func(s *Stage) { s.Gates.MinAge = 2 * time.Hour })}, Wait, minutes(60),
			"old enough at"},
		{"old enough", GateMinAge, []change{prod(func(s *Stage) { s.Gates.MinAge = time.Hour })}, Pass, time.Time{},
			""},

		{"no freeze", GateFreeze, nil, Pass, time.Time{}, ""},
		{"a freeze with an end", GateFreeze, []change{frozen(Freeze{Name: "sale", Until: minutes(5), Reason: "sale"})},
			Wait, minutes(5), "ReleaseFreeze sale until"},
		{"a freeze without an end", GateFreeze, []change{frozen(Freeze{Name: "sale", From: minutes(-5), Reason: "x"})},
			Wait, time.Time{}, "when it is deleted"},
		{"a freeze that is over", GateFreeze, []change{frozen(Freeze{Name: "sale", Until: start})}, Pass, time.Time{},
			""},
		{"a freeze that comes", GateFreeze, []change{frozen(Freeze{Name: "sale", From: minutes(5)})}, Pass,
			time.Time{}, "begins at"},

		{"no approval is needed", GateApproval, nil, Pass, time.Time{}, ""},
		{"not approved", GateApproval, []change{manual(0)}, Wait, time.Time{}, "not approved"},
		{"approved by one", GateApproval, []change{manual(1, "alice")}, Pass, time.Time{}, "alice"},
		{"approved by one of two", GateApproval, []change{manual(2, "alice")}, Wait, time.Time{},
			"1 of 2 approvals are missing"},
		{"approved twice by one", GateApproval, []change{manual(2, "alice", "alice")}, Wait, time.Time{}, "1 of 2"},
		{"approved by two", GateApproval, []change{manual(2, "alice", "bob")}, Pass, time.Time{}, "alice, bob"},
		{"two approvers without identity", GateApproval,
			[]change{manual(2, "alice", "bob"), func(f *Facts, _ *Stage, _ *Candidate) {
				f.Stamped = false
			}}, Fail, time.Time{}, "2 approvers are wanted"},
		{"one approver without identity", GateApproval, []change{manual(1, ""), func(f *Facts, _ *Stage, _ *Candidate) {
			f.Stamped = false
		}}, Pass, time.Time{}, ""},
		{"another candidate is approved", GateApproval, []change{manual(1), prod(func(s *Stage) {
			s.Approvals = []Approval{{User: "alice", ID: chart("sha256:1")}}
		})}, Wait, time.Time{}, ""},
		{"the spec approves the version", GateApproval, []change{manual(2),
			prod(func(s *Stage) { s.Approved = []string{"v1.2.0"} })}, Pass, time.Time{}, "spec approves"},
		{"the spec approves a range", GateApproval, []change{manual(2),
			prod(func(s *Stage) { s.Approved = []string{"~1.2"} })}, Pass, time.Time{}, ""},
		{"the spec approves another build", GateApproval, []change{manual(0), version("1.2.0+b2"), prod(func(s *Stage) {
			s.Approved = []string{"1.2.0+b1", "1.2.0"}
		})}, Wait, time.Time{}, ""},
	} {
		t.Run(tt.gate+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			f := Facts{Stamped: true, Stages: []Stage{
				{Name: "dev"}, {Name: "qa", From: []string{"dev"}}, {Name: "load", From: []string{"dev"}},
				{Name: "prod", From: []string{"qa", "load"}, Delivery: &Delivery{
					Candidate: Candidate{Version: "1.1.0", ID: chart("sha256:1")}, Verified: true,
				}},
			}}
			asked := c
			for _, change := range tt.changes {
				change(&f, f.stage("prod"), &asked)
			}
			got := gateOf(question{facts: &f, stage: f.stage("prod"), candidate: asked, now: start}.ask(), tt.gate)
			if got.Result != tt.want || !got.Until.Equal(tt.until) || !strings.Contains(got.Message, tt.says) {
				t.Errorf("got %s until %s: %s; want %s until %s, saying %q", got.Result, got.Until, got.Message,
					tt.want, tt.until, tt.says)
			}
		})
	}
}

// Windows with their times, seen from Monday 9:00 UTC, which is 10:00 in Berlin and 4:00 in New York.
func TestWindows(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	office := window.Window{Cron: "0 10 * * 1-5", Duration: 8 * time.Hour, TimeZone: "Europe/Berlin"}
	lunch := window.Window{Deny: true, Cron: "0 12 * * *", Duration: time.Hour, TimeZone: "Europe/Berlin"}
	early := window.Window{Cron: "0 0 * * *", Duration: 4 * time.Hour, TimeZone: "Europe/Berlin"}
	half := window.Window{Cron: "30 2 * * *", Duration: 30 * time.Minute, TimeZone: "Europe/Berlin"}
	night := window.Window{Cron: "0 22 * * *", Duration: 6 * time.Hour, TimeZone: "America/New_York"}
	for _, tt := range []struct {
		name    string
		now     string
		windows []window.Window
		want    Result
		until   string
		says    string
	}{
		{"no windows", "2026-03-02T09:00:00Z", nil, Pass, "", ""},
		{"the first moment", "2026-03-02T09:00:00Z", []window.Window{office}, Pass, "", ""},
		{"a second before", "2026-03-02T08:59:59Z", []window.Window{office}, Wait, "2026-03-02T09:00:00Z", "opens at"},
		{"the last moment", "2026-03-02T16:59:59Z", []window.Window{office}, Pass, "", ""},
		{"the end", "2026-03-02T17:00:00Z", []window.Window{office}, Wait, "2026-03-03T09:00:00Z", ""},
		{"over the weekend", "2026-03-06T20:00:00Z", []window.Window{office}, Wait, "2026-03-09T09:00:00Z", ""},
		{"over midnight", "2026-03-02T04:00:00Z", []window.Window{night}, Pass, "", ""},
		{"the nearer of two", "2026-03-02T17:00:00Z", []window.Window{office, night}, Wait, "2026-03-03T03:00:00Z", ""},
		{"denied within an allowed one", "2026-03-02T11:30:00Z", []window.Window{office, lunch}, Wait, "2026-03-02T12:00:00Z",
			"nothing is promoted"},
		{"denied only", "2026-03-02T11:30:00Z", []window.Window{lunch}, Wait, "2026-03-02T12:00:00Z", ""},
		{"not denied", "2026-03-02T12:00:00Z", []window.Window{lunch}, Pass, "", ""},
		{"summer time begins, the hour is skipped", "2026-03-29T00:30:00Z",
			[]window.Window{{Cron: "30 2 * * *", Duration: time.Hour, TimeZone: "Europe/Berlin"}},
			Wait, "2026-03-30T00:30:00Z", ""},
		{"summer time", "2026-03-30T08:00:00Z", []window.Window{office}, Pass, "", ""},
		{"winter time begins", "2026-10-25T20:00:00Z", []window.Window{office}, Wait, "2026-10-26T09:00:00Z", ""},
		{"summer time begins, a window over the skipped hour", "2026-03-29T01:30:00Z", []window.Window{early}, Pass, "", ""},
		{"summer time begins, the window lasts as long as ever", "2026-03-29T03:30:00Z", []window.Window{early}, Wait,
			"2026-03-29T22:00:00Z", ""},
		{"winter time begins, the first half past two", "2026-10-25T00:30:00Z", []window.Window{half}, Pass, "", ""},
		{"winter time begins, between the two", "2026-10-25T01:05:00Z", []window.Window{half}, Wait,
			"2026-10-25T01:30:00Z", ""},
		{"winter time begins, the second half past two", "2026-10-25T01:45:00Z", []window.Window{half}, Pass, "", ""},
		{"winter time begins, after both", "2026-10-25T02:05:00Z", []window.Window{half}, Wait, "2026-10-26T01:30:00Z", ""},
		{"winter time begins, a window over the hour that comes twice", "2026-10-25T01:30:00Z", []window.Window{early}, Pass,
			"", ""},
		{"winter time begins, the window lasts as long as ever", "2026-10-25T02:00:00Z", []window.Window{early}, Wait,
			"2026-10-25T23:00:00Z", ""},
		{"winter time begins, denied over the hour that comes twice", "2026-10-25T01:30:00Z",
			[]window.Window{{Deny: true, Cron: early.Cron, Duration: early.Duration, TimeZone: early.TimeZone}}, Wait,
			"2026-10-25T02:00:00Z", "nothing is promoted"},
		{"a day that never comes", "2026-03-02T09:00:00Z", []window.Window{{Cron: "0 0 30 2 *", Duration: time.Hour}}, Fail,
			"", "no window ever opens"},
		{"UTC by itself", "2026-03-02T10:00:00Z", []window.Window{{Cron: "0 10 * * *", Duration: time.Hour}}, Pass, "", ""},
		{"a zone that is unknown", "2026-03-02T10:00:00Z", []window.Window{{Cron: "0 10 * * *", Duration: time.Hour,
			TimeZone: "Mars/Base"}}, Fail, "", "Mars/Base"},
		{"no cron", "2026-03-02T10:00:00Z", []window.Window{{Cron: "61 10 * * *", Duration: time.Hour}}, Fail, "", "61 10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &Stage{Name: "prod", Gates: Gates{Windows: tt.windows}}
			got := windows(question{facts: &Facts{}, stage: s, now: at(tt.now)})
			if got.Result != tt.want || !got.Until.Equal(at(tt.until)) || !strings.Contains(got.Message, tt.says) {
				t.Errorf("got %s until %s: %s; want %s until %q, saying %q", got.Result, got.Until, got.Message,
					tt.want, tt.until, tt.says)
			}
		})
	}
}

// What is no cron expression of five fields is refused, and nothing of it brings the process down.
func TestHostileWindows(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "TZ=", "TZ=0", "CRON_TZ=Europe/Berlin 0 1 * * *", "@daily", "@every 1s", "* * * *", "* * * * * *",
		"0 0 0 0 0",
		"*/0 * * * *", "1-0 * * * *", "99999999999999999999 * * * *", "a b c d e",
	} {
		if err := (window.Window{Cron: text, Duration: time.Hour}).Check(); err == nil {
			t.Errorf("%q is taken for a cron expression", text)
		}
	}
	for _, zone := range []string{"Local", "../../etc/passwd", "\x00", "Europe/Nowhere"} {
		if err := (window.Window{Cron: "0 1 * * *", Duration: time.Hour, TimeZone: zone}).Check(); err == nil {
			t.Errorf("%q is taken for a time zone", zone)
		}
	}
}
