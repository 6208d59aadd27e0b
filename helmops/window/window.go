package window

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"fairlead.dev/fairlead/api/v1beta1"
)

// parser reads the five fields of cron. A zone in front of them, and words like @daily, are not among them.
var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// Window is a time that comes again.
type Window struct {
	// Deny makes it a time in which nothing may begin; otherwise something may begin in such times only.
	Deny bool
	// Cron says when it begins, in five fields.
	Cron string
	// Duration of it.
	Duration time.Duration
	// TimeZone is the IANA name of the zone that Cron is in, UTC when empty.
	TimeZone string
	// Overrun lets what begins while it may end later.
	Overrun bool
	// Manual lets a person override the window.
	Manual bool
	// HoldsRepairs is set when the window holds repairs and rollbacks, too.
	HoldsRepairs bool
}

// String names the window for people: its cron expression and its zone.
func (w Window) String() string {
	zone := w.TimeZone
	if zone == "" {
		zone = "UTC"
	}

	kind := v1beta1.WindowAllow
	if w.Deny {
		kind = v1beta1.WindowDeny
	}

	return fmt.Sprintf("%s window %q (%s)", kind, w.Cron, zone)
}

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

// OfSync reads the windows of spec.sync; a nil spec has none.
func OfSync(spec *v1beta1.Sync) []Window {
	if spec == nil {
		return nil
	}

	out := make([]Window, 0, len(spec.Windows))
	for _, w := range spec.Windows {
		out = append(out, Window{
			Deny: w.Kind == v1beta1.WindowDeny, Cron: w.Cron, Duration: w.Duration.Duration, TimeZone: w.TimeZone,
			Overrun: w.Overrun, Manual: w.Manual, HoldsRepairs: w.Repairs == v1beta1.RepairsHold,
		})
	}

	return out
}
