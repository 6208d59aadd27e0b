package promotion

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
)

// semver is the version as semver, with an optional leading v; nil for a text that is none.
func (c Candidate) semver() *semver.Version {
	v, err := semver.StrictNewVersion(strings.TrimPrefix(c.Version, "v"))
	if err != nil {
		return nil
	}
	return v
}

// compare orders candidates by version, and those of one version by when they were first seen: the later one is newer.
// A version that is no semver is lower than any that is.
func (c Candidate) compare(other Candidate) int {
	if order := c.compareVersion(other); order != 0 {
		return order
	}
	return cmp.Or(c.FirstSeen.Compare(other.FirstSeen), strings.Compare(c.ID.Chart, other.ID.Chart),
		strings.Compare(c.ID.Values, other.ID.Values))
}

func (c Candidate) compareVersion(other Candidate) int {
	a := c.semver()
	b := other.semver()
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}

	return a.Compare(b)
}

// lower reports whether the version is a lower one.
func (c Candidate) lower(other Candidate) bool { return c.compareVersion(other) < 0 }

// newestFirst sorts candidates.
func newestFirst(candidates []Candidate) []Candidate {
	sorted := slices.Clone(candidates)
	slices.SortFunc(sorted, func(a, b Candidate) int { return b.compare(a) })
	return sorted
}

// is reports whether a text names the candidate: its version, with or without a leading v, or the digest of its chart
// or of its shared values.
func (c Candidate) is(text string) bool {
	if text == "" {
		return false
	}
	return text == c.ID.Chart || text == c.ID.Values ||
		strings.TrimPrefix(text, "v") == strings.TrimPrefix(c.Version, "v")
}

// within reports whether the version is in a range. A range that is one version is that very version.
func (c Candidate) within(text string) bool {
	v := c.semver()
	if _, err := semver.StrictNewVersion(strings.TrimPrefix(text, "v")); err == nil {
		return c.is(text)
	}
	limit, err := semver.NewConstraint(text)
	return err == nil && v != nil && limit.Check(v)
}

func inRange(q question) Gate {
	text := q.stage.Gates.Range
	if text == "" {
		return pass("any version")
	}

	limit, err := semver.NewConstraint(text)
	if err != nil {
		return fail("gates.range %q is no version range", text)
	}

	v := q.candidate.semver()
	if v == nil {
		return fail("%q is no semver version, so it is not in %q", q.candidate.Version, text)
	}

	limit.IncludePrerelease = true // gates.prereleases decides about those
	if !limit.Check(v) {
		return fail("not in %q", text)
	}

	return pass("in %q", text)
}

func prereleases(q question) Gate {
	if !q.stage.Gates.NoPrereleases {
		return pass("pre-releases are allowed")
	}

	v := q.candidate.semver()
	switch {
	case v == nil:
		return fail("%q is no semver version", q.candidate.Version)
	case v.Prerelease() != "":
		return fail("a pre-release")
	}

	return pass("no pre-release")
}

// bump wants an approval for a step that is larger than the stage takes automatically.
func bump(q question) Gate {
	d := q.stage.Delivery
	if d == nil || q.stage.Gates.Bump == "" || q.stage.Gates.Bump == BumpMajor {
		return pass("any step is allowed")
	}
	if !q.leaps() {
		return pass("the step from %s is allowed", d.Version)
	}

	answer := approved(q)
	if answer.Result != Pass {
		step := strings.ToLower(stepBetween(d.Candidate, q.candidate))
		answer.Message = "the step from " + d.Version + " is a " + step + " one: " + answer.Message
	}

	return answer
}

// leaps reports whether the step to the candidate is larger than the stage takes automatically.
func (q question) leaps() bool {
	d := q.stage.Delivery
	if d == nil || q.stage.Gates.Bump == "" {
		return false
	}
	return steps[stepBetween(d.Candidate, q.candidate)] > steps[q.stage.Gates.Bump]
}

var steps = map[string]int{BumpPatch: 1, BumpMinor: 2, BumpMajor: 3}

// stepBetween is the largest part of a version that differs. What is no semver version is a major step away.
func stepBetween(from, to Candidate) string {
	a := from.semver()
	b := to.semver()
	switch {
	case a == nil || b == nil || a.Major() != b.Major():
		return BumpMajor
	case a.Minor() != b.Minor():
		return BumpMinor
	}
	return BumpPatch
}

func list(names []string) string { return strings.Join(names, ", ") }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
