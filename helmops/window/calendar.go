package window

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// maxEdges bounds how many ends and beginnings of windows are passed on the way to the next time that is open. Windows
// that are closed beyond it are taken for windows that never open.
const maxEdges = 2000

// Calendar is a set of windows. The zero value has none and is always open.
type Calendar struct{ entries []entry }

type entry struct {
	Window
	schedule *cron.SpecSchedule
}

// NewCalendar reads windows. The error names the first one that cannot be understood, by its index.
func NewCalendar(windows []Window) (Calendar, error) {
	out := Calendar{}
	for i, w := range windows {
		schedule, err := w.schedule()
		if err != nil {
			return Calendar{}, fmt.Errorf("windows[%d]: %w", i, err)
		}
		out.entries = append(out.entries, entry{Window: w, schedule: schedule})
	}
	return out, nil
}

// State is what windows say of a time.
type State struct {
	// Open is set when it is in no window of Deny and, if there is any of Allow, in one of these. The other fields are
	// zero then.
	Open bool
	// Opens is the next time that is open; zero when none is known.
	Opens time.Time
	// By is the window of Deny that ends last, or else the one of Allow that opens next.
	By Window
	// Ends is when By ends, if it is one of Deny.
	Ends time.Time
	// TooShort is set when no window of Allow is as long as what is to begin lasts.
	TooShort bool
	// Manual is set when all windows that keep it closed let a person override them, and HoldsRepairs when one of them
	// holds repairs.
	Manual, HoldsRepairs bool
}

// At says whether something may begin at a time that lasts so long at most. How long that is does not matter to windows
// with Overrun; no other window of Allow ends, and none of Deny begins, before it has ended.
func (c Calendar) At(now time.Time, lasts time.Duration) State {
	s := c.at(now, lasts)
	if s.Open {
		return s
	}

	s.Opens = c.opens(s, lasts)
	return s
}

// opens is the next time that is open, after a state that is not; zero when none is known.
func (c Calendar) opens(closed State, lasts time.Duration) time.Time {
	for range maxEdges {
		edge := closed.edge()
		if edge.IsZero() {
			return time.Time{}
		}

		closed = c.at(edge, lasts)
		if closed.Open {
			return edge
		}
	}

	return time.Time{}
}

// edge is when a window that keeps it closed may not do so any more; zero is never.
func (s State) edge() time.Time {
	if s.By.Deny {
		return s.Ends
	}
	return s.Opens
}

// at is the state with the next edge instead of the next time that is open.
func (c Calendar) at(now time.Time, lasts time.Duration) State {
	denied := State{Manual: true}
	outside := State{Manual: true, TooShort: true}
	allows := false
	allowed := false
	for _, e := range c.entries {
		open, end, begin := e.at(now, lasts)
		switch {
		case e.Deny && open:
			denied.holds(e.Window)
			if end.After(denied.Ends) {
				denied.By = e.Window
				denied.Ends = end
			}
		case e.Deny:
		default:
			allows = true
			allowed = allowed || open
			outside.holds(e.Window)
			if e.fits(lasts) {
				outside.TooShort = false
				outside.opens(e.Window, begin)
			}
		}
	}

	switch {
	case !denied.Ends.IsZero():
		return denied
	case !allows || allowed:
		return State{Open: true}
	default:
		return outside
	}
}

func (s *State) holds(w Window) {
	s.Manual = s.Manual && w.Manual
	s.HoldsRepairs = s.HoldsRepairs || w.HoldsRepairs
}

func (s *State) opens(w Window, begin time.Time) {
	if begin.IsZero() || !s.Opens.IsZero() && !begin.Before(s.Opens) {
		return
	}
	s.By = w
	s.Opens = begin
}

// margin is how long before its end a window of Allow closes, and before its beginning one of Deny holds.
func (w Window) margin(lasts time.Duration) time.Duration {
	if w.Overrun {
		return 0
	}
	return lasts
}

// fits reports whether what lasts so long fits into the window.
func (w Window) fits(lasts time.Duration) bool { return w.margin(lasts) < w.Duration }

// at says whether the window is open for what lasts so long, until when, and when it opens next. A zero time is never.
// Of several windows of one schedule that overlap, the first one decides about the end; the next one is asked then.
func (e entry) at(now time.Time, lasts time.Duration) (open bool, end, begin time.Time) {
	margin := e.margin(lasts)
	begin = e.schedule.Next(now)
	if e.Deny {
		start := e.schedule.Next(now.Add(-e.Duration))
		if !start.IsZero() && !start.After(now.Add(margin)) {
			return true, start.Add(e.Duration), begin
		}
		return false, time.Time{}, begin
	}

	if !e.fits(lasts) {
		return false, time.Time{}, begin
	}

	start := e.schedule.Next(now.Add(margin - e.Duration))
	if !start.IsZero() && !start.After(now) {
		return true, start.Add(e.Duration - margin), begin
	}

	return false, time.Time{}, begin
}
