package approval

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Sync says which plans wait for approvals. The zero value has none wait.
type Sync struct {
	// Manual is set when all of them wait.
	Manual bool
	// MinRisk is the lowest risk that waits; empty for none.
	MinRisk string
	// Approved is the digest of the plan that may run; empty for none.
	Approved string
	// Preview is set when plans are computed although none has to wait.
	Preview bool
	// Approvals says which approvals of users count.
	Approvals Gate
}

// SyncOf reads spec.sync; nil is the zero value.
func SyncOf(spec *v1beta1.Sync) Sync {
	if spec == nil {
		return Sync{}
	}

	out := Sync{Manual: spec.Mode == v1beta1.SyncManual, Approved: spec.Approved}
	a := spec.Approval
	if a == nil {
		return out
	}

	out.MinRisk = a.MinRisk
	out.Approvals = Gate{Count: int(a.Count), Groups: a.Groups}
	if a.Expires != nil {
		out.Approvals.Expires = a.Expires.Duration
	}

	return out
}

// Asks reports whether plans have to be computed at all.
func (s Sync) Asks() bool { return s.Manual || s.MinRisk != "" || s.Preview }

// Holds reports whether a plan of a risk waits.
func (s Sync) Holds(risk string) bool {
	return s.Manual || s.MinRisk != "" && v1beta1.RiskReaches(risk, s.MinRisk)
}

// Waiting is what a plan that is not approved waits for.
type Waiting struct {
	// Message for people.
	Message string
	// Until is when it is decided again.
	Until time.Time
}

// Wait says what a plan that is not approved waits for. what would be done, in words; the plan stands until expires.
func (a Answer) Wait(what string, p Plan, summary, risk string, expires time.Time) Waiting {
	w := Waiting{Until: expires, Message: fmt.Sprintf("%s waits for the approval of plan %s (%s; risk %s)", what,
		v1beta1.ShortDigest(p.Digest), summary, risk)}
	if a.Message != "" {
		w.Message += "; " + a.Message
	}
	if !a.Until.IsZero() && a.Until.Before(expires) {
		w.Until = a.Until
	}

	return w
}
