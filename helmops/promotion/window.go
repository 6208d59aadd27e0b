package promotion

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// parser reads the five fields of cron. A zone in front of them, and words like @daily, are not among them.
var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// Check says what is wrong with a window; nil for nothing.
func (w Window) Check() error {
	_, err := w.schedule()
	return err
}

func (w Window) schedule() (*cron.SpecSchedule, error) {
	zone, err := time.LoadLocation(w.TimeZone)
	if err != nil || w.TimeZone == "Local" {
		return nil, fmt.Errorf("time zone %q is not known", w.TimeZone)
	}
	if strings.Contains(w.Cron, "=") || len(strings.Fields(w.Cron)) != 5 {
		return nil, fmt.Errorf("%q is not a cron expression of five fields", w.Cron)
	}

	parsed, err := parser.Parse(w.Cron)
	if err != nil {
		return nil, fmt.Errorf("%q is not a cron expression: %w", w.Cron, err)
	}

	schedule, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("%q is not a cron expression of five fields", w.Cron)
	}

	schedule.Location = zone
	return schedule, nil
}

// at says whether the window is open, until when, and when it opens next. A zero time is never.
func (w Window) at(now time.Time) (open bool, end, begin time.Time, err error) {
	schedule, err := w.schedule()
	if err != nil {
		return false, time.Time{}, time.Time{}, err
	}
	// Of several windows that overlap, the first one decides about the end. The next one is asked then.
	if start := schedule.Next(now.Add(-w.Duration)); !start.IsZero() && !start.After(now) {
		open, end = true, start.Add(w.Duration)
	}
	return open, end, schedule.Next(now), nil
}

// windows wants now to be in no window of Deny, and in one of Allow if there is any.
func windows(q question) Gate {
	if len(q.stage.Gates.Windows) == 0 {
		return pass("no windows")
	}

	allows := false
	allowed := false
	var denied *Gate
	var opens time.Time
	for _, w := range q.stage.Gates.Windows {
		open, end, begin, err := w.at(q.now)
		switch {
		case err != nil:
			return fail("gates.windows: %s", err)
		case w.Deny && open && (denied == nil || end.After(denied.Until)):
			g := wait(end, "in the window %q, in which nothing is promoted, until %s", w.Cron, stamp(end))
			denied = &g
		case !w.Deny:
			allows = true
			allowed = allowed || open
			opens = earlier(opens, begin)
		}
	}

	switch {
	case denied != nil:
		return *denied
	case !allows || allowed:
		return pass("in a window")
	case opens.IsZero():
		return fail("no window ever opens")
	}

	return wait(opens, "the next window opens at %s", stamp(opens))
}
