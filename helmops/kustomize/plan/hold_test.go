package plan

import (
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/window"
)

// inWindows has windows around noon, which it is.
func inWindows(t *testing.T, windows ...window.Window) Desired {
	t.Helper()
	calendar, err := window.NewCalendar(windows)
	if err != nil {
		t.Fatal(err)
	}
	d := wanted
	d.Windows = calendar
	return d
}

func TestWhatIsHeld(t *testing.T) {
	t.Parallel()
	noon := window.Window{Deny: true, Cron: "0 12 * * *", Duration: time.Hour}
	manual, repairs, soon := noon, noon, noon
	manual.Manual = true
	repairs.HoldsRepairs = true
	soon.Cron = "3 12 * * *"
	closed := inWindows(t, noon)
	frozen := wanted
	frozen.Freezes = []Freeze{{Until: now.Add(time.Hour), Message: "ReleaseFreeze sale"}}
	thawed := wanted
	thawed.Freezes = []Freeze{{From: now.Add(time.Hour)}, {Until: now}}
	asks := func(d Desired) Desired {
		d.Asked = true
		return d
	}
	overrides := func(d Desired) Desired {
		d.Override = true
		return d
	}
	newRevision := func(former string) func(*Observed) {
		return func(o *Observed) { o.Inputs = &Inputs{Digest: "d2", Revision: "main@2", Former: former} }
	}
	runs := with(tried(time.Hour, 0), newRevision("d1"))
	failedNew := with(runs, func(o *Observed) {
		o.Attempt.Digest = "d2"
		o.Attempt.Failures = 1
	})
	never := with(ready(), newRevision(""))
	for _, tt := range []struct {
		name    string
		d       Desired
		o       Observed
		step    Step
		reason  string
		held    string
		former  bool
		after   time.Duration
		message string
	}{
		{"a new revision, in a window", closed, runs, None, ReasonApplied, v1beta1.HeldByWindow, false, time.Hour,
			`main@2 is held until 2026-03-01T13:00:00Z by Deny window "0 12 * * *" (UTC)`},
		{"a new revision that someone asks for", asks(closed), runs, Apply, ReasonAsked, v1beta1.HeldByWindow, true,
			time.Hour, ""},
		{"drift is repaired as the former revision says", closed, with(runs, differ), Apply, ReasonDrifted,
			v1beta1.HeldByWindow, true, time.Hour, ""},
		{"drift, when the window holds repairs", inWindows(t, repairs), with(runs, differ), None, ReasonApplied,
			v1beta1.HeldByWindow, false, time.Hour, ""},
		{"drift of what is wanted, when the window holds repairs", inWindows(t, repairs), with(tried(0, 0), differ), None,
			ReasonApplied, "", false, time.Hour, ""},
		{"other settings", closed, with(runs, newRevision("d3"), differ), None, ReasonHeld, v1beta1.HeldByWindow, false,
			time.Hour, ""},
		{"a revision whose former archive is not known", closed, with(runs, newRevision("")), None, ReasonHeld,
			v1beta1.HeldByWindow, false, time.Hour, ""},
		{"unhealthy objects are reported all the same", closed, with(runs, newRevision("d3"), sick), None, ReasonHeld,
			v1beta1.HeldByWindow, false, time.Hour, ""},
		{"the repetition of an attempt", closed, failedNew, Wait, ReasonHeld, v1beta1.HeldByWindow, false, time.Hour, ""},
		{"the first attempt", closed, never, Wait, ReasonHeld, v1beta1.HeldByWindow, false, time.Hour, ""},
		{"an attempt that would reach into the window", inWindows(t, soon), runs, None, ReasonApplied,
			v1beta1.HeldByWindow, false, 63 * time.Minute, ""},
		{"an override", overrides(inWindows(t, manual)), runs, Apply, ReasonChanged, "", false, 0, ""},
		{"an override that the window does not allow", overrides(closed), runs, None, ReasonApplied,
			v1beta1.HeldByWindow, false, time.Hour, "the request to override is not followed"},
		{"a new revision, in a freeze", frozen, runs, None, ReasonApplied, v1beta1.HeldByFreeze, false, time.Hour,
			"main@2 is held: ReleaseFreeze sale"},
		{"other settings are not frozen", frozen, with(runs, newRevision("d3")), Apply, ReasonChanged,
			v1beta1.HeldByFreeze, true, time.Hour, ""},
		{"other settings of the revision that runs are not frozen", frozen,
			with(runs, func(o *Observed) { o.Inputs = &Inputs{Digest: "d2", Revision: "main@1"} }), Apply, ReasonChanged, "",
			false, 0, ""},
		{"the repetition of an attempt is not frozen", frozen, failedNew, Apply, ReasonFailed, "", false, 0, ""},
		{"the first attempt is not frozen", frozen, never, Apply, ReasonChanged, "", false, 0, ""},
		{"a freeze without the former archive", frozen, with(runs, newRevision("")), None, ReasonHeld,
			v1beta1.HeldByFreeze, false, time.Hour, ""},
		{"freezes of other times", thawed, runs, Apply, ReasonChanged, "", false, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Decide(tt.d, tt.o, now)
			if got.Step != tt.step || got.Reason != tt.reason || got.Held.Reason != tt.held || got.Former != tt.former {
				t.Errorf("got %+v", got)
			}
			if got.Step != Apply && got.After > tt.after || !strings.Contains(got.Held.Message, tt.message) {
				t.Errorf("after %s, want %s at most; held %q, want %q", got.After, tt.after, got.Held.Message, tt.message)
			}
		})
	}
}
