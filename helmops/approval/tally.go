package approval

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxRemarks bounds how many approvals that do not count are named.
const maxRemarks = 4

// Tally counts approvals.
type Tally struct {
	need int
	// users who approve, each with the end of the approval; zero for none.
	users map[string]time.Time
	// remarks say which approvals do not count, and why.
	remarks []string
}

// Tally counts the decisions that approve. All of them are about the one thing; Remark adds those that are not.
func (g Gate) Tally(decisions []Decision, now time.Time) *Tally {
	t := &Tally{need: g.Need(), users: map[string]time.Time{}}
	for _, d := range decisions {
		end := g.expiry(d)
		had, twice := t.users[d.User]
		switch {
		case d.Reject:
		case !g.Admits(d):
			t.Remark("%s is in none of the groups %s", d.User, list(g.Groups))
		case !end.IsZero() && !now.Before(end):
			t.Remark("the approval of %s expired at %s", d.User, stamp(end))
		case twice:
			t.Remark("%s approved more than once, which counts once", d.User)
			if end.After(had) {
				t.users[d.User] = end
			}
		default:
			t.users[d.User] = end
		}
	}

	return t
}

// Remark adds why an approval does not count.
func (t *Tally) Remark(format string, args ...any) {
	t.remarks = append(t.remarks, fmt.Sprintf(format, args...))
}

// Answer says whether enough users approve.
func (t *Tally) Answer() Answer {
	names := slices.Sorted(maps.Keys(t.users))
	a := Answer{Approved: len(names) >= t.need, Message: t.words(names)}
	if !a.Approved {
		a.Message += t.remarked()
	}

	ends := slices.SortedFunc(maps.Values(t.users), lastFirst)
	if len(ends) > 0 {
		a.Until = ends[min(t.need, len(ends))-1]
	}

	return a
}

func (t *Tally) words(names []string) string {
	switch {
	case len(names) >= t.need && names[0] == "":
		return "approved"
	case len(names) >= t.need:
		return "approved by " + list(names)
	case len(names) > 0:
		return fmt.Sprintf("approved by %s; %d of %d approvals are missing", list(names), t.need-len(names), t.need)
	case t.need == 1:
		return "not approved"
	default:
		return fmt.Sprintf("not approved; %d approvals are needed", t.need)
	}
}

// remarked names approvals that do not count, each once, in an order that does not depend on that of the objects.
func (t *Tally) remarked() string {
	remarks := slices.Compact(slices.Sorted(slices.Values(t.remarks)))
	if len(remarks) == 0 {
		return ""
	}

	text := "; " + strings.Join(remarks[:min(len(remarks), maxRemarks)], "; ")
	if len(remarks) > maxRemarks {
		text += fmt.Sprintf("; %d more do not count", len(remarks)-maxRemarks)
	}

	return text
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
	default:
		return b.Compare(a)
	}
}
