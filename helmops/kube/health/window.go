package health

import (
	"strings"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

const (
	// StabilizationWindow is how long a release has to be in a state of health before the state is reported, so that a
	// release that flaps does not cause a write for each change. A failure is reported without this delay.
	StabilizationWindow = 3 * time.Second
	// CausesEvery is the pause between two looks for the causes of what is not healthy.
	CausesEvery = 2 * time.Minute
	// UnknownAfter is how long the last known health is kept while the objects cannot be watched.
	UnknownAfter = time.Minute
)

// Window decides when the health of one release is reported, and when its causes are looked for. The zero value has
// observed nothing.
type Window struct {
	observed bool
	// healthy is whether the release does its work, since is the time of the last change of that.
	healthy bool
	since   time.Time
	// objects name what is not healthy and how, changed is the time of the last change of that.
	objects string
	changed time.Time
	// reported is what was reported last, examined when the causes were looked for.
	reported string
	examined time.Time
	// unseen is since when the objects cannot be watched; zero while they can.
	unseen time.Time
}

// Observe takes in the present health. badSince is since when the release is known to be unhealthy from before this
// process started, zero when it is not; it counts for the first observation only.
func (w *Window) Observe(v Verdict, badSince, now time.Time) {
	objects := identify(v.Unhealthy)
	if !w.observed || w.objects != objects {
		w.objects = objects
		w.changed = now
	}

	if !w.observed || w.healthy != v.Healthy() {
		w.healthy, w.since = v.Healthy(), now
		if !w.observed && !w.healthy && !badSince.IsZero() {
			w.since = badSince
		}
	}

	w.observed = true
}

// Since returns when the release became healthy, or unhealthy.
func (w *Window) Since() time.Time { return w.since }

// Delay returns how long to wait before the health is reported; zero is now.
func (w *Window) Delay(failed bool, now time.Time) time.Duration {
	if failed || w.objects == "" && w.reported == "" {
		return 0
	}
	return max(0, StabilizationWindow-now.Sub(w.changed))
}

// Report notes that the observed health is reported now. It returns whether the causes have to be looked for now, and
// when they may have to be again; zero for a healthy release.
func (w *Window) Report(now time.Time) (examine bool, again time.Duration) {
	if w.objects != "" {
		examine = w.reported != w.objects || now.Sub(w.examined) >= CausesEvery
		if examine {
			w.examined = now
		}
		again = max(time.Second, CausesEvery-now.Sub(w.examined))
	}
	w.reported = w.objects
	return examine, again
}

// Unseen notes that the objects cannot be watched now. It returns how long the last known health still counts; zero
// when it does not any more. Seen ends it.
func (w *Window) Unseen(now time.Time) time.Duration {
	if w.unseen.IsZero() {
		w.unseen = now
	}
	return max(0, UnknownAfter-now.Sub(w.unseen))
}

// Seen notes that the objects can be watched.
func (w *Window) Seen() { w.unseen = time.Time{} }

func identify(objects []v1beta1.ObjectHealth) string {
	var text strings.Builder
	for _, o := range objects {
		text.WriteString(o.State + " " + o.Kind + " " + o.Group + " " + o.Namespace + " " + o.Name + "\n")
	}
	return text.String()
}
