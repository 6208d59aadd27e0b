package promotion

import (
	"fmt"
	"slices"
	"time"
)

// Result of a gate.
type Result string

// Results of gates.
const (
	Pass Result = "Pass"
	Wait Result = "Wait"
	Fail Result = "Fail"
)

// Names of gates.
const (
	GateUpstream    = "upstream"
	GateRejected    = "rejected"
	GateRange       = "range"
	GatePrereleases = "prereleases"
	GateDowngrade   = "downgrade"
	GateBump        = "bump"
	GateSoak        = "soak"
	GateMinAge      = "minAge"
	GateWindows     = "windows"
	GateFreeze      = "freeze"
	GateApproval    = "approval"
)

// Gate is what one gate says of one candidate in one stage.
type Gate struct {
	// Name of the gate.
	Name string
	// Result of it.
	Result Result
	// Message says why.
	Message string
	// Until is when the gate may say something else without an event; zero when only an event helps.
	Until time.Time
}

func pass(format string, args ...any) Gate {
	return Gate{Result: Pass, Message: fmt.Sprintf(format, args...)}
}
func fail(format string, args ...any) Gate {
	return Gate{Result: Fail, Message: fmt.Sprintf(format, args...)}
}

func wait(until time.Time, format string, args ...any) Gate {
	return Gate{Result: Wait, Until: until, Message: fmt.Sprintf(format, args...)}
}

// question is one candidate for one stage.
type question struct {
	facts     *Facts
	stage     *Stage
	candidate Candidate
	now       time.Time
	// request is that of a user, which can bypass gates; nil for none.
	request *Request
}

// gates in the order in which they are shown. Each answers for itself.
var gates = []struct {
	name string
	ask  func(question) Gate
}{
	{GateUpstream, upstream},
	{GateRejected, rejected},
	{GateRange, inRange},
	{GatePrereleases, prereleases},
	{GateDowngrade, downgrade},
	{GateBump, bump},
	{GateSoak, soak},
	{GateMinAge, minAge},
	{GateWindows, windows},
	{GateFreeze, freeze},
	{GateSignature, signature},
	{GateApproval, approvals},
	{GateAttestations, attestations},
}

func (q question) ask() []Gate {
	answer := intake(q)
	answer.Name = GateIntake
	others := q.bypassed(append(q.askGates(), answer))
	return q.bypassed(q.askChecks(others))
}

func (q question) askGates() []Gate {
	answers := make([]Gate, 0, len(gates))
	for _, g := range gates {
		answer := g.ask(q)
		answer.Name = g.name
		answers = append(answers, answer)
	}
	return answers
}

// worst is Fail when a gate fails, else Wait when one waits, else Pass.
func worst(answers []Gate) Result {
	result := Pass
	for _, a := range answers {
		if a.Result == Fail {
			return Fail
		}
		if a.Result == Wait {
			result = Wait
		}
	}

	return result
}

// soonest is the first time at which a gate that does not fail may say something else.
func soonest(answers []Gate) time.Time {
	var next time.Time
	for _, a := range answers {
		if a.Result != Fail {
			next = earlier(next, a.Until)
		}
	}
	return next
}

// earlier is the earlier of two times; a zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// upstream wants the candidate to be verified in all, or any, of the stages before.
func upstream(q question) Gate {
	if name, why := q.facts.revoked(q.stage, q.candidate); name != "" {
		return fail("stage %s rejected it: %s", name, why)
	}
	if len(q.stage.From) == 0 {
		return pass("it comes from the subject")
	}

	var verified, missing []string
	for _, name := range q.stage.From {
		if s := q.facts.stage(name); s != nil && s.stands(q.candidate.ID) {
			verified = append(verified, name)
		} else {
			missing = append(missing, name)
		}
	}

	switch {
	case len(missing) == 0, q.stage.FromPolicy == Any && len(verified) > 0:
		return pass("verified in %s", list(verified))
	case q.stage.FromPolicy == Any:
		return wait(time.Time{}, "not verified in any of %s", list(missing))
	default:
		return wait(time.Time{}, "not verified in %s", list(missing))
	}
}

// revoked names a stage before this one, near or far, that rejected a candidate. With Any, all ways to the candidate
// have to be closed.
func (f *Facts) revoked(s *Stage, c Candidate) (stage, why string) {
	open := false
	for _, name := range s.From {
		from := f.stage(name)
		if from == nil {
			continue
		}

		at := name
		reason := from.rejection(c)
		if reason == "" {
			at, reason = f.revoked(from, c)
		}

		switch {
		case reason == "":
			open = true
		case stage == "":
			stage = at
			why = reason
		}
	}

	if s.FromPolicy == Any && open {
		return "", ""
	}

	return stage, why
}

func rejected(q question) Gate {
	if why := q.stage.rejection(q.candidate); why != "" {
		return fail("%s", why)
	}
	return pass("not rejected here")
}

func downgrade(q question) Gate {
	d := q.stage.Delivery
	if d == nil || !q.candidate.lower(d.Candidate) {
		return pass("not lower than what is there")
	}
	if q.stage.Gates.Downgrade {
		return pass("lower than %s, which gates.downgrade allows", d.Version)
	}
	return fail("lower than %s, which is there; pin it to go back", d.Version)
}

// soak wants the candidate to be verified for a time without a break in the stages before.
func soak(q question) Gate {
	want := q.stage.Gates.Soak
	if want == 0 || len(q.stage.From) == 0 {
		return pass("no soak time")
	}

	answers := make([]Gate, 0, len(q.stage.From))
	for _, name := range q.stage.From {
		answers = append(answers, soaked(q, name, want))
	}

	better := func(a, b Gate) int { return order(a) - order(b) }
	if q.stage.FromPolicy == Any {
		return best(answers)
	}

	return slices.MaxFunc(answers, better)
}

// order puts a gate that passes before one that waits for a time, and that before one that waits for an event.
func order(g Gate) int {
	switch {
	case g.Result == Pass:
		return 0
	case !g.Until.IsZero():
		return 1
	default:
		return 2
	}
}

// best is a gate that passes, else the one that may pass first.
func best(answers []Gate) Gate {
	return slices.MinFunc(answers, func(a, b Gate) int {
		if order(a) == 1 && order(b) == 1 {
			return a.Until.Compare(b.Until)
		}
		return order(a) - order(b)
	})
}

func soaked(q question, stage string, want time.Duration) Gate {
	from := q.facts.stage(stage)
	if from == nil || from.verification(q.candidate.ID) == nil {
		return wait(time.Time{}, "not verified in %s, so its soak time has not begun", stage)
	}

	v := from.verification(q.candidate.ID)
	switch {
	case v.Longest >= want:
		return pass("verified for %s in %s", v.Longest, stage)
	case v.Since.IsZero():
		return wait(time.Time{}, "verified for %s of %s in %s, and not verified there now", v.Longest, want, stage)
	case q.now.Sub(v.Since) >= want:
		return pass("verified in %s since %s", stage, stamp(v.Since))
	}

	end := v.Since.Add(want)
	return wait(end, "it has to stay verified in %s until %s", stage, stamp(end))
}

func minAge(q question) Gate {
	want := q.stage.Gates.MinAge
	end := q.candidate.FirstSeen.Add(want)
	switch {
	case want == 0:
		return pass("no minimum age")
	case q.now.Before(end):
		return wait(end, "first seen at %s; it is old enough at %s", stamp(q.candidate.FirstSeen), stamp(end))
	}
	return pass("first seen at %s", stamp(q.candidate.FirstSeen))
}

// freeze waits for the end of all freezes that apply.
func freeze(q question) Gate {
	var next time.Time
	for _, f := range q.facts.Freezes {
		switch {
		case !f.Until.IsZero() && !q.now.Before(f.Until):
		case q.now.Before(f.From):
			next = earlier(next, f.From)
		case f.Until.IsZero():
			return wait(time.Time{}, "ReleaseFreeze %s: %s; it ends when it is deleted", f.Name, f.Reason)
		default:
			return wait(f.Until, "ReleaseFreeze %s until %s: %s", f.Name, stamp(f.Until), f.Reason)
		}
	}

	if !next.IsZero() {
		return pass("the next freeze begins at %s", stamp(next))
	}

	return pass("no freeze")
}
