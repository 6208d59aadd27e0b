package promotion

import (
	"testing"
	"time"
)

// A stage that copies says what its registry does, and what the registry keeps of a candidate that is rejected.
func TestCopies(t *testing.T) {
	t.Parallel()
	one, two := Candidate{Version: "1.0.0", ID: chart("sha256:1")}, Candidate{Version: "1.1.0", ID: chart("sha256:2")}
	both := []Verification{{Candidate: one, At: start}, {Candidate: two, At: start, Since: start}}
	for _, tt := range []struct {
		name    string
		change  func(*Stage)
		step    string
		phase   string
		message string
	}{
		{"it copies", func(*Stage) {}, StepNone, PhaseVerifying, "oci://prod/web: 3 of 10 bytes"},
		{"it has copied", func(s *Stage) { s.Releases[0].ID = two.ID }, StepVerify, PhaseVerified,
			"1.1.0 is copied to oci://prod/web"},
		{"it cannot", func(s *Stage) { s.Releases[0].Bad[two.ID] = "TagConflict" }, StepReject, PhaseVerifying,
			"oci://prod/web: TagConflict"},
		{"a user rejects it before", func(s *Stage) { s.Refused = []string{"1.1.0"} }, StepReject, PhaseVerifying,
			"a user rejected it"},
		{"a user rejects it after the copy", func(s *Stage) {
			s.Refused, s.Verified = []string{"1.1.0"}, both
		}, StepReject, PhaseVerifying, "a user rejected it; the registry keeps the tag 1.1.0"},
		{"it was copied before", func(s *Stage) {
			s.Delivery.Verified, s.Releases[0].ID, s.Verified = true, two.ID, both
		}, StepNone, PhaseVerified, "1.1.0: copied to oci://prod/web"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := Stage{
				Name: "prod", Copies: true, Delivery: &Delivery{Candidate: two, Cause: CauseAuto, At: start},
				Verified: []Verification{{Candidate: one, At: start}},
				Releases: []Release{{
					Name: "oci://prod/web", Current: true, Bad: map[Identity]string{}, Message: "3 of 10 bytes",
				}},
			}
			tt.change(&s)
			d := Decide(Facts{Candidates: []Candidate{one, two}, Stages: []Stage{s}}, start.Add(time.Minute))[0]
			if d.Step != tt.step || d.Phase != tt.phase || d.Message != tt.message {
				t.Errorf("got %s, %s: %s", d.Step, d.Phase, d.Message)
			}
			if d.Step == StepReject && (d.Back == nil || d.Back.ID != one.ID) {
				t.Errorf("it goes back to %+v", d.Back)
			}
		})
	}
}
