package promotion

import (
	"fairlead.dev/fairlead/helmops/window"
)

// windows wants now to be in no window of Deny, and in one of Allow if there is any.
func windows(q question) Gate {
	if len(q.stage.Gates.Windows) == 0 {
		return pass("no windows")
	}

	calendar, err := window.NewCalendar(q.stage.Gates.Windows)
	if err != nil {
		return fail("gates.%s", err)
	}

	state := calendar.At(q.now, 0)
	switch {
	case state.Open:
		return pass("in a window")
	case state.By.Deny:
		return wait(state.Ends, "in the window %q, in which nothing is promoted, until %s", state.By.Cron,
			stamp(state.Ends))
	case state.Opens.IsZero():
		return fail("no window ever opens")
	default:
		return wait(state.Opens, "the next window opens at %s", stamp(state.Opens))
	}
}
