package promotion

import (
	"fmt"
	"time"
)

// rule looks at one stage and either decides or passes.
type rule struct {
	name   string
	decide func(situation) (Decision, bool)
}

// situation is one stage among all facts.
type situation struct {
	facts *Facts
	stage *Stage
	now   time.Time
}

// rules in the order they are asked; the first that decides wins.
var rules = []rule{
	{"suspended", suspended},
	{"rejected", rejecting},
	{"verified", verified},
	{"pinned", pinned},
	{"rolledBack", rolledBack},
	{"judged", judged},
	{"requested", requested},
	{"held", heldBack},
	{"promoted", promoted},
	{"idle", idle},
}

// Decide says what happens next in every stage. It is total: with any facts it gives each stage a decision with a
// reason,
// the same for the same facts. A later stage sees what was decided for the earlier ones.
func Decide(f Facts, now time.Time) []Decision {
	stages := make([]Stage, len(f.Stages))
	copy(stages, f.Stages)
	f.Stages = stages
	decisions := make([]Decision, 0, len(stages))
	for i := range stages {
		s := &stages[i]
		tracked := s.tracked(now)
		if !f.Suspended {
			s.Verified = tracked
		}

		d := decideAll(situation{facts: &f, stage: s, now: now})
		d.Verified = s.Verified
		f.displace(s, &d, now)
		f.taken(s, d, decisions)
		decisions = append(decisions, d)
		*s = s.Apply(d, now)
	}

	return decisions
}

// decideAll decides, and answers the requests of the stage.
func decideAll(s situation) Decision {
	d := decide(s)
	if !s.facts.Suspended {
		answers, next, unsigned := s.answers(d)
		d.Answers, d.Next = answers, earlier(d.Next, next)
		d.Unsigned = append(d.Unsigned, unsigned...)
	}
	return d
}

func decide(s situation) Decision {
	for _, r := range rules {
		if d, decided := r.decide(s); decided {
			d.Stage = s.stage.Name
			d.Reason = r.name
			return d
		}
	}
	return Decision{Stage: s.stage.Name, Step: StepNone, Phase: PhaseIdle, Reason: "idle", Message: "nothing to do"}
}

func suspended(s situation) (Decision, bool) {
	return Decision{Step: StepNone, Phase: PhaseSuspended, Message: "spec.suspend is set"}, s.facts.Suspended
}

// rejecting ends a candidate that its releases, a user or the deadline reject, and goes back to what was verified last.
// A rollback is never rolled back.
func rejecting(s situation) (Decision, bool) {
	d := s.stage.Delivery
	if d == nil {
		return Decision{}, false
	}

	v, _ := s.stage.verdictBefore(s.now)
	back := s.stage.last()
	known := s.stage.recorded(d.ID) != "" || s.stage.refusal(d.Candidate) != ""
	if v.Result != Fail || d.Cause == CauseRollback || back == nil && known {
		return Decision{}, false
	}

	out := Decision{
		Step: StepReject, Candidate: &d.Candidate, Back: back, Cause: CauseRollback, Phase: PhaseFailed,
		Message: v.message + s.stage.whatStays(d.Candidate),
	}
	if back != nil {
		out.Phase = PhaseVerifying
	}
	if s.stage.OnFailure == Hold {
		out.Hold = fmt.Sprintf("%s was rejected: %s", d.Title(), v.message)
	}

	return out, true
}

func verified(s situation) (Decision, bool) {
	d := s.stage.Delivery
	if d == nil || d.Verified {
		return Decision{}, false
	}

	v := s.stage.verdict()
	if v.Result != Pass {
		return Decision{}, false
	}

	return Decision{
		Step: StepVerify, Candidate: &d.Candidate, Phase: PhaseVerified, Message: d.Title() + " is " + v.message,
	}, true
}

// pinned delivers what a user named. Of the gates only a freeze counts, and only for what never was here.
func pinned(s situation) (Decision, bool) {
	if s.stage.Pin == "" {
		return Decision{}, false
	}

	out := Decision{Step: StepNone, Phase: PhasePinned, Cause: CausePin}
	c := s.facts.named(s.stage)
	if c == nil {
		out.Message = fmt.Sprintf("pinned to %s, which the subject does not have", s.stage.Pin)
		return out, true
	}

	out.Candidate = c
	if d := s.stage.Delivery; d != nil && d.ID == c.ID {
		v, deadline := s.stage.verdictBefore(s.now)
		out.Message = fmt.Sprintf("pinned to %s: %s", c.Title(), v.message)
		out.Next = deadline
		return out, true
	}

	if why := s.stage.recorded(c.ID); why != "" {
		out.Message = fmt.Sprintf("pinned to %s, which was rejected here: %s", c.Title(), why)
		return out, true
	}

	g := freeze(question{facts: s.facts, stage: s.stage, candidate: *c, now: s.now})
	if g.Result == Wait && s.stage.verification(c.ID) == nil {
		out.Phase = PhaseFrozen
		out.Message = g.Message
		out.Next = g.Until
		return out, true
	}

	if d, not := s.unpinnable(*c); not {
		return d, true
	}

	out.Step = StepPromote
	out.Message = "a user pinned it"
	return out, true
}

// named is the candidate that a stage is pinned to: the newest of that version. A stage that has the pinned chart with
// some shared values keeps them: a change of the values is no change of the pin.
func (f *Facts) named(s *Stage) *Candidate {
	if d := s.Delivery; d != nil && d.ID.Values != "" && d.is(s.Pin) {
		return &d.Candidate
	}

	all := f.Candidates
	for _, v := range s.Verified {
		all = append(all[:len(all):len(all)], v.Candidate) // it may have left the list
	}

	for _, c := range newestFirst(all) {
		if c.is(s.Pin) {
			return &c
		}
	}

	return nil
}

// judged keeps a candidate until there is a verdict about it.
func judged(s situation) (Decision, bool) {
	d := s.stage.Delivery
	if d == nil || d.Verified || d.Cause == CauseRollback || len(s.stage.Releases) == 0 {
		return Decision{}, false
	}

	v, deadline := s.stage.verdictBefore(s.now)
	if v.Result != Wait {
		return Decision{}, false
	}

	return Decision{
		Step: StepNone, Candidate: &d.Candidate, Phase: PhaseVerifying, Message: v.message, Next: deadline,
	}, true
}

func heldBack(s situation) (Decision, bool) {
	for _, why := range []string{s.stage.Hold, s.stage.HeldBy} {
		if why != "" {
			return Decision{Step: StepNone, Phase: PhaseHeld, Message: "held: " + why}, true
		}
	}
	return Decision{}, false
}

// promoted takes the newest candidate that passes all gates. When there is none, it names the newest that waits, else
// the newest that fails.
func promoted(s situation) (Decision, bool) {
	var waits, fails *Decision
	var next time.Time
	var unsigned []string
	for _, c := range s.eligible() {
		q := question{facts: s.facts, stage: s.stage, candidate: c, now: s.now}
		answers := q.ask()
		if q.unsigned(answers) {
			unsigned = with(unsigned, c.ID.Chart)
		}

		next = earlier(next, retry(answers))
		result := worst(answers)
		switch {
		case result == Pass:
			cause, why := s.cause(q)
			return Decision{
				Step: StepPromote, Candidate: &c, Cause: cause, Phase: PhaseVerifying, Gates: answers, Message: why,
			}, true
		case result == Wait:
			next = earlier(next, soonest(answers))
			if waits == nil {
				d := blocked(c, answers)
				waits = &d
			}
		case fails == nil:
			d := blocked(c, answers)
			fails = &d
		}
	}

	switch {
	case waits != nil:
		waits.Next = next
		waits.Unsigned = unsigned
		if fails != nil && waits.Candidate.lower(*fails.Candidate) {
			waits.Message += "; not taken: " + fails.Message
		}

		return *waits, true
	case fails != nil:
		fails.Next = next
		fails.Unsigned = unsigned
		return *fails, true
	}

	return Decision{}, false
}

// cause of the promotion of a candidate that passes all gates, and what it says of it.
func (s situation) cause(q question) (cause, why string) {
	if q.needsApproval() || q.leaps() {
		return CauseApproved, approved(q).Message
	}
	return CauseAuto, "it passes all gates"
}

// eligible are the candidates that could replace what the stage has, newest first. Lower ones are among them only when
// the stage allows that and no longer allows what it has.
func (s situation) eligible() []Candidate {
	d := s.stage.Delivery
	all := newestFirst(s.facts.Candidates)
	if d == nil {
		return all
	}

	lower := s.stage.Gates.Downgrade && !s.stillAllowed(d.Candidate)
	var found []Candidate
	for _, c := range all {
		if c.ID != d.ID && (c.compare(d.Candidate) > 0 || lower) {
			found = append(found, c)
		}
	}

	return found
}

// stillAllowed reports whether the stage would take a candidate that it has.
func (s situation) stillAllowed(c Candidate) bool {
	q := question{facts: s.facts, stage: s.stage, candidate: c, now: s.now}
	return upstream(q).Result != Fail && inRange(q).Result != Fail && prereleases(q).Result != Fail
}

// blocked says which gates keep a candidate out.
func blocked(c Candidate, answers []Gate) Decision {
	out := Decision{Step: StepNone, Candidate: &c, Phase: PhaseBlocked, Gates: answers, Message: c.Title() + ": "}
	result := worst(answers)
	others := false
	phase := ""
	for _, a := range answers {
		if a.Result != result {
			continue
		}
		if phase != "" {
			out.Message += "; "
		}

		out.Message += fmt.Sprintf("%s: %s", a.Name, a.Message)
		is := PhaseBlocked
		switch {
		case result == Wait && a.Name == GateFreeze:
			is = PhaseFrozen
		case result == Wait && (a.Name == GateApproval || a.Name == GateBump):
			is = PhaseApproval
		}

		others = others || phase != "" && phase != is
		phase = is
	}

	if phase != "" && !others {
		out.Phase = phase
	}

	return out
}

// idle says what the stage has.
func idle(s situation) (Decision, bool) {
	d := s.stage.Delivery
	if d == nil {
		return Decision{Step: StepNone, Phase: PhaseIdle, Message: "there is no candidate"}, true
	}

	v := s.stage.verdict()
	if why := s.stage.recorded(d.ID); why != "" && v.Result == Wait && d.Cause != CauseRollback {
		v = verdict{Result: Fail, message: why} // its deadline is over
	}

	out := Decision{Step: StepNone, Candidate: &d.Candidate, Message: fmt.Sprintf("%s: %s", d.Title(), v.message)}
	switch v.Result {
	case Pass:
		out.Phase = PhaseVerified
	case Fail:
		out.Phase = PhaseFailed
	default:
		out.Phase = PhaseVerifying
	}

	return out, true
}
