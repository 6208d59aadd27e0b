package plan

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/window"
)

// Freeze keeps Kustomizations from applying a new revision of their source for a time.
type Freeze struct {
	// From is when it begins, zero when it has begun; Until when it ends, zero when only an event ends it.
	From, Until time.Time
	// Message names it.
	Message string
}

// Held is what a window or a freeze keeps from being applied. The zero value is nothing.
type Held struct {
	// Reason is v1beta1.HeldByWindow or v1beta1.HeldByFreeze.
	Reason string
	// Revision of the source that is not applied.
	Revision string
	// Message says what is held, until when, and by what.
	Message string
	// Until is when that ends; zero when only an event ends it.
	Until time.Time
}

// holds says what keeps the inputs from being applied. What was applied already is never held, and a freeze holds only
// a revision of the source that was not tried yet.
func (d Desired) holds(o Observed, now time.Time) Held {
	if d.deleting() || o.Inputs == nil || o.Inputs.Obstacle != nil || o.Inputs.Digest == o.Attempt.Applied {
		return Held{}
	}

	if held := d.windowHolds(o, now); held != (Held{}) {
		return held
	}
	if o.Attempt.Applied == "" || o.Inputs.Revision == o.Attempt.Revision || o.Inputs.Digest == o.Attempt.Digest {
		return Held{}
	}

	for _, f := range d.Freezes {
		isOver := !f.Until.IsZero() && !now.Before(f.Until)
		if now.Before(f.From) || isOver {
			continue
		}

		return Held{
			Reason: v1beta1.HeldByFreeze, Revision: o.Inputs.Revision, Until: f.Until,
			Message: fmt.Sprintf("%s is held: %s", o.Inputs.Revision, f.Message),
		}
	}

	return Held{}
}

// windowHolds says which window keeps the inputs from being applied.
func (d Desired) windowHolds(o Observed, now time.Time) Held {
	state := d.Windows.At(now, d.Timeout)
	if state.Open || d.Override && state.Manual {
		return Held{}
	}

	what := o.Inputs.Revision
	if o.Inputs.Revision == o.Attempt.Revision {
		what += ", with other settings,"
	}

	message := window.Describe(what, state, d.Timeout)
	if d.Override {
		message += "; the request to override is not followed, because not all of the windows that hold it say " +
			"manual: true"
	}

	return Held{
		Reason: v1beta1.HeldByWindow, Revision: o.Inputs.Revision, Message: message, Until: state.Opens,
	}
}

// former replaces inputs that are held by those with the artifact that was applied last, where that is what runs: the
// objects are repaired with it. A freeze does not hold a change of the settings, a window does.
func (d Desired) former(o Observed, now time.Time) (Held, Observed) {
	held := d.holds(o, now)
	if held == (Held{}) || o.Inputs.Former == "" {
		return Held{}, o
	}

	runs := o.Attempt.Digest == o.Attempt.Applied
	switch {
	case held.Reason == v1beta1.HeldByWindow && (!runs || o.Inputs.Former != o.Attempt.Applied):
		return Held{}, o
	case held.Reason == v1beta1.HeldByFreeze && !runs && o.Attempt.Digest != o.Inputs.Former:
		return Held{}, o
	}

	o.Inputs = &Inputs{Digest: o.Inputs.Former, Revision: o.Attempt.Revision}
	return held, o
}

// heldBack applies nothing while the inputs are held and what runs cannot be applied again. The objects are looked at
// meanwhile.
func heldBack(d Desired, o Observed, now time.Time) (Plan, bool) {
	held := d.holds(o, now)
	if held == (Held{}) {
		return Plan{}, false
	}

	p := Plan{Step: Wait, After: held.pause(now)}
	if o.Attempt.Applied != "" && o.Attempt.Failures == 0 {
		p = d.look(o, now)
		p.After = soonest(p.After, held.pause(now))
		p.Note = held.Message
	}

	p.Reason = ReasonHeld
	p.Message = held.Message
	p.Held = held
	return p, true
}

// look is the plan of a Kustomization that applies nothing, as its objects are.
func (d Desired) look(o Observed, now time.Time) Plan {
	if p, decided := unobserved(d, o, now); decided {
		return p
	}
	if p, decided := unhealthy(d, o, now); decided {
		return p
	}
	return d.rest(o, now)
}

// repairs holds an attempt with what was applied already while a window holds repairs.
func (d Desired) repairs(o Observed, now time.Time, p Plan) Plan {
	isRepair := p.Step == Apply && p.Reason != ReasonUnclaimed && o.Inputs.Digest == o.Attempt.Applied
	if !isRepair {
		return p
	}

	state := d.Windows.At(now, 0)
	if state.Open || !state.HoldsRepairs || d.Override && state.Manual {
		return p
	}

	instead := d.look(o, now)
	instead.Note = window.Describe("the repair of objects", state, 0)
	instead.After = soonest(instead.After, pauseUntil(state.Opens, now))
	return instead
}

func (h Held) pause(now time.Time) time.Duration { return pauseUntil(h.Until, now) }

// pauseUntil is the pause until a time; zero when that is not known.
func pauseUntil(at, now time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	return max(time.Second, at.Sub(now))
}
