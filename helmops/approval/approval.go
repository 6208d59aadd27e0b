// Package approval counts what users decided about one thing: a candidate of a pipeline, or the plan of an upgrade.
// Deciding is pure; who made a decision is what the API server vouches for.
package approval

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Gate says which decisions count, and how many have to approve.
type Gate struct {
	// Count is how many users have to approve, 1 when zero.
	Count int
	// Groups are those that users who decide are in, one of them is enough; empty for any user.
	Groups []string
	// Expires is how long an approval counts; zero for ever. A rejection does not expire.
	Expires time.Duration
}

// Decision of one user.
type Decision struct {
	// User is who made it, as the API server says; empty when the API server does not.
	User string
	// Groups that the user is in, as far as the user says which.
	Groups []string
	// Reject is set when the user rejects.
	Reject bool
	// Comment is what the user says; empty for nothing.
	Comment string
	// At is when it was made.
	At time.Time
}

// Answer is what decisions amount to.
type Answer struct {
	// Approved is set when enough users approve.
	Approved bool
	// Message says in words which users approve, how many are missing, and which decisions do not count.
	Message string
	// Until is when an approval that counts ends; zero for never.
	Until time.Time
}

// Need is how many users have to approve.
func (g Gate) Need() int { return max(1, g.Count) }

// Admits reports whether the decision of a user counts.
func (g Gate) Admits(d Decision) bool {
	return len(g.Groups) == 0 || slices.ContainsFunc(d.Groups, func(name string) bool {
		return slices.Contains(g.Groups, name)
	})
}

// Untrusted says why no decision can count in a cluster whose API server does not record who makes one; empty when the
// gate takes a decision of any user.
func (g Gate) Untrusted() string {
	switch {
	case g.Need() > 1:
		return fmt.Sprintf("%d approvers are wanted, and the API server of this cluster does not record who approves",
			g.Need())
	case len(g.Groups) > 0:
		return fmt.Sprintf("approvers of the groups %s are wanted, and the API server of this cluster does not record "+
			"who approves", list(g.Groups))
	default:
		return ""
	}
}

// Rejection says which user rejects; empty for none.
func (g Gate) Rejection(decisions []Decision) string {
	for _, d := range decisions {
		if !d.Reject || !g.Admits(d) {
			continue
		}
		if d.Comment != "" {
			return fmt.Sprintf("%s rejected it: %s", d.User, d.Comment)
		}

		return d.User + " rejected it"
	}

	return ""
}

// expiry is when an approval ends; zero for never. One that was made in the future, by another clock, counts.
func (g Gate) expiry(d Decision) time.Time {
	if g.Expires == 0 {
		return time.Time{}
	}
	return d.At.Add(g.Expires)
}

func list(names []string) string { return strings.Join(names, ", ") }

// stamp writes a time as the API does.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
