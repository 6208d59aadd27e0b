package promotion

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// CauseManual is the cause of a delivery that a user requested.
const CauseManual = "Manual"

// Request is a user's wish that a stage gets a candidate.
type Request struct {
	// Name identifies the request.
	Name string
	// Cause is Manual, or Rollback.
	Cause string
	// Version, Digest of the chart and ValuesDigest of the shared values name the candidate; any of them may be empty, but
	// not Version and Digest both.
	Version, Digest, ValuesDigest string
	// Bypass are the names of the gates that a Manual request does not have to pass.
	Bypass []string
	// By is the user, as the API server says; empty when it is not known. Reason is what the user says.
	By, Reason string
	// At is when it was made, in seconds. Seen is set when an earlier decision answered it: of two of one second, it is
	// the older one.
	At   time.Time
	Seen bool
}

// Phases of a request.
const (
	RequestWaiting    = "Waiting"
	RequestPromoted   = "Promoted"   // the stage got the candidate, or had it
	RequestFailed     = "Failed"     // it cannot be carried out
	RequestSuperseded = "Superseded" // a newer one came while it waited
)

// Answer is what becomes of a request.
type Answer struct {
	// Name of the request.
	Name string
	// Phase of it. All but RequestWaiting are final.
	Phase string
	// Message says why.
	Message string
}

// weighed is a request with what the gates say of it.
type weighed struct {
	Request
	Result

	candidate *Candidate
	gates     []Gate
	message   string
	// until is when the answer may be another one without an event.
	until time.Time
	// unsigned is set when the signatures of the candidate have to be checked.
	unsigned bool
}

func (w weighed) failed(format string, args ...any) weighed {
	w.Result = Fail
	w.message = fmt.Sprintf(format, args...)
	return w
}

func (w weighed) waits(format string, args ...any) weighed {
	w.Result = Wait
	w.message = fmt.Sprintf(format, args...)
	return w
}

// who names the user of a request.
func (r Request) who() string { return cmp.Or(r.By, "a user") }

// says is who wants it, and why.
func (r Request) says() string {
	if r.Reason == "" {
		return "requested by " + r.who()
	}
	return "requested by " + r.who() + ": " + r.Reason
}

// active is the newest request that does not fail; nil for none.
func (s situation) active() *weighed {
	for _, r := range s.stage.newestRequests() {
		if w := s.weigh(r); w.Result != Fail {
			return &w
		}
	}
	return nil
}

func (s *Stage) newestRequests() []Request {
	sorted := slices.Clone(s.Requests)
	slices.SortFunc(sorted, func(a, b Request) int {
		return cmp.Or(b.At.Compare(a.At), unseenFirst(a, b), strings.Compare(b.Name, a.Name))
	})
	return sorted
}

func unseenFirst(a, b Request) int {
	switch {
	case a.Seen == b.Seen:
		return 0
	case a.Seen:
		return 1
	}
	return -1
}

// weigh says whether a request can be carried out now. One that only waits fails at the deadline of the stage.
func (s situation) weigh(r Request) weighed {
	w := s.allowed(weighed{Request: r, Result: Pass})
	if w.Result != Wait || s.stage.Deadline == 0 {
		return w
	}

	end := r.At.Add(s.stage.Deadline)
	if !s.now.Before(end) {
		return w.failed("not promoted within %s: %s", s.stage.Deadline, w.message)
	}

	w.until = earlier(w.until, end)
	return w
}

func (s situation) allowed(w weighed) weighed {
	if w.Cause != CauseManual && w.Cause != CauseRollback {
		return w.failed("spec.cause of a requested Promotion is Manual or Rollback, not %s", w.Cause)
	}
	if w.candidate = s.facts.wanted(s.stage, w.Request); w.candidate == nil {
		return w.failed("the pipeline has no candidate %s", w.Text())
	}
	if stage := s.facts.refused(s.stage, *w.candidate); stage != "" {
		return w.failed("a user rejected %s in stage %s", w.candidate.Title(), stage)
	}
	if s.stage.Pin != "" {
		return w.waits("the stage is pinned to %s", s.stage.Pin)
	}
	if w.Cause == CauseRollback {
		return s.allowedBack(w)
	}

	return s.allowedOn(w)
}

// allowedBack is for a rollback. It goes to what the stage verified, and passes no gates.
func (s situation) allowedBack(w weighed) weighed {
	c := *w.candidate
	if s.stage.verification(c.ID) == nil {
		return w.failed("stage %s never verified %s, so it cannot go back to it", s.stage.Name, c.Title())
	}
	if why := s.stage.recorded(c.ID); why != "" {
		return w.failed("stage %s rejected %s: %s", s.stage.Name, c.Title(), why)
	}
	return w
}

// allowedOn is for a manual promotion: it passes all gates but those that the user bypasses, and waits for the verdict
// about what the stage has.
func (s situation) allowedOn(w weighed) weighed {
	if name := unknownGate(w.Bypass); name != "" {
		return w.failed("spec.bypass names %q, which is no gate that can be bypassed", name)
	}

	d := s.stage.Delivery
	if d != nil && d.ID == w.candidate.ID {
		return w
	}

	q := question{facts: s.facts, stage: s.stage, candidate: *w.candidate, now: s.now, request: &w.Request}
	w.gates = q.ask()
	w.unsigned = q.unsigned(w.gates)
	result := worst(w.gates)
	if result != Pass {
		w.until = soonest(w.gates)
		w.message = blocked(*w.candidate, w.gates).Message
	}

	if w.Result = result; result != Pass {
		return w
	}
	if _, judging := judged(s); judging {
		return w.waits("the HelmReleases have not verified %s yet, which the stage has", d.Title())
	}
	if s.stage.Hold != "" {
		return w.waits("held: %s", s.stage.Hold)
	}

	return w
}

// bypassed lets the gates pass that a user bypasses. The messages keep what they said.
func (q question) bypassed(answers []Gate) []Gate {
	if q.request == nil {
		return answers
	}

	for i, g := range answers {
		if g.Result != Pass && slices.Contains(q.request.Bypass, g.Name) {
			answers[i] = pass("bypassed by %s: %s", q.request.who(), g.Message)
			answers[i].Name = g.Name
		}
	}

	return answers
}

// unknownGate is the first name that is no gate, or one that cannot be bypassed; empty for none.
func unknownGate(names []string) string {
	for _, name := range names {
		if !strings.HasPrefix(name, GateChecks) && !slices.Contains(Bypassable(), name) {
			return name
		}
	}
	return ""
}

// wanted is the candidate of a request: the newest with its version and digests.
func (f *Facts) wanted(s *Stage, r Request) *Candidate {
	if r.Version == "" && r.Digest == "" {
		return nil
	}

	all := slices.Clone(f.Candidates)
	for _, v := range s.Verified {
		all = append(all, v.Candidate) // it may have left the list
	}

	for _, c := range newestFirst(all) {
		if r.names(c) {
			return &c
		}
	}

	return nil
}

// Text is what a request names, in words.
func (r Request) Text() string {
	name := cmp.Or(r.Version, r.Digest)
	if r.Version != "" && r.Digest != "" {
		name += " (" + v1beta1.ShortDigest(r.Digest) + ")"
	}
	return strings.TrimSpace(titled(name, r.ValuesDigest))
}

// names reports whether a candidate has the version and the digests of a request.
func (r Request) names(c Candidate) bool {
	return (r.Version == "" || c.is(r.Version)) && (r.Digest == "" || c.ID.Chart == r.Digest) &&
		(r.ValuesDigest == "" || c.ID.Values == r.ValuesDigest)
}

// refused names the stage, this one or one before it, in which a user rejects a candidate; empty for none.
func (f *Facts) refused(s *Stage, c Candidate) string {
	if s.refusal(c) != "" {
		return s.Name
	}

	for _, name := range s.From {
		if from := f.stage(name); from != nil {
			if found := f.refused(from, c); found != "" {
				return found
			}
		}
	}

	return ""
}

// rolledBack carries out the request of a user to go back. The stage is held then: what it leaves is newer.
func rolledBack(s situation) (Decision, bool) {
	w := s.active()
	if w == nil || w.Result != Pass || w.Cause != CauseRollback {
		return Decision{}, false
	}
	return s.carriedOut(w, fmt.Sprintf("rolled back to %s, %s", w.candidate.Title(), w.says())), true
}

// requested carries out the request of a user to promote a candidate. It ends a hold by an earlier decision, unless it
// goes to an older candidate: the stage would leave that for the newer one.
func requested(s situation) (Decision, bool) {
	w := s.active()
	if w == nil || w.Result != Pass || w.Cause != CauseManual {
		return Decision{}, false
	}

	hold := ""
	d := s.stage.Delivery
	if d != nil && w.candidate.compare(d.Candidate) < 0 {
		hold = fmt.Sprintf("%s is older than %s, %s", w.candidate.Title(), d.Title(), w.says())
	}

	return s.carriedOut(w, hold), true
}

// carriedOut is the decision of a request. A stage that has the candidate keeps it.
func (s situation) carriedOut(w *weighed, hold string) Decision {
	out := Decision{
		Step: StepPromote, Candidate: w.candidate, Cause: w.Cause, Phase: PhaseVerifying, Gates: w.gates,
		Message: w.says(), Request: &w.Request, Hold: hold,
	}
	if d := s.stage.Delivery; d != nil && d.ID == w.candidate.ID {
		out.Step, out.Cause, out.Message = StepNone, "", "the stage has it already, "+w.says()
		if d.Verified {
			out.Phase = PhaseVerified
		}
		if hold != "" {
			out.Phase = PhaseHeld
		}
	}

	return out
}

// answers are what becomes of the requests of a stage, when the answers may be other ones without an event,
// and the digests of the charts whose signatures have to be checked for them.
func (s situation) answers(d Decision) (all []Answer, next time.Time, unsigned []string) {
	newer := ""
	for _, r := range s.stage.newestRequests() {
		w := s.weigh(r)
		a := Answer{Name: r.Name, Phase: RequestWaiting, Message: w.message}
		switch {
		case d.Request != nil && d.Request.Name == r.Name:
			a.Phase = RequestPromoted
			a.Message = d.Message
		case w.Result == Fail:
			a.Phase = RequestFailed
		case newer != "":
			a.Phase = RequestSuperseded
			a.Message = "Promotion " + newer + " was requested after it"
		case w.Result == Pass:
			a.Message = "something else is decided first" // the next decision carries it out
		default:
			next = earlier(next, w.until)
		}

		if a.Phase == RequestPromoted || a.Phase == RequestWaiting {
			newer = r.Name
		}
		if a.Phase == RequestWaiting && w.unsigned {
			unsigned = with(unsigned, w.candidate.ID.Chart)
		}

		all = append(all, a)
	}

	return all, next, unsigned
}

// afterRequest is a stage after a decision about its requests: final answers are not asked for again.
func (s Stage) afterRequest(d Decision) Stage {
	final := map[string]bool{}
	for _, a := range d.Answers {
		final[a.Name] = a.Phase != RequestWaiting
	}

	s.Requests = slices.DeleteFunc(slices.Clone(s.Requests), func(r Request) bool { return final[r.Name] })
	if d.Request == nil || d.Step != StepPromote {
		return s
	}
	if d.Request.Cause == CauseManual {
		s.HeldBy = d.Hold
	}

	if slices.Contains(d.Request.Bypass, GateRejected) {
		s.Rejected = slices.DeleteFunc(slices.Clone(s.Rejected), func(r Rejection) bool {
			return r.ID == d.Candidate.ID
		})
	}

	s.Delivery.Request = d.Request
	return s
}

// CanBypass reports whether a Manual request can bypass a gate: any but those of signatures. A check is named
// checks/NAME.
func CanBypass(name string) bool { return unknownGate([]string{name}) == "" }

// Bypassable are the names of the gates that a Manual request can bypass, besides checks/NAME.
func Bypassable() []string {
	names := []string{GateIntake}
	for _, g := range gates {
		if g.name != GateSignature && g.name != GateAttestations {
			names = append(names, g.name)
		}
	}
	return names
}
