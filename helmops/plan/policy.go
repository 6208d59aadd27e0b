package plan

import (
	"fmt"
	"slices"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Back-off after a failed attempt with the same input: 30 s, doubled up to an hour.
const (
	firstRetry = 30 * time.Second
	lastRetry  = time.Hour
)

// After a failure that was undone the controller retries soon: it has been asked for, and its timeout is a pause
// already.
const (
	firstRepeat = time.Second
	lastRepeat  = 15 * time.Minute
)

// Policy tells what follows a failed install or upgrade.
type Policy struct {
	// Default is set when the object says nothing of it, so that the policy is ours.
	Default bool
	// Remediates is set when a failure is undone before the next attempt. Otherwise the failed release stays, and is
	// upgraded again for ever.
	Remediates bool
	// Uninstalls is set when undoing means to uninstall the release, not to roll it back.
	Uninstalls bool
	// Retries is how many attempts may follow a failed one; negative is without end. It goes with Remediates.
	Retries int
	// LastToo is set when the last failure is undone, too. It goes with Remediates.
	LastToo bool
	// Pause between attempts that are not undone; 0 is a growing one.
	Pause time.Duration
	// IgnoresTests is set when failed tests do not make a failed release.
	IgnoresTests bool
}

// InstallPolicy returns what follows a failed install. By default the release is left as it is and upgraded again,
// with a growing pause: nothing is ever uninstalled unless asked for.
func InstallPolicy(hr *v1beta1.HelmRelease) Policy {
	spec := hr.GetInstall()
	ignores := hr.GetTest().IgnoreFailures
	if spec.Remediation == nil && spec.Strategy == nil {
		return Policy{Default: true, IgnoresTests: ignores}
	}
	if retries(spec.Strategy) {
		return Policy{Pause: spec.Strategy.GetRetryInterval(), IgnoresTests: ignores}
	}

	p := Policy{Remediates: true, Uninstalls: true, IgnoresTests: ignores}
	if r := spec.Remediation; r != nil {
		p.Retries = int(r.Retries)
		p.LastToo = r.RemediateLastFailure != nil && *r.RemediateLastFailure
		p.IgnoresTests = or(r.IgnoreTestFailures, ignores)
	}

	return p
}

// UpgradePolicy returns what follows a failed upgrade. By default it is rolled back once.
func UpgradePolicy(hr *v1beta1.HelmRelease) Policy {
	spec := hr.GetUpgrade()
	ignores := hr.GetTest().IgnoreFailures
	if spec.Remediation == nil && spec.Strategy == nil {
		return Policy{Default: true, Remediates: true, LastToo: true, IgnoresTests: ignores}
	}
	if retries(spec.Strategy) {
		return Policy{Pause: spec.Strategy.GetRetryInterval(), IgnoresTests: ignores}
	}

	p := Policy{Remediates: true, IgnoresTests: ignores}
	if r := spec.Remediation; r != nil {
		p.Retries = int(r.Retries)
		p.Uninstalls = r.Strategy == v1beta1.UninstallRemediation
		p.LastToo = or(r.RemediateLastFailure, r.Retries > 0)
		p.IgnoresTests = or(r.IgnoreTestFailures, ignores)
	}

	return p
}

func retries(s *v1beta1.FailureStrategy) bool { return s != nil && s.Name == v1beta1.RetryOnFailure }

func or(value *bool, fallback bool) bool {
	if value == nil {
		return fallback
	}
	return *value
}

// exhausted reports whether there were as many failures as the policy allows.
func (p Policy) exhausted(failures int64) bool {
	return p.Remediates && p.Retries >= 0 && failures > int64(p.Retries)
}

// rollsBack reports whether a failure is undone by a rollback.
func (p Policy) rollsBack() bool { return p.Remediates && !p.Uninstalls }

// Budget is how many automatic rollbacks may happen in which time.
type Budget struct {
	Count int
	Per   time.Duration
}

// String says that it is used up.
func (b Budget) String() string {
	return fmt.Sprintf("it was rolled back %d times in %s, as often as spec.autoRollback.budget allows", b.Count, b.Per)
}

func (b Budget) spent(rollbacks []time.Time, now time.Time) bool {
	within := 0
	for _, at := range rollbacks {
		if now.Sub(at) < b.Per {
			within++
		}
	}
	return b.Per > 0 && within >= b.Count
}

// governing returns the policy for the last attempt, and how many of its failures count. As long as a release has never
// been good there is nothing to roll back to, so our default for upgrades does not apply: such an upgrade is the
// installation that continues.
func governing(d Desired, a Attempt, neverGood bool) (Policy, int64) {
	switch {
	case a.Action == Install:
		return d.Install, a.InstallFailures
	case d.Upgrade.Default && neverGood:
		return d.Install, a.counted()
	default:
		return d.Upgrade, a.UpgradeFailures
	}
}

// pause is how long to wait after the last attempt with this input before the next one.
func pause(p Policy, a Attempt) time.Duration {
	switch {
	case a.counted() == 0:
		return RetryDelay(a.Failures)
	case p.Remediates && a.uncounted() > 0:
		return RetryDelay(a.uncounted())
	case p.Remediates:
		return doubled(firstRepeat, lastRepeat, a.counted())
	case p.Pause > 0:
		return p.Pause
	default:
		return RetryDelay(a.Failures)
	}
}

// NextAttempt returns when the last failed attempt is repeated; false when that has no time.
func NextAttempt(hr *v1beta1.HelmRelease) (time.Time, bool) {
	a := AttemptOf(&hr.Status)
	if a.Failures <= 0 || a.At.IsZero() {
		return time.Time{}, false
	}
	d := Desired{Install: InstallPolicy(hr), Upgrade: UpgradePolicy(hr)}
	p, _ := governing(d, a, hr.Status.LastVerified == nil)
	return a.At.Add(pause(p, a)), true
}

// RetryDelay is the back-off after the given number of failures: 30 s for the first, doubled for each further one, at
// most an hour.
func RetryDelay(failures int64) time.Duration { return doubled(firstRetry, lastRetry, failures) }

func doubled(first, last time.Duration, times int64) time.Duration {
	for range min(times-1, 20) {
		first *= 2
	}
	return min(first, last)
}

// Tested is what the tests of a revision say.
type Tested string

// What the tests of a revision say.
const (
	// NoTests: there are none, or they are not wanted.
	NoTests Tested = ""
	// Untested: some have not run on this revision yet.
	Untested Tested = "untested"
	// TestsPassed and TestsFailed: how they ended. The first that fails is the last that runs.
	TestsPassed Tested = "passed"
	TestsFailed Tested = "failed"
)

// Tests returns which tests of the chart are wanted.
type Tests struct {
	Enabled bool
	Filters []v1beta1.TestFilter
}

// TestsOf returns the tests that a HelmRelease wants.
func TestsOf(hr *v1beta1.HelmRelease) Tests {
	test := hr.GetTest()
	return Tests{Enabled: test.Enable, Filters: test.Filters}
}

// Of tells what the wanted tests of a revision say. A revision that was made by a rollback is not tested.
func (t Tests) Of(r *Record) Tested {
	if !t.Enabled || r == nil || r.isRollback() {
		return NoTests
	}

	out := NoTests
	for _, run := range r.Tests {
		switch {
		case !t.wants(run.Name):
		case run.Phase == "Failed":
			return TestsFailed
		case run.Phase != "Succeeded":
			out = Untested
		case out == NoTests:
			out = TestsPassed
		}
	}

	return out
}

// Run reports whether a test of the name runs after an install or upgrade.
func (t Tests) Run(name string) bool { return t.Enabled && t.wants(name) }

// wants follows Helm: what is excluded goes, and when anything is named, only that stays.
func (t Tests) wants(name string) bool {
	named := false
	for _, f := range t.Filters {
		if f.Exclude && f.Name == name {
			return false
		}
		named = named || !f.Exclude
	}
	return !named || slices.ContainsFunc(t.Filters, func(f v1beta1.TestFilter) bool { return !f.Exclude && f.Name == name })
}
