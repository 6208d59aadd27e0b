package promotion

import (
	"strings"
	"testing"
	"time"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	// prod has 1.1.0, and had 1.0.0; staging has 1.2.0, which prod gets after an hour.
	prod := func(change func(*world)) *world {
		w := newWorld(t, line(func(s *Stage) {
			if s.Name == "prod" {
				s.Gates.Soak = time.Hour
			}
		})...)
		for _, version := range []string{"1.0.0", "1.1.0"} {
			w.publish(version)
			w.run(2 * time.Hour)
		}
		w.publish("1.2.0")
		w.run(10 * time.Minute)
		change(w)
		return w
	}
	none := func(*world) {}
	at := func(change func(*Stage)) func(*world) { return func(w *world) { change(w.stage("prod")) } }
	later := func(w *world) { w.now = w.now.Add(2 * time.Hour) }
	both := func(changes ...func(*world)) func(*world) {
		return func(w *world) {
			for _, change := range changes {
				change(w)
			}
		}
	}
	for _, tt := range []struct {
		name    string
		change  func(*world)
		version string
		want    string
	}{
		{"it has it", none, "1.1.0", "Pass: the stage has it"},
		{"it waits", none, "1.2.0", "Wait: 1.2.0: soak: it has to stay verified in staging until"},
		{"a gate fails", none, "1.0.0", "Fail: 1.0.0: downgrade: lower than 1.1.0"},
		{"it passes", later, "1.2.0", "Pass: it passes all gates, and is promoted next"},
		{"pinned", at(func(s *Stage) { s.Pin = "1.1.0" }), "1.2.0", "Fail: the stage is pinned to 1.1.0"},
		{"held", both(later, at(func(s *Stage) { s.Hold = "migration" })), "1.2.0", "Wait: held: migration"},
		{"suspended", both(later, func(w *world) { w.facts.Suspended = true }), "1.2.0", "Wait: spec.suspend is set"},
		{"judged", both(later, at(func(s *Stage) { s.Delivery.Verified, s.Releases[0].ID = false, Identity{} })), "1.2.0",
			"Wait: 1 of 1 HelmReleases have not verified it"},
		{"a newer one goes first", func(w *world) {
			w.stage("prod").Hold = "migration"
			w.run(2 * time.Hour)
			w.publish("1.3.0")
			w.run(2 * time.Hour)
			w.stage("prod").Hold = ""
		}, "1.2.0", "Fail: 1.3.0 is promoted before it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := prod(tt.change)
			c := Candidate{Version: tt.version, ID: chart(digestOf(tt.version))}
			e, known := Explain(w.facts, "prod", c, w.now)
			if got := string(e.Result) + ": " + e.Message; !known || !strings.HasPrefix(got, tt.want) ||
				len(e.Gates) != len(gates)+1 {
				t.Errorf("%s (%d gates), want %s", got, len(e.Gates), tt.want)
			}
			if _, known := Explain(w.facts, "qa", c, w.now); known {
				t.Error("an unknown stage is known")
			}
		})
	}
}
