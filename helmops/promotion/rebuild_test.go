package promotion

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recorded is a record of a version, with a verdict: verified, rejected or none.
func recordedAs(number int64, version, cause, verdict string) Record {
	r := Record{
		Candidate: Candidate{Version: version, ID: chart(digestOf(version)), FirstSeen: start},
		Number:    number, Cause: cause, At: start.Add(time.Duration(number) * time.Hour),
		Verified: verdict == "verified", Rejected: verdict == "rejected",
	}
	if verdict != "" {
		r.Ended = r.At.Add(bake)
	}
	return r
}

// A stage is restored from its source and its records when its status was lost, or is older than they are.
func TestRebuild(t *testing.T) {
	t.Parallel()
	history := []Record{
		recordedAs(2, "1.1.0", CauseAuto, "rejected"),
		recordedAs(1, "1.0.0", CauseAuto, "verified"),
		recordedAs(3, "1.0.0", CauseRollback, "verified"),
		recordedAs(4, "1.2.0", CauseApproved, ""),
	}
	history[2].Reason = "it crashed"
	now := start.Add(24 * time.Hour)
	for _, tt := range []struct {
		name    string
		stage   Stage
		known   int64
		source  string
		records []Record
		// has is what the stage has then, with its cause, and whether it is verified; empty for nothing.
		has      string
		verified []string
		rejected []string
		held     string
		number   int64
		rebuilt  bool
	}{
		{name: "a stage that never had anything"},
		{name: "a stage that knows all", known: 4, records: history, number: 4, source: "1.2.0"},
		{name: "a lost status", records: history, source: "1.2.0", has: "1.2.0 Approved", number: 4, rebuilt: true,
			verified: []string{"1.0.0"}, rejected: []string{"1.1.0: it crashed"}},
		{name: "a lost status and a source that goes back", records: history[:3], source: "1.0.0",
			has: "1.0.0 Rollback verified", number: 3, rebuilt: true, verified: []string{"1.0.0"},
			rejected: []string{"1.1.0: it crashed"}},
		{name: "a rollback holds the stage", stage: Stage{OnFailure: Hold}, records: history[:3], source: "1.0.0",
			has: "1.0.0 Rollback verified", number: 3, rebuilt: true, verified: []string{"1.0.0"},
			rejected: []string{"1.1.0: it crashed"}, held: "the last candidate was rejected"},
		{name: "an older status", known: 3, records: history, source: "1.2.0", has: "1.2.0 Approved", number: 4,
			rebuilt: true, verified: []string{"1.0.0"}, rejected: []string{"1.1.0: it crashed"}},
		{name: "a source that the last record never reached", records: history, source: "1.0.0",
			has: "1.0.0 Rollback verified", number: 5, rebuilt: true, verified: []string{"1.0.0"},
			rejected: []string{"1.1.0: it crashed"}},
		{name: "records without a source", records: history[:2], has: "1.0.0 Auto verified", number: 3, rebuilt: true,
			verified: []string{"1.0.0"}, rejected: []string{"1.1.0: a Promotion of it says Rejected"}},
		{name: "records of what was rejected alone", records: history[:1], number: 2, rebuilt: true,
			rejected: []string{"1.1.0: a Promotion of it says Rejected"}},
		{name: "what was rejected and let in again", source: "1.1.0", has: "1.1.0 Auto verified", number: 3, rebuilt: true,
			records: []Record{recordedAs(1, "1.1.0", CauseAuto, "rejected"), recordedAs(2, "1.0.0", CauseRollback, ""),
				recordedAs(3, "1.1.0", CauseAuto, "verified")}, verified: []string{"1.1.0"}},
		{name: "what was rejected after the stage went back to it", source: "1.0.0", has: "1.0.0 Rollback verified",
			number: 3, rebuilt: true, records: []Record{recordedAs(1, "1.0.0", CauseAuto, "rejected"),
				recordedAs(2, "1.1.0", CauseAuto, ""), recordedAs(3, "1.0.0", CauseRollback, "verified")},
			verified: []string{"1.0.0"}, rejected: []string{"1.0.0: a Promotion of it says Rejected"}},
		{name: "a source without records", source: "1.0.0", has: "1.0.0 Auto", number: 1, rebuilt: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := Remains{Known: tt.known, Records: tt.records}
			if tt.source != "" {
				r.Source = Candidate{Version: tt.source, ID: chart(digestOf(tt.source)), FirstSeen: start}
			}
			if tt.known > 0 {
				tt.stage.Delivery = &Delivery{Candidate: history[0].Candidate}
			}
			got, number, rebuilt := tt.stage.Rebuild(r, now)
			if rebuilt != tt.rebuilt || number != tt.number {
				t.Fatalf("rebuilt %t with number %d, want %t, %d", rebuilt, number, tt.rebuilt, tt.number)
			}
			if !rebuilt {
				return
			}
			if diff := cmp.Diff(tt.has, delivered(got)); diff != "" {
				t.Errorf("the stage has (-want +got):\n%s", diff)
			}
			var verified, rejected []string
			for _, v := range got.Verified {
				verified = append(verified, v.Version)
				if !v.Since.IsZero() {
					t.Errorf("%s counts as verified since %s", v.Version, v.Since)
				}
			}
			for _, j := range got.Rejected {
				rejected = append(rejected, j.ID.Chart[len("sha256:"):]+": "+j.Reason)
			}
			if diff := cmp.Diff(tt.verified, verified); diff != "" {
				t.Errorf("verified (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.rejected, rejected); diff != "" {
				t.Errorf("rejected (-want +got):\n%s", diff)
			}
			if got.HeldBy != tt.held {
				t.Errorf("held: %q, want %q", got.HeldBy, tt.held)
			}
			if d := got.Delivery; d != nil && !d.Verified && !d.At.Equal(now) {
				t.Errorf("the deadline counts from %s, want %s", d.At, now)
			}
		})
	}
}

// delivered says what a stage has.
func delivered(s Stage) string {
	if s.Delivery == nil {
		return ""
	}
	text := s.Delivery.Version + " " + s.Delivery.Cause
	if s.Delivery.Verified {
		text += " verified"
	}
	return text
}

// A rebuilt stage does not take a version that it rejected, and does not skip the stages before.
func TestARebuiltPipelineKeepsItsGates(t *testing.T) {
	t.Parallel()
	stages := line(func(s *Stage) { s.Promote = map[string]string{"prod": Manual}[s.Name] })
	w := newWorld(t, stages...)
	w.publish("1.0.0", "1.1.0", "1.2.0")
	records := map[string][]Record{
		"dev": {recordedAs(1, "1.2.0", CauseAuto, "verified")},
		"staging": {recordedAs(1, "1.0.0", CauseAuto, "verified"), recordedAs(2, "1.2.0", CauseAuto, "rejected"),
			recordedAs(3, "1.0.0", CauseRollback, "verified")},
		"prod": {recordedAs(1, "1.0.0", CauseApproved, "verified")},
	}
	for i := range w.facts.Stages {
		s := &w.facts.Stages[i]
		all := records[s.Name]
		rebuilt, _, _ := s.Rebuild(Remains{Source: all[len(all)-1].Candidate, Records: all}, w.now)
		*s = rebuilt
		s.Releases[0].ID, s.Releases[0].At = s.Delivery.ID, w.now
	}
	w.run(time.Hour)
	if got, want := w.has(), "dev 1.2.0, staging 1.0.0, prod 1.0.0"; got != want {
		t.Errorf("the stages have %s, want %s\n%s", got, want, w.log.String())
	}
}
