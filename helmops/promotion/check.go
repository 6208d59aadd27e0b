package promotion

import (
	"time"
)

// GateChecks begins the names of the gates of checks; the name of the check follows.
const GateChecks = "checks/"

// checkEvery is when a check about the time that does not hold is asked again.
const checkEvery = time.Minute

// Predicate is a compiled expression about the environment of a candidate.
type Predicate interface {
	// Holds evaluates it, the same for the same variables. An error says why it has no answer.
	Holds(variables map[string]any) (bool, error)
	// Timed reports whether the answer changes with the time alone.
	Timed() bool
}

// Check is an expression that has to hold for a candidate.
type Check struct {
	// Name of the check.
	Name string
	// Expression as the user wrote it.
	Expression string
	// Message says what it means that the expression does not hold; empty for the expression itself.
	Message string
	// FailOnError has a candidate fail when the expression has no answer; otherwise it waits.
	FailOnError bool
	// Predicate is the compiled expression.
	Predicate Predicate
}

// askChecks asks the checks of the stage. They cost more than other gates, so they are not asked about a candidate that
// fails anyway.
func (q question) askChecks(others []Gate) []Gate {
	checks := q.stage.Gates.Checks
	if len(checks) == 0 {
		return others
	}

	failed := worst(others) == Fail
	var variables map[string]any
	if !failed {
		variables = q.environment()
	}

	for _, c := range checks {
		answer := wait(time.Time{}, "not asked, because another gate fails")
		if !failed {
			answer = c.ask(variables, q.now)
		}

		answer.Name = GateChecks + c.Name
		others = append(others, answer)
	}

	return others
}

func (c Check) ask(variables map[string]any, now time.Time) Gate {
	var until time.Time
	if c.Predicate.Timed() {
		until = now.Add(checkEvery)
	}

	holds, err := c.Predicate.Holds(variables)
	switch {
	case err != nil && c.FailOnError:
		return fail("%s has no answer: %s", c.Expression, err)
	case err != nil:
		return wait(until, "%s has no answer: %s", c.Expression, err)
	case holds:
		return pass("%s", c.Expression)
	case c.Message != "":
		return wait(until, "%s", c.Message)
	}

	return wait(until, "%s is false", c.Expression)
}

// environment is what a check sees: no object, and nothing of the spec of a HelmRelease.
func (q question) environment() map[string]any {
	var current any
	if d := q.stage.Delivery; d != nil {
		current = q.describe(d.Candidate)
	}

	upstream := []any{}
	for _, name := range q.stage.From {
		if from := q.facts.stage(name); from != nil {
			upstream = append(upstream, from.describeReleases()...)
		}
	}

	return map[string]any{
		"candidate": q.describe(q.candidate), "current": current, "stage": q.stage.Name,
		"upstream": upstream, "releases": q.stage.describeReleases(), "now": q.now,
	}
}

// describe is a candidate as checks see it. A version that is no semver has no parts.
func (q question) describe(c Candidate) map[string]any {
	described := map[string]any{
		"version": c.Version, "digest": c.ID.Chart, "valuesDigest": c.ID.Values,
		"ageSeconds": int64(q.now.Sub(c.FirstSeen) / time.Second),
	}
	if v := c.semver(); v != nil {
		described["major"], described["minor"], described["patch"] = v.Major(), v.Minor(), v.Patch()
		described["prerelease"] = v.Prerelease()
	}
	return described
}

func (s *Stage) describeReleases() []any {
	all := make([]any, 0, len(s.Releases))
	for _, r := range s.Releases {
		all = append(all, map[string]any{
			"stage": s.Name, "name": r.Name, "ready": r.Current && r.Ready, "verified": r.Current && r.ID != Identity{},
			"suspended": r.Suspended, "message": r.Message, "digest": r.Runs,
		})
	}
	return all
}
