package promotion

import (
	"slices"
	"time"
)

// GateSignature is the name of the gate of a stage that wants signatures of its own.
const GateSignature = "signature"

// Signature is what is known of the signatures of a candidate, by the identities that a stage wants.
type Signature struct {
	// Result is Pass, Fail for a candidate without a signature that counts, or Wait when that could not be found out.
	Result Result
	// Message says who signed it, or why there is no answer.
	Message string
	// Again is when it is checked again.
	Again time.Time
}

// signature wants the candidate to be signed by the identities of the stage.
func signature(q question) Gate {
	if !q.stage.Gates.Signed {
		return pass("this stage wants no signature of its own")
	}

	known, ok := q.stage.Signatures[q.candidate.ID.Chart]
	if !ok {
		return wait(time.Time{}, "its signatures are being checked")
	}

	answer := Gate{Result: known.Result, Message: known.Message}
	if known.Result != Pass && q.now.Before(known.Again) {
		answer.Until = known.Again
	}

	return answer
}

// with adds a digest to a list that does not have it.
func with(digests []string, digest string) []string {
	if slices.Contains(digests, digest) {
		return digests
	}
	return append(digests, digest)
}

// unsigned reports whether the signatures of a candidate have to be checked: nothing is known of them, or it is known
// for too long, and the stages before have verified the candidate, and no other gate fails.
func (q question) unsigned(answers []Gate) bool {
	if !q.stage.Gates.Signed {
		return false
	}

	known, ok := q.stage.Signatures[q.candidate.ID.Chart]
	if ok && q.now.Before(known.Again) {
		return false
	}

	return !slices.ContainsFunc(answers, func(a Gate) bool {
		return a.Result == Fail && a.Name != GateSignature || a.Result == Wait && a.Name == GateUpstream
	})
}

// retry is when a failing gate is evaluated again; zero when a gate fails that only an event can change.
func retry(answers []Gate) time.Time {
	var next time.Time
	for _, a := range answers {
		switch {
		case a.Result != Fail:
		case a.Until.IsZero():
			return time.Time{}
		default:
			next = earlier(next, a.Until)
		}
	}

	return next
}

// unpinnable keeps a pinned candidate out that the stage never verified and whose signatures do not count; false for
// any other.
func (s situation) unpinnable(c Candidate) (Decision, bool) {
	q := question{facts: s.facts, stage: s.stage, candidate: c, now: s.now}
	answer := signature(q)
	if answer.Result == Pass || s.stage.verification(c.ID) != nil {
		return Decision{}, false
	}

	answer.Name = GateSignature
	d := blocked(c, []Gate{answer})
	d.Next = answer.Until
	if q.unsigned(nil) {
		d.Unsigned = []string{c.ID.Chart}
	}

	return d, true
}
