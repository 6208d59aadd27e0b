package plan

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// absent reports whether there is no release.
func (o Observed) absent() bool {
	newest := o.History.Newest()
	return newest == nil || newest.Status == StatusUninstalled
}

// broken reports whether the revision failed: its rollout, or its tests where these count.
func (r *Record) broken(d Desired) bool {
	return r.Status == StatusFailed || r.Status == StatusDeployed && r.made(d) && r.failedTests(d)
}

// failedTests reports whether the tests of the revision failed and that counts.
func (r *Record) failedTests(d Desired) bool { return Observed{}.rule(d).failedTests(r) }

// unobservedActionRule finds the oldest action of ours that ended without being taken over into status, because the
// controller stopped in between. It counts like any other. One that succeeded needs nothing: it is what is wanted, or
// is upgraded.
func unobservedActionRule(d Desired, o Observed, _ time.Time) (Plan, bool) {
	if o.absent() {
		return Plan{}, false
	}

	records := o.History.Records
	if o.testsUnobserved(d) {
		return Plan{Step: Recount, To: o.Recorded, Finishes: Test, Reason: ReasonUnrecorded,
			Message: fmt.Sprintf("the tests of revision %d failed while no controller looked", o.Recorded)}, true
	}

	for i := len(records) - 1; i >= 0; i-- {
		r := &records[i]
		if r.Version <= o.Recorded || o.Recorded == 0 && i > 0 {
			continue // known, or so old that it is not known what was wanted then
		}

		if action := o.ended(d, i); action != "" {
			return Plan{Step: Recount, To: r.Version, Finishes: action, Reason: ReasonUnrecorded,
				Message: fmt.Sprintf("revision %d ended as %s while no controller looked", r.Version, r.Status)}, true
		}
	}

	return Plan{}, false
}

// testsUnobserved reports whether the tests of the newest revision failed since status looked at it.
func (o Observed) testsUnobserved(d Desired) bool {
	newest := o.History.Newest()
	return newest.Version == o.Recorded && newest.Digest != o.RecordedDigest && newest.Ours && newest.Status == StatusDeployed && newest.broken(d)
}

// ended names the action that made a revision and that counts; empty when it does not.
func (o Observed) ended(d Desired, i int) Step {
	r := &o.History.Records[i]
	rest := o.History.Records[i+1:]
	switch {
	case !r.Ours || r.Outcome == OutcomeSuperseded || r.Pending():
		return ""
	case r.isRollback():
		if o.Attempt.of(d) && o.Attempt.counted() > 0 && !r.made(d) {
			return Rollback
		}
		return ""
	case r.Status != StatusFailed || !r.made(d):
		return ""
	case len(rest) == 0 || rest[0].Status == StatusUninstalled:
		return Install
	default:
		return Upgrade
	}
}

func forced(d Desired, o Observed, _ time.Time) (Plan, bool) {
	p := Plan{Step: Upgrade, Reason: ReasonForced, Message: "forced, to " + d.Chart.String()}
	if o.absent() {
		p.Step = Install
	}
	return p, d.Force
}

func stalled(d Desired, o Observed, _ time.Time) (Plan, bool) {
	if !o.Attempt.Stalled || !o.Attempt.of(d) {
		return Plan{}, false
	}
	return Plan{Step: Wait, Reason: ReasonFailed, Stalled: true, Message: "the last attempt with this chart and these values cannot succeed"}, true
}

// remediationRule follows the policy of an install or upgrade that failed in the cluster.
func remediationRule(d Desired, o Observed, now time.Time) (Plan, bool) {
	a := o.Attempt
	if !a.of(d) || a.counted() == 0 {
		return Plan{}, false
	}

	newest := o.History.Newest()
	if o.absent() {
		return exceeded(a.InstallFailures), d.Install.exhausted(a.InstallFailures)
	}
	if !newest.broken(d) {
		return exceeded(a.UpgradeFailures), !newest.made(d) && d.Upgrade.exhausted(a.UpgradeFailures)
	}

	p, failures := governing(d, a, o.neverGood(d))
	if held := o.rollbackBlocked(d, now); held != "" && p.rollsBack() {
		if p.Default {
			return Plan{}, false // it is retried by upgrade
		}
		return keepFailed(newest, held), true
	}

	if !p.Remediates {
		// The failed release is retried by upgrade, and what the object says of upgrades bounds that.
		return exceeded(a.UpgradeFailures), !d.Upgrade.Default && d.Upgrade.exhausted(a.UpgradeFailures)
	}

	switch {
	case failures == 0:
		return Plan{}, false
	case p.exhausted(failures) && !p.LastToo:
		return exceeded(failures), true
	default:
		return remediate(d, o, now, p), true
	}
}

// RetriesAfter says what makes the controller try an input again that has failed permanently.
const RetriesAfter = "the controller retries it when the chart, the values or a timeout, wait, test, health or " +
	"remediation setting changes, or after a reset"

func exceeded(failures int64) Plan {
	times := fmt.Sprintf("%d times", failures)
	if failures == 1 {
		times = "once"
	}

	return Plan{
		Step: Wait, Reason: v1beta1.RetriesExceededReason, Stalled: true, MarksKnownBad: true,
		Message: "this input has failed " + times + ", as often as its policy allows; " + RetriesAfter,
	}
}

// remediate is the remediation of a failed revision. It follows at once, and with back-off after it failed itself.
func remediate(d Desired, o Observed, now time.Time, policy Policy) Plan {
	newest := o.History.Newest()
	if policy.Uninstalls {
		return uninstall(d, o, now, Plan{Reason: ReasonRemediation, Message: fmt.Sprintf("revision %d failed", newest.Version)})
	}

	targets := o.rollbackTargets(d)
	if len(targets) == 0 {
		return Plan{Step: Wait, Reason: v1beta1.MissingRollbackTargetReason, Stalled: true, Message: fmt.Sprintf(
			"revision %d failed, and no good revision is left in storage to roll back to; correct the chart, the values or the spec, or reset "+
				"the release to have it tried again", newest.Version)}
	}

	p := rollbackTo(d, o, now, targets, fmt.Sprintf("revision %d failed", newest.Version))
	_, failures := governing(d, o.Attempt, o.neverGood(d))
	p.MarksKnownBad = policy.exhausted(failures)
	return p
}

// rollbackTo is the rollback to the best of the targets. It follows at once, and with back-off after it failed.
func rollbackTo(d Desired, o Observed, now time.Time, targets []*Record, why string) Plan {
	to := targets[0]
	if wait := remaining(d, o.Attempt, now); wait > 0 && o.Attempt.UndoFailed {
		return Plan{Step: Wait, Reason: ReasonBackoff, After: wait,
			Message: fmt.Sprintf("the rollback to revision %d failed; the controller retries in %s", to.Version, wait)}
	}

	p := Plan{Step: Rollback, To: to.Version, Reason: ReasonRemediation,
		Message: fmt.Sprintf("%s; revision %d ran %s %s", why, to.Version, to.Chart.Name, to.Chart.Version)}
	for _, other := range targets[1:] {
		p.Others = append(p.Others, other.Version)
	}

	return p
}

// keepFailed leaves a failed revision as it is.
func keepFailed(newest *Record, held string) Plan {
	return Plan{Step: Wait, Reason: v1beta1.RollbackHeldReason, Stalled: true, MarksKnownBad: true, Message: fmt.Sprintf(
		"revision %d failed and is left as it is: %s", newest.Version, held)}
}

// rollbackBlocked says why a revision that fails may not be rolled back, or why that would not help; empty when it may.
func (o Observed) rollbackBlocked(d Desired, now time.Time) string {
	newest := o.History.Newest()
	switch {
	case d.KeepFailed:
		return "spec.autoRollback.mode is disabled"
	case newest.ForwardOnly != "":
		return newest.ForwardOnly
	case d.Upgrade.Default && o.Attempt.of(d) && o.Attempt.NotAttributable != "":
		return o.Attempt.NotAttributable
	case d.Upgrade.Default && d.Budget.spent(o.Rollbacks, now):
		return d.Budget.String()
	default:
		return ""
	}
}

// rollbackTargets are the revisions to go back to, best first.
func (o Observed) rollbackTargets(d Desired) []*Record { return o.rule(d).Targets(o.History.Records) }

// same reports whether two revisions were made from the same input.
func (r *Record) same(other *Record) bool {
	return r.Chart.Name == other.Chart.Name && v1beta1.SameVersion(r.Chart.Version, other.Chart.Version) && r.Input() == other.Input()
}

// neverGood reports whether no revision of the release ever was.
func (o Observed) neverGood(d Desired) bool { return o.Verified == 0 && len(o.rollbackTargets(d)) == 0 }

func backingOff(d Desired, o Observed, now time.Time) (Plan, bool) {
	a := o.Attempt
	if a.Failures == 0 || !a.of(d) || d.Retry {
		return Plan{}, false
	}

	p, _ := governing(d, a, o.neverGood(d))
	message := fmt.Sprintf("attempt %d failed", a.Failures)
	if newest := o.History.Newest(); !o.absent() && newest.broken(d) && p.Default && p.rollsBack() {
		if held := o.rollbackBlocked(d, now); held != "" {
			p = Policy{Default: true}
			message = message + " and is not rolled back: " + held
		}
	}

	wait := max(0, a.At.Add(pause(p, a)).Sub(now)).Round(time.Second)
	return Plan{Step: Wait, Reason: ReasonBackoff, After: wait,
		Message: fmt.Sprintf("%s; the next one is in %s", message, wait)}, wait > 0
}

func absent(d Desired, o Observed, _ time.Time) (Plan, bool) {
	return Plan{Step: Install, Reason: ReasonAbsent, Message: "chart " + d.Chart.String()}, o.absent()
}

func failed(d Desired, o Observed, _ time.Time) (Plan, bool) {
	newest := o.History.Newest()
	return Plan{Step: Upgrade, Reason: ReasonFailed,
			Message: fmt.Sprintf("revision %d failed; the controller upgrades to %s", newest.Version, d.Chart)},
		newest.broken(d)
}
