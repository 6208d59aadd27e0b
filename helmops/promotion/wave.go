package promotion

import (
	"fmt"
	"slices"
	"strings"
)

// MaxAdmitted bounds how many releases of a wave with a limit are on their way at the same time.
const MaxAdmitted = 100

// Wave is a part of the releases of a stage.
type Wave struct {
	// Name of the wave.
	Name string
	// Limit is how many of its releases may be on their way at the same time, in percent of the wave when Percent is
	// set; 0 for all.
	Limit   int
	Percent bool
}

// of is the limit for a number of releases.
func (w Wave) of(releases int) int {
	limit := w.Limit
	if w.Percent {
		limit = releases * w.Limit / 100
	}
	if w.Limit == 0 {
		return releases
	}
	return min(max(limit, 1), MaxAdmitted)
}

// Admission says which releases of a stage may take the candidate that the stage has. The zero value is that of a stage
// without waves.
type Admission struct {
	// ID of the candidate.
	ID Identity
	// Wave is the index of the open wave, that after the last for the releases of no wave, and Name its name.
	Wave int
	Name string
	// All is set when all releases of the open wave may take the candidate; Admitted are those of a wave with a limit.
	All      bool
	Admitted []string
	// Done is set when every release may take the candidate.
	Done bool
}

// Admits reports whether a release may take a candidate.
func (a Admission) Admits(id Identity, r Release) bool {
	switch {
	case a.ID != id:
		return false // it was decided about another candidate
	case a.Done, r.Wave < a.Wave:
		return true
	default:
		return r.Wave == a.Wave && (a.All || slices.Contains(a.Admitted, r.Name))
	}
}

// Admit decides which releases may take what the stage has: those of the first wave that has not verified it, as many
// as its limit allows. before is what was decided last; who was admitted stays so. A rollback is not limited. Nothing
// is admitted to a candidate that the stage rejects.
func (s *Stage) Admit(before Admission) Admission {
	d := s.Delivery
	if len(s.Waves) == 0 || d == nil {
		return Admission{}
	}
	if before.ID != d.ID {
		before = Admission{ID: d.ID}
	}

	switch {
	case d.Cause == CauseRollback:
		return Admission{ID: d.ID, Done: true}
	case s.rejection(d.Candidate) != "" && !d.is(s.Pin):
		before.All = false
		before.Done = false
		return before
	}

	for i := range len(s.Waves) + 1 {
		if members := s.members(i); !s.allJudged(members) {
			return s.open(i, members, before)
		}
	}

	return Admission{ID: d.ID, Done: true}
}

// members are the releases of a wave, in their order by name.
func (s *Stage) members(wave int) []Release {
	var members []Release
	for _, r := range s.Releases {
		if r.Wave == wave {
			members = append(members, r)
		}
	}
	slices.SortFunc(members, func(a, b Release) int { return strings.Compare(a.Name, b.Name) })
	return members
}

// hasVerified reports whether a release has verified what the stage has.
func (s *Stage) hasVerified(r Release) bool { return r.Current && s.Delivery.ID.covers(r.ID) }

// allJudged reports whether each release has verified what the stage has, or has failed with it where minVerified lets
// some fail. When too many fail, the stage rejects the candidate before this is asked.
func (s *Stage) allJudged(releases []Release) bool {
	return !slices.ContainsFunc(releases, func(r Release) bool {
		_, bad := r.failed(s.Delivery.ID)
		tolerated := bad && r.Current && s.MinVerified != Share{}
		return !s.hasVerified(r) && !tolerated
	})
}

// open admits releases of a wave. A release that has the candidate, or nothing yet, is on its way whether or not it is
// admitted: it counts first. A suspended one is admitted last.
func (s *Stage) open(i int, members []Release, before Admission) Admission {
	out := Admission{ID: s.Delivery.ID, Wave: i}
	wave := Wave{}
	if i < len(s.Waves) {
		wave = s.Waves[i]
	}

	out.Name = wave.Name
	limit := wave.of(len(members))
	if limit >= len(members) {
		out.All = true
		return out
	}

	admit := func(fits func(Release) bool) {
		for _, r := range members {
			known := s.hasVerified(r) || slices.Contains(out.Admitted, r.Name)
			if !known && fits(r) && len(out.Admitted) < MaxAdmitted {
				out.Admitted = append(out.Admitted, r.Name)
			}
		}
	}
	admit(func(r Release) bool { return s.Delivery.ID.covers(r.Has) || r.Has == Identity{} })
	if before.Wave == i {
		admit(func(r Release) bool { return slices.Contains(before.Admitted, r.Name) })
	}

	for _, suspended := range []bool{false, true} {
		admit(func(r Release) bool { return len(out.Admitted) < limit && r.Suspended == suspended })
	}

	slices.Sort(out.Admitted)
	return out
}

// String says which wave is open; empty when none is.
func (a Admission) String() string {
	name := "wave " + a.Name
	if a.Name == "" {
		name = "the wave of the other HelmReleases"
	}

	switch {
	case a.ID == Identity{}, a.Done:
		return ""
	case a.All:
		return name + " is open"
	default:
		return fmt.Sprintf("%s is open for %s", name, strings.Join(a.Admitted, ", "))
	}
}
