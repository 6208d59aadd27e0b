package promotion

import "time"

// Explanation is what a stage says of one candidate.
type Explanation struct {
	// Has is set when the stage has the candidate.
	Has bool
	// Result is Pass when it would be promoted next, Wait when it may be later, and Fail when it is not.
	Result Result
	// Message says why.
	Message string
	// Gates are the answers of all gates.
	Gates []Gate
}

// Explain says whether a stage gets a candidate, and why not, by the facts and gates of Decide. false is for an unknown
// stage.
func Explain(f Facts, stage string, c Candidate, now time.Time) (Explanation, bool) {
	stages := make([]Stage, len(f.Stages))
	copy(stages, f.Stages)
	f.Stages = stages
	for i := range stages {
		if !f.Suspended {
			stages[i].Verified = stages[i].tracked(now)
		}
	}

	s := f.stage(stage)
	if s == nil {
		return Explanation{}, false
	}

	at := situation{facts: &f, stage: s, now: now}
	e := Explanation{Gates: question{facts: &f, stage: s, candidate: c, now: now}.ask()}
	e.Has = s.Delivery != nil && s.Delivery.ID == c.ID
	e.Result = worst(e.Gates)
	switch {
	case e.Has:
		e.Result = Pass
		e.Message = "the stage has it"
	case s.Pin != "" && !c.is(s.Pin):
		e.Result = Fail
		e.Message = "the stage is pinned to " + s.Pin
	case e.Result != Pass:
		e.Message = blocked(c, e.Gates).Message
	default:
		e.Result, e.Message = at.otherwise(c)
	}

	return e, true
}

// otherwise says what a candidate that passes all gates waits for.
func (s situation) otherwise(c Candidate) (Result, string) {
	d := decide(s)
	switch {
	case d.Candidate != nil && d.Candidate.ID == c.ID:
		return Pass, "it passes all gates, and is promoted next"
	case d.Step == StepPromote:
		return Fail, d.Candidate.Title() + " is promoted before it"
	case d.Reason == "held" || d.Reason == "suspended" || d.Reason == "judged":
		return Wait, d.Message
	case s.stage.Delivery != nil && c.compare(s.stage.Delivery.Candidate) < 0:
		return Fail, "the stage has " + s.stage.Delivery.Title() + ", which is newer"
	}

	return Wait, d.Message
}
