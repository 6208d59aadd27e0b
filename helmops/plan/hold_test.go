package plan

import (
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestHoldBack(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	freeze := func(from, until time.Duration) Hold {
		h := Hold{Reason: v1beta1.HeldByFreeze, Message: "the sale", RangeOnly: true}
		if from != 0 {
			h.From = at.Add(from)
		}
		if until != 0 {
			h.Until = at.Add(until)
		}
		return h
	}
	wave := Hold{Reason: v1beta1.HeldByWave, Message: "waits for wave eu"}
	runs := v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:1"}
	wants := v1beta1.ChartRevision{Name: "web", Version: "1.1.0", Digest: "sha256:2"}
	upgrade := UpgradeFacts{Wanted: wants, Present: runs, Released: true, Follows: true}
	for _, tt := range []struct {
		name   string
		change func(*UpgradeFacts)
		holds  []Hold
		want   string
	}{
		{"nothing holds", nil, nil, ""},
		{"a freeze", nil, []Hold{freeze(0, 0)}, "the sale"},
		{"a freeze with an end", nil, []Hold{freeze(-time.Hour, time.Hour)}, "the sale"},
		{"a freeze that begins now", nil, []Hold{freeze(-0, time.Hour)}, "the sale"},
		{"a freeze that has not begun", nil, []Hold{freeze(time.Second, time.Hour)}, ""},
		{"a freeze that ends now", nil, []Hold{{Until: at, Message: "the sale"}}, ""},
		{"a freeze that is over", nil, []Hold{freeze(-time.Hour, -time.Minute)}, ""},
		{"a freeze that is over, and a wave", nil, []Hold{freeze(-time.Hour, -time.Minute), wave}, "waits for wave eu"},
		{"a first install", func(f *UpgradeFacts) { f.Released = false }, []Hold{freeze(0, 0), wave}, ""},
		{"a release of another Helm client", func(f *UpgradeFacts) { f.Present.Digest = "" }, []Hold{freeze(0, 0)}, ""},
		{"the same chart: other values, a retry, a repair", func(f *UpgradeFacts) { f.Wanted = runs },
			[]Hold{freeze(0, 0), wave}, ""},
		{"a chart of another name", func(f *UpgradeFacts) { f.Wanted.Name = "api" }, []Hold{freeze(0, 0)}, ""},
		{"other content of the version", func(f *UpgradeFacts) { f.Wanted.Version = "1.0.0" }, []Hold{freeze(0, 0)},
			"the sale"},
		{"what Git asks for", func(f *UpgradeFacts) { f.Follows = false }, []Hold{freeze(0, 0)}, ""},
		{"what a pipeline delivers", func(f *UpgradeFacts) { f.Follows = false }, []Hold{wave}, "waits for wave eu"},
	} {
		facts := upgrade
		facts.Holds = tt.holds
		if tt.change != nil {
			tt.change(&facts)
		}
		hold, held := HoldBack(facts, at)
		if hold.Message != tt.want || held != (tt.want != "") {
			t.Errorf("%s: %t, %q; want %q", tt.name, held, hold.Message, tt.want)
		}
	}
}
