package approval

import (
	"fmt"
	"strings"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Plan is a plan that waits for approvals.
type Plan struct {
	// Digest of the plan.
	Digest string
	// Replaces is the digest of the plan that this one took the place of before that ran, and Moved says what is
	// different from it; both are empty when there was none.
	Replaces, Moved string
	// Approved is the digest that the spec of the object approves; empty for none.
	Approved string
}

// PlanDecision is one user's decision about one plan.
type PlanDecision struct {
	Decision
	// Digest of the plan.
	Digest string
}

// Plans are the decisions of users about plans of one object.
type Plans struct {
	Decisions []PlanDecision
	// Checked is set when the API server checks who makes them. It is looked up only where the gate asks for it.
	Checked bool
}

// of are the decisions about the plan with a digest.
func (p Plans) of(digest string) []Decision {
	var about []Decision
	for _, d := range p.Decisions {
		if d.Digest == digest {
			about = append(about, d.Decision)
		}
	}

	return about
}

// Judge says whether a plan is approved. A rejection counts more than any approval. The message is empty while there is
// nothing to say but that no approval is there.
func (g Gate) Judge(p Plan, known Plans, now time.Time) Answer {
	about := known.of(p.Digest)
	if rejection := g.Rejection(about); rejection != "" {
		return Answer{Message: rejection}
	}
	if p.Digest == p.Approved {
		return Answer{Approved: true}
	}
	if why := g.Untrusted(); why != "" && !known.Checked {
		return Answer{Message: why}
	}

	tally := g.Tally(about, now)
	former := known.of(p.Replaces)
	for _, d := range former {
		if !d.Reject {
			tally.Remark("the approval of %s is for plan %s", d.User, v1beta1.ShortDigest(p.Replaces))
		}
	}
	if p.Approved != "" {
		tally.Remark("spec.sync.approved is plan %s", v1beta1.ShortDigest(p.Approved))
	}

	answer := tally.Answer()
	answer.Message = strings.TrimPrefix(strings.TrimPrefix(answer.Message, "not approved"), "; ")
	wasApproved := len(former) > 0 || p.Approved != "" && p.Approved == p.Replaces
	if !answer.Approved && wasApproved && p.Moved != "" {
		answer.Message += fmt.Sprintf("; this has changed since that approval: %s", p.Moved)
	}

	return answer
}
