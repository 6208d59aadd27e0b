package promotion

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Share is a part of the releases of a stage: a count, or a percentage. The zero value is all of them.
type Share struct {
	// Count of releases; zero when Percent says it.
	Count int
	// Percent of the releases, rounded up.
	Percent int
}

// of is how many of a number of releases the share is.
func (s Share) of(all int) int {
	switch {
	case s.Count > 0:
		return s.Count
	case s.Percent > 0:
		return (all*s.Percent + 99) / 100
	}
	return all
}

// String names the share as the API writes it.
func (s Share) String() string {
	switch {
	case s.Count > 0:
		return fmt.Sprint(s.Count)
	case s.Percent > 0:
		return fmt.Sprintf("%d%%", s.Percent)
	}
	return "100%"
}

// tally is what the releases of a stage say of what it has.
type tally struct {
	// verified are the times at which releases verified it.
	verified []time.Time
	// failed and missing say why others did not.
	failed, missing []string
}

func (s *Stage) tally() tally {
	d := s.Delivery
	var t tally
	for _, r := range s.Releases {
		why, bad := r.failed(d.ID)
		switch {
		case r.Current && d.ID.covers(r.ID):
			t.verified = append(t.verified, r.At)
		case r.Current && bad:
			t.failed = append(t.failed, r.Name+": "+why)
		case r.Suspended:
			t.missing = append(t.missing, r.Name+": suspended")
		case !r.Current:
			t.missing = append(t.missing, r.Name+": the last change of its spec is not reconciled yet")
		default:
			t.missing = append(t.missing, r.Name+": "+r.Message)
		}
	}

	return t
}

// verdict is Pass when as many releases as the stage wants have verified the candidate, and Fail when so many failed
// that the others cannot reach that number any more.
func (t tally) verdict(s *Stage) verdict {
	all := len(s.Releases)
	need := s.MinVerified.of(all)
	switch {
	case len(t.verified) >= need:
		return verdict{Result: Pass, message: t.passed(s, need), at: t.since(s.Delivery.At, need)}
	case len(t.failed) > 0 && need > all-len(t.failed):
		return verdict{Result: Fail, message: t.rejected(s, need)}
	case need > all:
		return verdict{Result: Wait, message: fmt.Sprintf("%d HelmReleases have to verify it, and the stage has %d",
			need, all)}
	case s.Copies:
		return verdict{Result: Wait, message: strings.Join(t.missing, "; ")}
	case s.MinVerified == Share{}:
		return verdict{Result: Wait, message: fmt.Sprintf("%d of %d HelmReleases have not verified it: %s",
			len(t.missing), all, strings.Join(t.missing, "; "))}
	}

	return verdict{Result: Wait, message: fmt.Sprintf("verified by %d of %d HelmReleases, %d have to: %s",
		len(t.verified), all, need, strings.Join(slices.Concat(t.failed, t.missing), "; "))}
}

func (t tally) passed(s *Stage, need int) string {
	all := len(s.Releases)
	if len(t.verified) == all {
		return s.verifiedBy()
	}
	return fmt.Sprintf("verified by %d of %d HelmReleases, %d have to", len(t.verified), all, need)
}

func (t tally) rejected(s *Stage, need int) string {
	first := s.kind() + t.failed[0]
	if (s.MinVerified == Share{}) {
		return first
	}
	return fmt.Sprintf("%d of %d HelmReleases failed, %d have to verify it; %s", len(t.failed), len(s.Releases), need,
		first)
}

// since is when the last of the releases that are needed had verified the candidate, after it was delivered.
func (t tally) since(delivered time.Time, need int) time.Time {
	times := slices.Clone(t.verified)
	slices.SortFunc(times, time.Time.Compare)
	if at := times[need-1]; at.After(delivered) {
		return at
	}
	return delivered
}
