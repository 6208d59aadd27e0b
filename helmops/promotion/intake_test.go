package promotion

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/helmops/window"
)

// hourly publishes a version at the begin of each hour.
func hourly(w *world, hours int) {
	for i := range hours {
		w.publish(fmt.Sprintf("1.%d.0", i))
		w.run(time.Hour)
	}
}

// soaking is dev, staging and prod, where prod wants a day of soak.
func soaking(change ...func(*Stage)) []Stage {
	return line(append(change, func(s *Stage) {
		if s.Name == "prod" {
			s.Gates.Soak = 24 * time.Hour
		}
	})...)
}

func serial(s *Stage) {
	if s.Name == "staging" {
		s.Intake = IntakeSerial
	}
}

// Builds of every hour never reach a stage that soaks for a day. With Serial the one that soaks is kept until the stage
// has it, and then the newest follows.
func TestStarvation(t *testing.T) {
	t.Parallel()
	newest := newWorld(t, soaking()...)
	hourly(newest, 30)
	if got := newest.has(); got != "dev 1.29.0, staging 1.29.0, prod -" {
		t.Errorf("newest: %s", got)
	}
	kept := newWorld(t, soaking(serial)...)
	hourly(kept, 30)
	// 1.0.0 was verified in staging after 4 minutes, so prod has it after a day.
	if got := kept.has(); got != "dev 1.29.0, staging 1.24.0, prod 1.0.0" {
		t.Errorf("serial: %s\n%s", got, tail(kept.log.String()))
	}
	d := Decide(kept.facts, kept.now)[1]
	g := gateOf(d.Gates, GateIntake)
	if g.Result != Wait || g.Until.IsZero() ||
		!strings.Contains(g.Message, "prod waits for 1.24.0: soak: it has to stay") {
		t.Errorf("the gate is %+v", g)
	}
}

// A stage with Serial keeps a candidate while only time and approvals are in the way of a later stage.
func TestSerial(t *testing.T) {
	t.Parallel()
	prod := func(change func(*Stage)) func(*world) { return func(w *world) { change(w.stage("prod")) } }
	for _, tt := range []struct {
		name   string
		change func(*world)
		want   string // what staging has after 1.1.0 was published
	}{
		{"soak", func(*world) {}, "1.0.0"},
		{"approval", prod(func(s *Stage) { s.Gates.Soak, s.Promote = 0, Manual }), "1.0.0"},
		{"a minimum age", prod(func(s *Stage) { s.Gates.Soak, s.Gates.MinAge = 0, 48*time.Hour }), "1.0.0"},
		{"a window", prod(func(s *Stage) {
			s.Gates = Gates{Windows: []window.Window{{Cron: "0 3 * * *", Duration: time.Hour}}}
		}), "1.0.0"},
		{"a freeze", func(w *world) {
			w.stage("prod").Gates.Soak = 0
			w.facts.Freezes = []Freeze{{Name: "sale", From: start.Add(30 * time.Minute)}}
		}, "1.0.0"},
		{"prod does not take it", prod(func(s *Stage) { s.Gates.Range = ">=1.1.0" }), "1.1.0"},
		{"a user rejects it for prod", prod(func(s *Stage) { s.Refused = []string{"1.0.0"} }), "1.1.0"},
		{"a user rejects it here", func(w *world) { w.stage("staging").Refused = []string{"1.0.0"} }, "1.1.0"},
		{"prod is held", prod(func(s *Stage) { s.Hold = "migration" }), "1.1.0"},
		{"a failure holds prod", prod(func(s *Stage) { s.HeldBy = "0.9.0 was rejected" }), "1.1.0"},
		{"prod is pinned", prod(func(s *Stage) { s.Pin = "0.9.0" }), "1.1.0"},
		{"prod gets candidates from another stage, too", func(w *world) {
			w.stage("prod").From = []string{"staging", "load"}
		}, "1.1.0"},
		{"a check is in the way", prod(func(s *Stage) {
			s.Gates.Checks = []Check{{Name: "never", Predicate: always(false)}}
		}), "1.1.0"},
		{"a check passes", prod(func(s *Stage) {
			s.Gates.Checks = []Check{{Name: "ever", Predicate: always(true)}}
		}), "1.0.0"},
		{"staging is no longer good", func(w *world) { w.stage("staging").Releases[0].ID = Identity{} }, "1.1.0"},
		{"the candidate left the list", func(w *world) { w.facts.Candidates = nil }, "1.1.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, soaking(serial)...)
			w.publish("1.0.0")
			w.run(10 * time.Minute)
			if got := w.has(); got != "dev 1.0.0, staging 1.0.0, prod -" {
				t.Fatal(got)
			}
			w.now = w.now.Add(time.Hour)
			tt.change(w)
			w.publish("1.1.0")
			w.run(10 * time.Minute)
			if d := w.stage("staging").Delivery; d.Version != tt.want {
				t.Errorf("staging has %s, want %s:\n%s", d.Version, tt.want, tail(w.log.String()))
			}
		})
	}
}

// always is a predicate with one answer.
type always bool

func (a always) Holds(map[string]any) (bool, error) { return bool(a), nil }
func (a always) Timed() bool                        { return false }

// The controller warns of every third candidate that is displaced while a later stage only waits for it, until that
// stage gets one.
func TestDisplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, soaking()...)
	var warned []string
	w.check = func(_ Facts, d Decision) {
		if d.Starves != "" {
			warned = append(warned, d.Stage+" "+d.Candidate.Version)
		}
		if d.Starves != "" && !strings.Contains(d.Starves, "while prod only waited for them") {
			t.Errorf("it warns: %s", d.Starves)
		}
	}
	hourly(w, 8)
	if got := strings.Join(warned, ", "); got != "staging 1.3.0, staging 1.6.0" {
		t.Errorf("it warned at %s", got)
	}
	if n := w.stage("staging").Displaced; n != 7 {
		t.Errorf("%d candidates were displaced", n)
	}
	w.run(25 * time.Hour)
	if n := w.stage("staging").Displaced; n != 0 || w.has() != "dev 1.7.0, staging 1.7.0, prod 1.7.0" {
		t.Errorf("%d candidates, and %s", n, w.has())
	}
	// What passes at the same time is not displaced: prod takes it in the same decision.
	warned = nil
	w.stage("prod").Gates.Soak = 0
	for i := range 5 {
		w.publish(fmt.Sprintf("2.%d.0", i))
		w.run(time.Hour)
	}
	if len(warned) > 0 || w.stage("staging").Displaced != 0 {
		t.Errorf("it warned at %v", warned)
	}
}
