package promotion

import (
	"testing"
	"time"

	"fairlead.dev/fairlead/helmops/window"
)

// A clock that is behind the one that wrote the status opens no gate too early.
func TestClocksThatDiffer(t *testing.T) {
	t.Parallel()
	ahead := start.Add(30 * time.Minute)
	c := Candidate{Version: "1.2.0", ID: chart("sha256:2"), FirstSeen: ahead}
	dev := Stage{Name: "dev", Verified: []Verification{{Candidate: c, At: ahead, Since: ahead}}}
	prod := Stage{Name: "prod", From: []string{"dev"}, Gates: Gates{MinAge: time.Hour, Soak: time.Hour}}
	f := &Facts{Candidates: []Candidate{c}, Stages: []Stage{dev, prod}}
	opens := ahead.Add(time.Hour)
	for _, name := range []string{GateMinAge, GateSoak} {
		for _, now := range []time.Time{start, ahead, opens.Add(-time.Second)} {
			got := gateOf(question{facts: f, stage: &f.Stages[1], candidate: c, now: now}.ask(), name)
			if got.Result != Wait || !got.Until.Equal(opens) {
				t.Errorf("%s at %s: %s until %s, want %s until %s", name, now, got.Result, got.Until, Wait, opens)
			}
		}
		got := gateOf(question{facts: f, stage: &f.Stages[1], candidate: c, now: opens}.ask(), name)
		if got.Result != Pass {
			t.Errorf("%s at %s: %s: %s", name, opens, got.Result, got.Message)
		}
	}
}

// A break in a soak time that ends before it began, by the clock, adds nothing to the soak time.
func TestAClockThatGoesBack(t *testing.T) {
	t.Parallel()
	c := Candidate{Version: "1.2.0", ID: chart("sha256:2")}
	s := Stage{Name: "dev", Delivery: &Delivery{Candidate: c, At: start, Verified: true},
		Verified: []Verification{{Candidate: c, At: start, Since: start, Longest: time.Minute}},
		Releases: []Release{{Name: "apps/web", Current: true, Message: "baking"}}}
	got := s.tracked(start.Add(-time.Hour))
	if len(got) != 1 || got[0].Longest != time.Minute || !got[0].Since.IsZero() {
		t.Errorf("tracked %+v", got)
	}
}

// The hour that the end of summer time repeats opens a window, and the next day opens it again at its own hour.
func TestAnHourThatComesTwice(t *testing.T) {
	t.Parallel()
	w := window.Window{Cron: "30 2 * * *", Duration: 30 * time.Minute, TimeZone: "Europe/Berlin"}
	s := &Stage{Name: "prod", Gates: Gates{Windows: []window.Window{w}}}
	first := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC) // 2:30 in summer time
	for _, tt := range []struct {
		now   time.Time
		want  Result
		until time.Time
	}{
		{first.Add(-time.Second), Wait, first},
		{first, Pass, time.Time{}},
		{first.Add(3 * time.Hour), Wait, time.Date(2026, 10, 26, 1, 30, 0, 0, time.UTC)},
	} {
		got := windows(question{facts: &Facts{}, stage: s, now: tt.now})
		if got.Result != tt.want || !got.Until.Equal(tt.until) {
			t.Errorf("at %s: %s until %s, want %s until %s", tt.now, got.Result, got.Until, tt.want, tt.until)
		}
	}
}
