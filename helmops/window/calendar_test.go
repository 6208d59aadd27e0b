package window

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

var (
	office  = Window{Cron: "0 10 * * 1-5", Duration: 8 * time.Hour, TimeZone: "Europe/Berlin"}
	lunch   = Window{Deny: true, Cron: "0 12 * * *", Duration: time.Hour, TimeZone: "Europe/Berlin"}
	morning = Window{Deny: true, Cron: "0 9 * * *", Duration: 2 * time.Hour, TimeZone: "Europe/Berlin"}
	half    = Window{Cron: "30 2 * * *", Duration: 30 * time.Minute, TimeZone: "Europe/Berlin"}
	never   = Window{Cron: "0 0 30 2 *", Duration: time.Hour}
	always  = Window{Deny: true, Cron: "0 0 * * *", Duration: 24 * time.Hour}
)

func overruns(w Window) Window {
	w.Overrun = true
	return w
}

// The times are those of Monday, March 2nd 2026, when Berlin is an hour ahead, unless the row says otherwise.
func TestCalendar(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		now     string
		lasts   time.Duration
		windows []Window
		open    bool
		opens   string
		says    string
	}{
		{"no windows", "2026-03-02T03:00:00Z", time.Hour, nil, true, "", ""},
		{"the first moment", "2026-03-02T09:00:00Z", 0, []Window{office}, true, "", ""},
		{"the moment before", "2026-03-02T08:59:59Z", 0, []Window{office}, false, "2026-03-02T09:00:00Z",
			`it is held until 2026-03-02T09:00:00Z by Allow window "0 10 * * 1-5" (Europe/Berlin)`},
		{"the end", "2026-03-02T17:00:00Z", 0, []Window{office}, false, "2026-03-03T09:00:00Z", ""},
		{"just long enough", "2026-03-02T16:54:59Z", 5 * time.Minute, []Window{office}, true, "", ""},
		{"it would reach past the end", "2026-03-02T16:55:00Z", 5 * time.Minute, []Window{office}, false,
			"2026-03-03T09:00:00Z", ""},
		{"it would reach past the end, and may", "2026-03-02T16:59:59Z", 5 * time.Minute, []Window{overruns(office)},
			true, "", ""},
		{"it would reach into a denied time", "2026-03-02T10:56:00Z", 5 * time.Minute, []Window{lunch}, false,
			"2026-03-02T12:00:00Z", `Deny window "0 12 * * *" (Europe/Berlin)`},
		{"it would reach into a denied time, and may", "2026-03-02T10:56:00Z", 5 * time.Minute,
			[]Window{overruns(lunch)}, true, "", ""},
		{"it ends when the denied time begins", "2026-03-02T10:54:59Z", 5 * time.Minute, []Window{lunch}, true, "", ""},
		{"no window is long enough", "2026-03-02T09:00:00Z", 9 * time.Hour, []Window{office}, false, "",
			"no Allow window of spec.sync.windows is longer than its timeout, 9h0m0s"},
		{"the longer one is named", "2026-03-01T09:00:00Z", time.Hour, []Window{half, office}, false,
			"2026-03-02T09:00:00Z", `"0 10 * * 1-5"`},
		{"denied within an allowed one", "2026-03-02T11:30:00Z", 0, []Window{office, lunch}, false,
			"2026-03-02T12:00:00Z", "Deny window"},
		{"it opens only when the denied time is over, too", "2026-03-02T08:30:00Z", 0, []Window{office, morning}, false,
			"2026-03-02T10:00:00Z", `Deny window "0 9 * * *" (Europe/Berlin)`},
		{"allowed later than the denied time ends", "2026-03-02T11:30:00Z", 0,
			[]Window{{Cron: "0 15 * * *", Duration: time.Hour}, lunch}, false, "2026-03-02T15:00:00Z",
			"and the windows after it"},
		{"a day that never comes", "2026-03-02T09:00:00Z", 0, []Window{never}, false, "", "no window of"},
		{"denied for ever", "2026-03-02T09:00:00Z", 0, []Window{always}, false, "", "no window of"},
		{"allowed never, because it is denied then", "2026-03-02T03:00:00Z", 0, []Window{office, always}, false, "",
			"no window of"},
		{"summer time begins: the skipped start opens on the next day", "2026-03-29T00:30:00Z", 0, []Window{half},
			false, "2026-03-30T00:30:00Z", ""},
		{"summer time begins: office hours are those of the clock", "2026-03-30T08:00:00Z", 0, []Window{office}, true,
			"", ""},
		{"winter time begins: the hour that comes twice opens twice", "2026-10-25T01:05:00Z", 0, []Window{half}, false,
			"2026-10-25T01:30:00Z", ""},
		{"winter time begins: after both", "2026-10-25T02:05:00Z", 0, []Window{half}, false, "2026-10-26T01:30:00Z", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := NewCalendar(tt.windows)
			if err != nil {
				t.Fatal(err)
			}
			got := c.At(at(t, tt.now), tt.lasts)
			if got.Open != tt.open || !got.Opens.Equal(at(t, tt.opens)) {
				t.Errorf("open %t, opens %s; want %t, %q", got.Open, got.Opens, tt.open, tt.opens)
			}
			if text := Describe("it", got, tt.lasts); !tt.open && !strings.Contains(text, tt.says) {
				t.Errorf("%q lacks %q", text, tt.says)
			}
			if tt.opens != "" && !c.At(at(t, tt.opens), tt.lasts).Open {
				t.Error("it is not open when it opens")
			}
		})
	}
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	if text == "" {
		return time.Time{}
	}
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// What a person may override and whether repairs wait depends on the windows that hold, not on those that do not.
func TestWindowsThatHold(t *testing.T) {
	t.Parallel()
	manual, repairs := lunch, office
	manual.Manual = true
	repairs.HoldsRepairs = true
	noon := at(t, "2026-03-02T11:30:00Z")
	night := at(t, "2026-03-02T03:00:00Z")
	for _, tt := range []struct {
		name            string
		now             time.Time
		windows         []Window
		manual, repairs bool
	}{
		{"denied by one that may be overridden", noon, []Window{manual, repairs}, true, false},
		{"denied by one that may not", noon, []Window{manual, lunch}, false, false},
		{"outside of one that holds repairs", night, []Window{manual, repairs}, false, true},
		{"outside of one of two that hold repairs", night, []Window{office, repairs}, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := NewCalendar(tt.windows)
			if err != nil {
				t.Fatal(err)
			}
			got := c.At(tt.now, 0)
			if got.Open || got.Manual != tt.manual || got.HoldsRepairs != tt.repairs {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// A window that cannot be understood is named by its index.
func TestBrokenWindows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		broken Window
		says   string
	}{
		{Window{Cron: "0 1 * * *", TimeZone: "Mars/Base"}, `windows[1]: time zone "Mars/Base" is not known`},
		{Window{Cron: "61 1 * * *"}, `windows[1]: "61 1 * * *" is not a cron expression`},
		{Window{Cron: "@daily"}, "windows[1]: "},
	} {
		if _, err := NewCalendar([]Window{office, tt.broken}); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v, want %q", tt.broken, err, tt.says)
		}
	}
}

func TestOfSync(t *testing.T) {
	t.Parallel()
	if got := OfSync(nil); len(got) != 0 {
		t.Errorf("nothing has %v", got)
	}
	got := OfSync(&v1beta1.Sync{Windows: []v1beta1.SyncWindow{{
		Kind: v1beta1.WindowDeny, Cron: lunch.Cron, Duration: metav1.Duration{Duration: time.Hour},
		TimeZone: lunch.TimeZone, Overrun: true, Manual: true, Repairs: v1beta1.RepairsHold,
	}}})
	want := lunch
	want.Overrun, want.Manual, want.HoldsRepairs = true, true, true
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
