package promotion

import (
	"fmt"
	"slices"
	"time"
)

// maxRemembered bounds what is remembered of a stage: what was verified, and what was rejected.
const maxRemembered = 20

func (f *Facts) stage(name string) *Stage {
	for i := range f.Stages {
		if f.Stages[i].Name == name {
			return &f.Stages[i]
		}
	}
	return nil
}

// verification is what is known of a candidate that was verified in the stage; nil when it never was.
func (s *Stage) verification(id Identity) *Verification {
	for i := range s.Verified {
		if s.Verified[i].ID == id {
			return &s.Verified[i]
		}
	}
	return nil
}

// stands reports whether the stage verified a candidate, and did not withdraw that: while it has the candidate, its
// releases still say so.
func (s *Stage) stands(id Identity) bool {
	if s.verification(id) == nil {
		return false
	}
	return s.Delivery == nil || s.Delivery.ID != id || s.verdict().Result == Pass
}

// rejection says why a candidate is rejected here, by a user or by the releases; empty when it is not.
func (s *Stage) rejection(c Candidate) string {
	if why := s.refusal(c); why != "" {
		return why
	}
	return s.recorded(c.ID)
}

// recorded is the reason of a rejection by the releases; empty for none.
func (s *Stage) recorded(id Identity) string {
	for _, r := range s.Rejected {
		if r.ID == id {
			return r.Reason
		}
	}
	return ""
}

// verdict is what the releases of a stage say of what it has.
type verdict struct {
	Result
	message string
	// at is when the last release verified it.
	at time.Time
}

// verdict asks the releases, and the users who reject. A user's pin is above both kinds of users.
func (s *Stage) verdict() verdict {
	d := s.Delivery
	if why := s.refusal(d.Candidate); why != "" && !d.is(s.Pin) {
		return verdict{Result: Fail, message: why}
	}
	if len(s.Releases) == 0 {
		return verdict{Result: Wait, message: "no HelmRelease refers to the source of the stage"}
	}
	return s.tally().verdict(s)
}

// verdictBefore is the verdict, which the deadline turns into a rejection. deadline is zero when there is none.
func (s *Stage) verdictBefore(now time.Time) (v verdict, deadline time.Time) {
	v = s.verdict()
	d := s.Delivery
	if s.Deadline == 0 || d.Verified || d.Cause == CauseRollback || v.Result != Wait || len(s.Releases) == 0 {
		return v, time.Time{}
	}

	deadline = d.At.Add(s.Deadline)
	if !now.Before(deadline) {
		v = verdict{Result: Fail, message: fmt.Sprintf("not verified within %s: %s", s.Deadline, v.message)}
	}

	return v, deadline
}

// tracked is the record of what was verified here, up to now. What was verified last is at the end.
func (s *Stage) tracked(now time.Time) []Verification {
	record := slices.Clone(s.Verified)
	holds := s.Delivery != nil && s.verdict().Result == Pass
	for i := range record {
		v := &record[i]
		if v.Since.IsZero() || holds && v.ID == s.Delivery.ID {
			continue
		}

		v.Longest = max(v.Longest, now.Sub(v.Since))
		v.Since = time.Time{}
	}

	if !holds {
		return record
	}

	at := s.verdict().at
	i := slices.IndexFunc(record, func(v Verification) bool { return v.ID == s.Delivery.ID })
	if i < 0 {
		record = append(record, Verification{Candidate: s.Delivery.Candidate, At: at, Since: at})
		return record[max(0, len(record)-maxRemembered):]
	}

	v := record[i]
	if v.Since.IsZero() || v.Since.Before(at) {
		// Verified again: by other values, or after another candidate.
		if !v.Since.IsZero() {
			v.Longest = max(v.Longest, at.Sub(v.Since))
		}
		v.Since = at
	}

	return append(slices.Delete(record, i, i+1), v)
}

// last is the candidate that was verified last and can be gone back to; nil for none.
func (s *Stage) last() *Candidate {
	for i := len(s.Verified) - 1; i >= 0; i-- {
		c := s.Verified[i].Candidate
		if c.ID != s.Delivery.ID && s.rejection(c) == "" {
			return &c
		}
	}
	return nil
}

// Apply returns the stage as a decision leaves it.
func (s Stage) Apply(d Decision, now time.Time) Stage {
	s.Verified = d.Verified
	s.Displaced = d.Displaced
	if d.Hold != "" {
		s.HeldBy = d.Hold
	}

	deliver := func(c *Candidate) {
		s.Delivery = &Delivery{Candidate: *c, Cause: d.Cause, At: now}
	}
	switch d.Step {
	case StepPromote:
		deliver(d.Candidate)
	case StepVerify:
		delivery := *s.Delivery
		delivery.Verified = true
		s.Delivery = &delivery
	case StepReject:
		if s.recorded(d.Candidate.ID) == "" {
			rejected := append(slices.Clone(s.Rejected), Rejection{ID: d.Candidate.ID, Reason: d.Message})
			s.Rejected = rejected[max(0, len(rejected)-maxRemembered):]
		}
		if d.Back != nil {
			deliver(d.Back)
		}
	}

	return s.afterRequest(d)
}
