package promotion

import (
	"strings"
	"testing"
	"time"
)

func TestAttestations(t *testing.T) {
	t.Parallel()
	c := Candidate{Version: "1.2.0", ID: chart("sha256:2")}
	later := start.Add(time.Minute)
	for _, tt := range []struct {
		name  string
		stage Stage
		want  Result
		until time.Time
		says  string
	}{
		{"none is needed", Stage{}, Pass, time.Time{}, "no attestation"},
		{"not asked yet", Stage{Gates: Gates{Attested: true}}, Wait, time.Time{}, "is being asked"},
		{"there", Stage{Gates: Gates{Attested: true}, Attestations: map[string]Attestation{
			c.ID.Chart: {Found: true, Message: "by key a.pub"},
		}}, Pass, time.Time{}, "by key a.pub"},
		{"missing", Stage{Gates: Gates{Attested: true}, Attestations: map[string]Attestation{
			c.ID.Chart: {Message: "has none", Until: later},
		}}, Wait, later, "has none"},
		{"of another candidate", Stage{Gates: Gates{Attested: true}, Attestations: map[string]Attestation{
			"sha256:1": {Found: true},
		}}, Wait, time.Time{}, "is being asked"},
	} {
		got := attestations(question{stage: &tt.stage, candidate: c, now: start})
		if got.Result != tt.want || !got.Until.Equal(tt.until) || !strings.Contains(got.Message, tt.says) {
			t.Errorf("%s: got %+v", tt.name, got)
		}
		d := Decide(Facts{Candidates: []Candidate{c}, Stages: []Stage{tt.stage}}, start)[0]
		if promoted := d.Step == StepPromote; promoted != (tt.want == Pass) {
			t.Errorf("%s: it is promoted: %t", tt.name, promoted)
		}
	}
}

func TestNewer(t *testing.T) {
	t.Parallel()
	one, two, three := Candidate{Version: "1.0.0", ID: chart("1")}, Candidate{Version: "1.1.0", ID: chart("2")},
		Candidate{Version: "1.2.0", ID: chart("3")}
	all := []Candidate{one, two, three}
	if got := (&Stage{}).Newer(all); len(got) != 3 {
		t.Errorf("an empty stage: %v", got)
	}
	has := Stage{Delivery: &Delivery{Candidate: two}}
	if got := has.Newer(all); len(got) != 1 || got[0] != three {
		t.Errorf("newer than 1.1.0: %v", got)
	}
	has.Gates.Downgrade = true
	if got := has.Newer(all); len(got) != 2 {
		t.Errorf("others than 1.1.0: %v", got)
	}
}
