package promotion

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// The signatures of 1.1.0, which prod may get after staging; prod has 1.0.0 unless it is said otherwise.
func TestSignatures(t *testing.T) {
	t.Parallel()
	digest := digestOf("1.1.0")
	soon, later := start.Add(time.Minute), start.Add(time.Hour)
	known := func(result Result, again time.Time) func(*Facts, *Stage) {
		return func(_ *Facts, s *Stage) {
			s.Signatures = map[string]Signature{digest: {Result: result, Message: "so it is", Again: again}}
		}
	}
	pinned := func(_ *Facts, s *Stage) { s.Pin = "1.1.0" }
	for _, tt := range []struct {
		name    string
		changes []func(*Facts, *Stage)
		step    string
		phase   string
		next    time.Time
		asks    bool
		says    string
	}{
		{"nothing is known", nil, StepNone, PhaseBlocked, time.Time{}, true,
			"signature: its signatures are being checked"},
		{"signed", []func(*Facts, *Stage){known(Pass, later)}, StepPromote, PhaseVerifying, time.Time{}, false, ""},
		{"signed, as it was an hour ago", []func(*Facts, *Stage){known(Pass, start)}, StepPromote, PhaseVerifying,
			time.Time{}, false, ""},
		{"not signed", []func(*Facts, *Stage){known(Fail, later)}, StepNone, PhaseBlocked, later, false,
			"signature: so it is"},
		{"not signed, as it was an hour ago", []func(*Facts, *Stage){known(Fail, start)}, StepNone, PhaseBlocked,
			time.Time{}, true, "so it is"},
		{"the registry does not answer", []func(*Facts, *Stage){known(Wait, soon)}, StepNone, PhaseBlocked, soon, false,
			"so it is"},
		{"no signature is wanted", []func(*Facts, *Stage){func(_ *Facts, s *Stage) { s.Gates.Signed = false }},
			StepPromote, PhaseVerifying, time.Time{}, false, ""},
		{"not verified before", []func(*Facts, *Stage){func(f *Facts, _ *Stage) { f.Stages[0].Verified = nil }},
			StepNone, PhaseBlocked, time.Time{}, false, "upstream"},
		{"another gate waits", []func(*Facts, *Stage){func(_ *Facts, s *Stage) { s.Promote = Manual }}, StepNone,
			PhaseBlocked, time.Time{}, true, "approval"},
		{"another gate fails", []func(*Facts, *Stage){func(_ *Facts, s *Stage) { s.Gates.Range = "<1" }}, StepNone,
			PhaseBlocked, time.Time{}, false, "range"},
		{"another gate fails, too", []func(*Facts, *Stage){known(Fail, later), func(_ *Facts, s *Stage) {
			s.Gates.Range = "<1"
		}}, StepNone, PhaseBlocked, time.Time{}, false, "range"},
		{"pinned, and nothing is known", []func(*Facts, *Stage){pinned}, StepNone, PhaseBlocked, time.Time{}, true,
			"signature"},
		{"pinned and not signed", []func(*Facts, *Stage){pinned, known(Fail, later)}, StepNone, PhaseBlocked, later,
			false, "so it is"},
		{"pinned and signed", []func(*Facts, *Stage){pinned, known(Pass, later)}, StepPromote, PhasePinned, time.Time{},
			false, ""},
		{"pinned to what was here", []func(*Facts, *Stage){pinned, func(_ *Facts, s *Stage) {
			s.Verified = []Verification{{Candidate: Candidate{Version: "1.1.0", ID: chart(digest)}}}
		}}, StepPromote, PhasePinned, time.Time{}, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			old := Candidate{Version: "1.0.0", ID: chart(digestOf("1.0.0"))}
			c := Candidate{Version: "1.1.0", ID: chart(digest)}
			f := Facts{Candidates: []Candidate{old, c}, Stages: []Stage{
				{Name: "staging", Delivery: &Delivery{Candidate: c, Verified: true},
					Releases: []Release{{Current: true, ID: chart(digest)}}, Verified: []Verification{{Candidate: c}}},
				{Name: "prod", From: []string{"staging"}, Gates: Gates{Signed: true},
					Delivery: &Delivery{Candidate: old, Verified: true}},
			}}
			if tt.name == "not verified before" {
				f.Stages[0].Releases[0].ID = Identity{}
			}
			for _, change := range tt.changes {
				change(&f, &f.Stages[1])
			}
			d := Decide(f, start)[1]
			if d.Step != tt.step || d.Phase != tt.phase || !d.Next.Equal(tt.next) ||
				!strings.Contains(d.Message, tt.says) {
				t.Errorf("got %s %s again at %s: %s; want %s %s again at %s, saying %q", d.Step, d.Phase, d.Next,
					d.Message, tt.step, tt.phase, tt.next, tt.says)
			}
			if got := slices.Equal(d.Unsigned, []string{digest}); got != tt.asks {
				t.Errorf("it asks about %v, want %t", d.Unsigned, tt.asks)
			}
		})
	}
}
