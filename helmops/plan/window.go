package plan

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/window"
)

// Windows are the times in which a release may be brought to something new. The zero value has none: it always may.
type Windows struct {
	window.Calendar
	// Override is set when a user asked, with a reason, for one attempt in spite of windows that let users do so.
	Override bool
	// InstallLasts and UpgradeLasts are how long an install and an upgrade may take.
	InstallLasts, UpgradeLasts time.Duration
}

// Held is what a closed window holds.
type Held struct {
	// Chart that is wanted.
	Chart v1beta1.ChartRevision
	// Message says what is held, until when, and by which window.
	Message string
	// Until is when a window opens; zero when none is known to open.
	Until time.Time
}

// windowed holds what brings a release to something new until a window opens: an install, an upgrade, and the uninstall
// that makes room for one.
func windowed(d Desired, o Observed, now time.Time, p Plan) Plan {
	if d.Deleting || !o.bringsNew(p) {
		return p
	}

	lasts := d.Windows.InstallLasts
	if p.Step == Upgrade {
		lasts = d.Windows.UpgradeLasts
	}

	state := d.Windows.At(now, lasts)
	if state.Open || d.Windows.Override && state.Manual {
		return p
	}

	what := fmt.Sprintf("%s %s %s", change[p.Step], d.Chart.Name, d.Chart.Version)
	if p.Reason == ReasonMoved {
		what = "the move of the release"
	}

	message := window.Describe(what, state, lasts)
	if d.Windows.Override {
		message += "; the request to override is not followed, because not all of the windows that hold it say " +
			"manual: true"
	}

	return held(d, o, now, p, Held{Chart: d.Chart, Message: message, Until: state.Opens})
}

// bringsNew reports whether a plan is about a change of the release because of something new. The install that follows
// the uninstall of what ran is the rest of a change that has begun, or brings back what another client removed.
func (o Observed) bringsNew(p Plan) bool {
	switch p.Step {
	case Upgrade:
		return true
	case Install:
		return o.Attempt.Action == "" || o.Attempt.Failures > 0
	case Uninstall:
		return p.Reason == ReasonRenamed || p.Reason == ReasonMoved
	default:
		return false
	}
}

// held waits instead of a plan until a window opens. A release of which the newest revision is good has nothing to do
// until then, and stays what it is.
func held(d Desired, o Observed, now time.Time, p Plan, h Held) Plan {
	out := Plan{
		Step: Wait, Target: p.Target, Reason: v1beta1.SyncWindowClosedReason, Message: h.Message, Held: &h,
	}
	out.After = pauseUntil(h.Until, now)

	newest := o.History.Newest()
	failed := o.Attempt.of(d) && o.Attempt.Failures > 0
	if newest != nil && newest.Status == StatusDeployed && !newest.broken(d) && !failed {
		out.Step = None
		out.Note = h.Message
	}

	return out
}

// undoing holds a rollback, and the uninstall that undoes an install, while a window holds repairs.
func undoing(d Desired, o Observed, now time.Time, p Plan) Plan {
	var what string
	switch {
	case p.Step == Rollback:
		what = fmt.Sprintf("the rollback to revision %d", p.To)
	case p.Step == Uninstall && p.Reason == ReasonRemediation:
		what = "the uninstall of the release that failed"
	default:
		return p
	}

	state, holds := d.Windows.holdRepairs(now)
	if !holds {
		return p
	}

	return held(d, o, now, p, Held{Chart: d.Chart, Message: window.Describe(what, state, 0), Until: state.Opens})
}

// holdRepairs reports whether repairs and rollbacks wait, with the state of the windows.
func (w Windows) holdRepairs(now time.Time) (window.State, bool) {
	state := w.At(now, 0)
	isOverridden := w.Override && state.Manual
	return state, !state.Open && state.HoldsRepairs && !isOverridden
}

// pauseUntil is the pause until a time; zero when that is not known.
func pauseUntil(at, now time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	return max(time.Second, at.Sub(now))
}

// sooner is the shorter of two pauses, of which zero is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
