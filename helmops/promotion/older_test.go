package promotion

import (
	"strings"
	"testing"
	"time"
)

// The newest candidate is rejected in a stage: an older one that is newer than the present one is taken, no lower one
// is, and what is said of one that waits names the newest, too.
func TestAnOlderCandidateThanTheRejectedOne(t *testing.T) {
	t.Parallel()
	at := start.Add(-time.Hour)
	present := Candidate{Version: "1.0.0", ID: chart("sha256:0"), FirstSeen: at}
	older := Candidate{Version: "1.1.0", ID: chart("sha256:1"), FirstSeen: at}
	newest := Candidate{Version: "1.2.0", ID: chart("sha256:2"), FirstSeen: at}
	lower := Candidate{Version: "0.9.0", ID: chart("sha256:9"), FirstSeen: at}
	facts := func(gates Gates, candidates ...Candidate) Facts {
		return Facts{Candidates: candidates, Stages: []Stage{{
			Name: "prod", Gates: gates,
			Delivery: &Delivery{Candidate: present, Cause: CauseRollback, At: at, Verified: true},
			Verified: []Verification{{Candidate: present, At: at, Since: at}},
			Rejected: []Rejection{{newest.ID, "bad"}},
			Releases: []Release{{Name: "apps/web", Current: true, ID: present.ID, At: at}},
		}}}
	}
	for _, tt := range []struct {
		name  string
		facts Facts
		step  string
		is    string
		says  []string
	}{
		{"an older one", facts(Gates{}, present, older, newest), StepPromote, "1.1.0", []string{"it passes all gates"}},
		{"a lower one", facts(Gates{}, lower, present, newest), StepNone, "1.2.0", []string{"1.2.0: rejected: bad"}},
		{"an older one that waits", facts(Gates{MinAge: 2 * time.Hour}, present, older, newest), StepNone, "1.1.0",
			[]string{"1.1.0: minAge", "not taken: 1.2.0: rejected: bad"}},
	} {
		d := Decide(tt.facts, start)[0]
		if d.Step != tt.step || d.Candidate == nil || d.Candidate.Version != tt.is {
			t.Errorf("%s: %+v", tt.name, d)
		}
		for _, text := range tt.says {
			if !strings.Contains(d.Message, text) {
				t.Errorf("%s: %q lacks %q", tt.name, d.Message, text)
			}
		}
	}
}
