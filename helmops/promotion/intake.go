package promotion

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// How a stage takes candidates while later stages wait for the one that it has.
const (
	IntakeNewest = "Newest" // it takes the newest
	IntakeSerial = "Serial" // it keeps a verified one until each stage after it has taken or rejected it
)

// GateIntake is the name of the gate of a stage with Serial.
const GateIntake = "intake"

// starvation is after how many displaced candidates a stage warns.
const starvation = 3

// patient are the gates that pass with time, or by approvals, alone.
var patient = []string{GateSoak, GateMinAge, GateWindows, GateFreeze, GateBump, GateApproval}

// awaiting is a stage that waits for what a stage before it has.
type awaiting struct {
	stage string
	// gates that are in the way say why; until is when one of them may say something else.
	message string
	until   time.Time
}

// awaits is a direct later stage that still waits for the verified candidate of a stage; nil when there is none. One
// that is pinned or held waits for nothing, and neither does one whose gates fail.
func (f *Facts) awaits(s *Stage, now time.Time) *awaiting {
	d := s.Delivery
	known := func(c Candidate) bool { return c.ID == d.ID }
	if d == nil || !d.Verified || !slices.ContainsFunc(f.Candidates, known) {
		return nil
	}

	for i := range f.Stages {
		later := &f.Stages[i]
		if !slices.Contains(later.From, s.Name) || later.Pin != "" || later.Hold != "" || later.HeldBy != "" {
			continue
		}

		had := later.Delivery
		if later.verification(d.ID) != nil || had != nil && d.compare(had.Candidate) <= 0 {
			continue
		}

		q := question{facts: f, stage: later, candidate: d.Candidate, now: now}
		if found := q.waitsFor(); found != nil {
			return found
		}
	}

	return nil
}

// waitsFor is what keeps a candidate out of a stage when only time and approvals do; nil when anything else does.
func (q question) waitsFor() *awaiting {
	answers := q.askChecks(q.askGates())
	var waits []string
	for _, a := range answers {
		switch {
		case a.Result == Pass:
		case a.Result == Fail, !slices.Contains(patient, a.Name):
			return nil
		default:
			waits = append(waits, a.Name+": "+a.Message)
		}
	}

	found := &awaiting{stage: q.stage.Name, message: strings.Join(waits, "; "), until: soonest(answers)}
	if len(waits) == 0 {
		found.message = "it comes next"
	}

	return found
}

// intake keeps what a stage with Serial has, while a later stage waits for it.
func intake(q question) Gate {
	if q.stage.Intake != IntakeSerial {
		return pass("the newest candidate is taken")
	}
	a := q.facts.awaits(q.stage, q.now)
	if a == nil {
		return pass("no later stage waits for what is here")
	}
	return wait(a.until, "%s waits for %s: %s", a.stage, q.stage.Delivery.Title(), a.message)
}

// displace counts the candidates that a stage replaces while a later one only waits for them.
func (f *Facts) displace(s *Stage, d *Decision, now time.Time) {
	d.Displaced = s.Displaced
	if d.Step != StepPromote || d.Cause == CausePin {
		return
	}

	a := f.awaits(s, now)
	if a == nil {
		return
	}

	d.Displaced++
	if d.Displaced%starvation == 0 {
		d.Starves = fmt.Sprintf("%d candidates of stage %s were replaced while %s only waited for them, the last one "+
			"%s: %s; intake: Serial keeps a candidate for the stages after it", d.Displaced, s.Name, a.stage,
			s.Delivery.Title(), a.message)
	}
}

// taken forgets what the stages before displaced, after a later one took a candidate.
func (f *Facts) taken(s *Stage, d Decision, earlier []Decision) {
	if d.Step != StepPromote {
		return
	}
	for i := range earlier {
		if slices.Contains(s.From, earlier[i].Stage) {
			earlier[i].Displaced = 0
			earlier[i].Starves = ""
			f.Stages[i].Displaced = 0
		}
	}
}
