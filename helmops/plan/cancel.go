package plan

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Cancelled is a step that a user cancelled.
type Cancelled struct {
	// Action that was cancelled, and the Input and settings that were wanted.
	Action   Step
	Input    Input
	Settings string
	// Pin is the revision that a rollback was to go back to at the request of a user; 0 for anything else.
	Pin int
	// At is when it ended, and Why the reason of the user; empty when none was given.
	At  time.Time
	Why string
}

// CancelledOf reads status.cancelled; nil for none.
func CancelledOf(s *v1beta1.HelmReleaseStatus) *Cancelled {
	c := s.Cancelled
	if c == nil {
		return nil
	}
	return &Cancelled{
		Action: Step(c.Action), Input: Input{Chart: c.ChartDigest, Config: c.ConfigDigest, Render: c.RenderDigest},
		Settings: c.SettingsDigest, Pin: int(c.Revision), At: c.At.Time, Why: c.Reason,
	}
}

// CancelledUntil says what makes the controller try an input again after a user cancelled a step.
const CancelledUntil = "the controller leaves the release as it is until the chart, the values or a timeout, wait, " +
	"test, health or remediation setting changes, or you reset it or ask for a rollback"

// endsOnRequest reports whether a user can end the action while it is running. An uninstall follows from a deletion,
// which nothing takes back; other steps are short.
func (s Step) endsOnRequest() bool {
	switch s {
	case Install, Upgrade, Rollback, Test:
		return true
	default:
		return false
	}
}

// cancelled leaves a release as it is after a user has cancelled a step: there is no retry and no rollback of the same
// input, unless the user asks for one.
func cancelled(d Desired, o Observed, _ time.Time) (Plan, bool) {
	c := o.Cancelled
	if c == nil || d.Force || c.Input != d.Input() || c.Settings != d.SettingsDigest || c.Pin != d.pinned() {
		return Plan{}, false
	}

	newest := o.History.Newest()
	runs := !o.absent() && newest.made(d) && !newest.broken(d)
	if untested := c.Action == Test && d.Tests.Of(newest) == Untested; runs && !untested {
		return Plan{}, false // another Helm client has made what is wanted, or failed tests do not matter
	}

	message := fmt.Sprintf("a user cancelled the %s on %s", c.Action, c.At.UTC().Format(time.RFC3339))
	if c.Why != "" {
		message += " (" + c.Why + ")"
	}

	return Plan{
		Step: Wait, Reason: v1beta1.CancelledReason, Stalled: true, Message: message + "; " + CancelledUntil,
	}, true
}

// pinned is the revision that a user wants to stay at, 0 for none.
func (d Desired) pinned() int {
	if d.Pin == nil {
		return 0
	}
	return d.Pin.Revision
}
