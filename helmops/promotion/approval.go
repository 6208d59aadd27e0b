package promotion

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
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

// trusts reports whether the gate needs to know for sure who approves.
func (g ApprovalGate) trusts() bool { return g.Count > 1 || len(g.Groups) > 0 }

// admits reports whether the decision of a user counts.
func (g ApprovalGate) admits(a Approval) bool {
	return len(g.Groups) == 0 || slices.ContainsFunc(a.Groups, func(name string) bool {
		return slices.Contains(g.Groups, name)
	})
}

// expiry is when an approval ends; zero for never. One that was made in the future, by another clock, counts.
func (g ApprovalGate) expiry(a Approval) time.Time {
	if g.Expires == 0 {
		return time.Time{}
	}
	return a.At.Add(g.Expires)
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

// refusal says which user rejects a candidate; empty for none.
func (s *Stage) refusal(c Candidate) string {
	if slices.ContainsFunc(s.Refused, c.is) {
		return "a user rejected it"
	}

	for _, a := range s.Approvals {
		if !a.Reject || !a.ID.covers(c.ID) || !s.Gates.Approval.admits(a) {
			continue
		}
		if a.Comment != "" {
			return fmt.Sprintf("%s rejected it: %s", a.User, a.Comment)
		}

		return a.User + " rejected it"
	}

	return ""
}

// approval wants users, or the pipeline itself, to approve exactly this candidate.
func approval(q question) Gate {
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

	gate := q.stage.Gates.Approval
	need := max(1, gate.Count)
	switch {
	case need > 1 && !q.facts.Stamped:
		return fail("%d approvers are wanted, and the API server of this cluster does not record who approves", need)
	case gate.trusts() && !q.facts.Stamped:
		return fail("approvers of the groups %s are wanted, and the API server of this cluster does not record who "+
			"approves", list(gate.Groups))
	}

	return q.count().answer(need)
}

// count is what the approvals of a stage say of a candidate.
type count struct {
	// users who approve, each with the end of the approval; zero for none.
	users map[string]time.Time
	// remarks say which approvals do not count, and why.
	remarks []string
}

func (q question) count() count {
	c := count{users: map[string]time.Time{}}
	gate := q.stage.Gates.Approval
	for _, a := range q.stage.Approvals {
		end := gate.expiry(a)
		had, twice := c.users[a.User]
		switch {
		case a.Reject:
		case a.ID.Chart == q.candidate.ID.Chart && a.ID != q.candidate.ID:
			c.remark("the approval of %s is for other shared values", a.User)
		case a.ID != q.candidate.ID:
			if q.facts.mistakable(a.ID, q.candidate) {
				c.remark("the approval of %s is for another digest", a.User)
			}
		case !gate.admits(a):
			c.remark("%s is in none of the groups %s", a.User, list(gate.Groups))
		case !end.IsZero() && !q.now.Before(end):
			c.remark("the approval of %s expired at %s", a.User, stamp(end))
		case twice:
			c.remark("%s approved more than once, which counts once", a.User)
			if end.After(had) {
				c.users[a.User] = end
			}
		default:
			c.users[a.User] = end
		}
	}

	slices.Sort(c.remarks)
	c.remarks = slices.Compact(c.remarks)
	return c
}

func (c *count) remark(format string, args ...any) {
	c.remarks = append(c.remarks, fmt.Sprintf(format, args...))
}

// mistakable reports whether an approval may have been meant for a candidate: it names no candidate of another version.
func (f *Facts) mistakable(id Identity, c Candidate) bool {
	return !slices.ContainsFunc(f.Candidates, func(other Candidate) bool {
		return other.ID.Chart == id.Chart && other.Version != c.Version
	})
}

// maxRemarks bounds how many approvals that do not count are named.
const maxRemarks = 4

// answer is the gate with so many approvals needed.
func (c count) answer(need int) Gate {
	names := slices.Sorted(maps.Keys(c.users))
	ends := slices.SortedFunc(maps.Values(c.users), lastFirst)
	var g Gate
	switch {
	case len(names) >= need && names[0] == "":
		g = pass("approved")
	case len(names) >= need:
		g = pass("approved by %s", list(names))
	case len(names) > 0:
		g = wait(time.Time{}, "approved by %s; %d of %d approvals are missing", list(names), need-len(names), need)
	case need == 1:
		g = wait(time.Time{}, "not approved")
	default:
		g = wait(time.Time{}, "not approved; %d approvals are needed", need)
	}

	if len(ends) > 0 {
		g.Until = ends[min(need, len(ends))-1]
	}
	if g.Result == Wait && len(c.remarks) > 0 {
		g.Message += "; " + strings.Join(c.remarks[:min(len(c.remarks), maxRemarks)], "; ")
	}
	if g.Result == Wait && len(c.remarks) > maxRemarks {
		g.Message += fmt.Sprintf("; %d more do not count", len(c.remarks)-maxRemarks)
	}

	return g
}

// lastFirst orders times, zero for never before all others.
func lastFirst(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return -1
	case b.IsZero():
		return 1
	}
	return b.Compare(a)
}
