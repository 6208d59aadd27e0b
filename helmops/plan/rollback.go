package plan

import (
	"maps"
	"slices"

	"fairlead.dev/fairlead/api/v1beta1"
)

// RollbackRule says which revisions of a release may be rolled back to. Controller and commands decide by it.
type RollbackRule struct {
	// Install and Upgrade say whether failed tests count against a revision that one of them made.
	Install, Upgrade Policy
	// Tests are those that count.
	Tests Tests
	// KnownBad are the inputs that failed after they had rolled out, or before.
	KnownBad []v1beta1.KnownBad
	// Verified is the revision that was verified last, 0 when there was none.
	Verified int
}

// RollbackRuleOf returns the rule for a HelmRelease, as its spec and status are.
func RollbackRuleOf(hr *v1beta1.HelmRelease) RollbackRule {
	rule := RollbackRule{
		Install: InstallPolicy(hr), Upgrade: UpgradePolicy(hr), Tests: TestsOf(hr), KnownBad: hr.Status.KnownBad,
	}
	if verified := hr.Status.LastVerified; verified != nil {
		rule.Verified = int(verified.Revision)
	}
	return rule
}

// rule returns the rule for what is decided on.
func (o Observed) rule(d Desired) RollbackRule {
	return RollbackRule{Install: d.Install, Upgrade: d.Upgrade, Tests: d.Tests, KnownBad: o.KnownBad, Verified: o.Verified}
}

// Why a revision may not be rolled back to.
const (
	// NeverGood: it was not rolled out as a whole.
	NeverGood = "was never good"
	// FailedTests: its tests failed, and that counts.
	FailedTests = "failed its tests"
	// TurnedOutBad: its input failed later.
	TurnedOutBad = "turned out to be bad"
)

// Refuses says why a revision may not be rolled back to; empty when it may. A user who names a revision may have any
// that was rolled out as a whole.
func (rule RollbackRule) Refuses(r *Record, named bool) string {
	switch {
	case !r.wasGood():
		return NeverGood
	case named:
		return ""
	case rule.failedTests(r):
		return FailedTests
	case rule.turnedOutBad(r):
		return TurnedOutBad
	default:
		return ""
	}
}

// Targets returns the revisions to go back to when none is named, best first: the newest that has what was verified
// last, itself or by a rollback to it, then those that were good, the newest first. The records are given newest
// first.
func (rule RollbackRule) Targets(records []Record) []*Record {
	var good []*Record
	for i := range records {
		if rule.Refuses(&records[i], false) == "" {
			good = append(good, &records[i])
		}
	}

	verified := slices.IndexFunc(good, func(r *Record) bool { return r.Version == rule.Verified })
	if verified < 0 {
		return good
	}

	best := verified
	for i, r := range good[:verified] {
		if r.isRollback() && r.same(good[verified]) {
			best = i
			break
		}
	}

	first := good[best]
	return append([]*Record{first}, slices.Delete(good, best, best+1)...)
}

// Others returns the revisions to go back to from one that runs, best first: those of another input.
func (rule RollbackRule) Others(records []Record, runs *Record) []*Record {
	var out []*Record
	for _, r := range rule.Targets(records) {
		if r.Version != runs.Version && !r.same(runs) {
			out = append(out, r)
		}
	}
	return out
}

// failedTests reports whether the tests of a revision failed and that counts.
func (rule RollbackRule) failedTests(r *Record) bool {
	p := rule.Upgrade
	if r.Action == Install || r.Action == "" && r.Version == 1 {
		p = rule.Install
	}
	return !p.IgnoresTests && rule.Tests.Of(r) == TestsFailed
}

// turnedOutBad reports whether a revision that rolled out well is of an input that failed later.
func (rule RollbackRule) turnedOutBad(r *Record) bool {
	return slices.ContainsFunc(rule.KnownBad, func(bad v1beta1.KnownBad) bool {
		return InputOfBad(bad) == r.Input()
	})
}

// RecordsOf returns the records of a history in a status, in its order, with what a status knows of them.
func RecordsOf(history []v1beta1.Snapshot) []Record {
	out := make([]Record, 0, len(history))
	for _, s := range history {
		r := Record{
			Version: int(s.Version), Namespace: s.Namespace, Status: s.Status, Outcome: RevisionOutcome(s.Outcome), Action: Step(s.Action),
			Chart: v1beta1.ChartRevision{Name: s.ChartName, Version: s.ChartVersion, Digest: s.ChartDigest}, AppVersion: s.AppVersion,
			ConfigDigest: s.ConfigDigest, RenderDigest: s.RenderDigest, Digest: s.Digest,
			FirstDeployed: s.FirstDeployed.Time, LastDeployed: s.LastDeployed.Time,
		}
		if s.Deleted != nil {
			r.Deleted = s.Deleted.Time
		}

		for _, name := range slices.Sorted(maps.Keys(s.TestHooks)) {
			r.Tests = append(r.Tests, TestRun{Name: name, Phase: s.TestHooks[name].Phase})
		}

		out = append(out, r)
	}

	return out
}
