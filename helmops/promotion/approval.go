package promotion

import (
	"fmt"
	"slices"
	"time"

	"fairlead.dev/fairlead/helmops/approval"
)

// Candidates that need an approval in a stage that otherwise promotes automatically.
const (
	OnMajor = "OnMajor" // those of another major version than the present one
	OnMinor = "OnMinor" // those of another major or minor version
	Always  = "Always"  // all
)

// ApprovalGate says which candidates need approvals, and which approvals count.
type ApprovalGate struct {
	// When is Always, OnMajor or OnMinor; empty for what Promote and Bump say.
	When string
	// Count is how many users have to approve, 1 when zero.
	Count int
	// Groups are those that users who decide are in, one of them is enough; empty for any user.
	Groups []string
	// Expires is how long an approval counts; zero for ever.
	Expires time.Duration
}

// gate is what the package approval knows of it.
func (g ApprovalGate) gate() approval.Gate {
	return approval.Gate{Count: g.Count, Groups: g.Groups, Expires: g.Expires}
}

// Approval is one user's decision about one candidate for one stage.
type Approval struct {
	// User is who made it, as the API server says; empty when the API server does not.
	User string
	// Groups that the user is in, as far as the user says which.
	Groups []string
	// ID of the candidate.
	ID Identity
	// Reject is set when the user rejects the candidate.
	Reject bool
	// Comment is what the user says; empty for nothing.
	Comment string
	// At is when it was made.
	At time.Time
}

// decision is what the package approval counts.
func (a Approval) decision() approval.Decision {
	return approval.Decision{User: a.User, Groups: a.Groups, Reject: a.Reject, Comment: a.Comment, At: a.At}
}

// refusal says which user rejects a candidate; empty for none.
func (s *Stage) refusal(c Candidate) string {
	if slices.ContainsFunc(s.Refused, c.is) {
		return "a user rejected it"
	}

	var about []approval.Decision
	for _, a := range s.Approvals {
		if a.ID.covers(c.ID) {
			about = append(about, a.decision())
		}
	}

	return s.Gates.Approval.gate().Rejection(about)
}

// approvals wants users, or the pipeline itself, to approve exactly this candidate.
func approvals(q question) Gate {
	if !q.needsApproval() {
		return pass("no approval is needed")
	}
	return approved(q)
}

// needsApproval reports whether the stage takes the candidate only when users approve it. The first candidate of a
// stage is no step.
func (q question) needsApproval() bool {
	when := q.stage.Gates.Approval.When
	if q.stage.Promote == Manual || when == Always {
		return true
	}

	d := q.stage.Delivery
	if when == "" || d == nil {
		return false
	}

	step := stepBetween(d.Candidate, q.candidate)
	return step == BumpMajor || step == BumpMinor && when == OnMinor
}

// approved is what is known of the approvals of a candidate, whether it needs one or not.
func approved(q question) Gate {
	for _, text := range q.stage.Approved {
		if q.candidate.is(text) || q.candidate.within(text) {
			return pass("spec approves %s", text)
		}
	}

	if why := q.stage.Gates.Approval.gate().Untrusted(); why != "" && !q.facts.Stamped {
		return fail("%s", why)
	}

	answer := q.tally().Answer()
	if answer.Approved {
		g := pass("%s", answer.Message)
		g.Until = answer.Until
		return g
	}

	return wait(answer.Until, "%s", answer.Message)
}

// tally counts what the approvals of a stage say of a candidate.
func (q question) tally() *approval.Tally {
	var about []approval.Decision
	var others []string
	for _, a := range q.stage.Approvals {
		switch {
		case a.ID == q.candidate.ID:
			about = append(about, a.decision())
		case a.Reject:
		case a.ID.Chart == q.candidate.ID.Chart:
			others = append(others, fmt.Sprintf("the approval of %s is for other shared values", a.User))
		case q.facts.mistakable(a.ID, q.candidate):
			others = append(others, fmt.Sprintf("the approval of %s is for another digest", a.User))
		}
	}

	t := q.stage.Gates.Approval.gate().Tally(about, q.now)
	for _, other := range others {
		t.Remark("%s", other)
	}

	return t
}

// mistakable reports whether an approval may have been meant for a candidate: it names no candidate of another version.
func (f *Facts) mistakable(id Identity, c Candidate) bool {
	return !slices.ContainsFunc(f.Candidates, func(other Candidate) bool {
		return other.ID.Chart == id.Chart && other.Version != c.Version
	})
}
