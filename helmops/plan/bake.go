package plan

import (
	"fmt"
	"slices"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/window"
)

// bakeGrace is how long a revision may be unhealthy without a break before that counts against it, and never more
// than half of its bake time. A permanent failure is not waited for.
const bakeGrace = 30 * time.Second

// reconsider is how soon a verdict that was put off is thought over again.
const reconsider = 15 * time.Second

// Health of the live objects of a release.
type Health struct {
	// Known is unset while the cluster cannot be watched.
	Known bool
	// Healthy is set when every object is, or when enough of it is there to serve.
	Healthy bool
	// Failed is set when an object will not become healthy by itself.
	Failed bool
	// Since is when it has last become healthy, or unhealthy.
	Since time.Time
	// Message names the worst objects and their causes; empty when healthy.
	Message string
}

// Bake is the watch over a revision that has rolled out.
type Bake struct {
	Revision int
	// Until is when it is verified.
	Until time.Time
}

// Pin is the wish of a user to stay at a former revision.
type Pin struct {
	Revision int
	Reason   string
}

// NotAttributable says why a failure is not held against the input that failed; empty when it is. before is the
// health of the release before it was changed, notAttributable what else goes wrong at the same time.
func NotAttributable(before Health, shaken string) string {
	if before.Known && !before.Healthy {
		return "the release was not healthy before, either"
	}
	return shaken
}

// Widespread says that so many releases are failing at once that none of them is likely to be the cause; empty when
// they are not.
func Widespread(failing, all int) string {
	const atLeast, percent = 5, 30
	if failing < atLeast || failing*100 <= all*percent {
		return ""
	}
	return fmt.Sprintf("%d of %d releases are failing at once", failing, all)
}

// baking watches the newest revision for a while after it has become what is wanted.
func baking(d Desired, o Observed, now time.Time, otherwise Plan) (Plan, bool) {
	settled := otherwise.Step == None && (otherwise.Reason == ReasonInSync || otherwise.Reason == ReasonWithdrawn)
	if otherwise.leavesWhatRuns() {
		return bakingBeside(d, o, now, otherwise)
	}

	newest := o.History.Newest()
	if !settled || o.Bake == nil || o.Bake.Revision != newest.Version || newest.Status != StatusDeployed {
		return Plan{}, false
	}

	p := Plan{Step: None, Reason: v1beta1.BakingReason, Baking: true}
	left := o.Bake.Until.Sub(now)
	bad := now.Sub(o.Health.Since)
	grace := min(bakeGrace, d.Bake/2)
	switch {
	case !o.Health.Known:
		p.After = max(left, reconsider) // the condition Healthy says why
	case o.Health.Healthy && left <= 0:
		return Plan{}, false
	case o.Health.Healthy:
		p.After, p.Message = left, "it is verified if it stays healthy until "+o.Bake.Until.UTC().Format(time.RFC3339)
	case !o.Health.Failed && bad < grace:
		p.After = grace - bad
		p.Message = "it is not healthy at the moment: " + o.Health.Message
	default:
		return degraded(d, o, now), true
	}

	return p, true
}

// leavesWhatRuns reports whether the next revision waits for an approval or a window, and the one that runs is good.
func (p Plan) leavesWhatRuns() bool {
	return p.Reason == v1beta1.AwaitingApprovalReason || p.Held != nil && p.Step == None
}

// bakingBeside watches the revision that runs while the next one waits for an approval or a window.
func bakingBeside(d Desired, o Observed, now time.Time, waits Plan) (Plan, bool) {
	p, bakes := baking(d, o, now, Plan{Step: None, Reason: ReasonInSync})
	switch {
	case !bakes:
		return Plan{}, false
	case p.Acts():
		p.Revision = o.History.Newest()
		return p, true
	case waits.Step == None:
		p.Revision = o.History.Newest()
		p.Held = waits.Held
		p.Note = waits.Note
		p.After = sooner(p.After, waits.After)
		return p, true
	}

	waits.Bake = &p
	if p.After > 0 {
		waits.After = min(waits.After, p.After)
	}

	return waits, true
}

// degraded is the verdict on a revision that did not stay healthy.
func degraded(d Desired, o Observed, now time.Time) Plan {
	newest := o.History.Newest()
	why := fmt.Sprintf("revision %d did not stay healthy: %s", newest.Version, o.Health.Message)
	put := Plan{Step: None, Baking: true, After: reconsider, Failure: o.Health.Message}
	if excuse := o.excuse(); excuse != "" {
		put.Reason = v1beta1.InconclusiveReason
		put.Message = fmt.Sprintf("%s; it is not rolled back, because %s", why, excuse)
		return put
	}

	held := o.rollbackBlocked(d, now)
	targets := o.rule(d).Others(o.History.Records, newest)
	closed, isClosed := d.Windows.holdRepairs(now)
	switch {
	case held != "":
	case isClosed:
		held = window.Describe("the rollback", closed, 0)
		put.After = pauseUntil(closed.Opens, now)
	case !d.Upgrade.rollsBack():
		held = "spec.upgrade says that a failed revision is not rolled back"
	case d.Budget.spent(o.Rollbacks, now):
		held = d.Budget.String()
	case len(targets) == 0:
		held = "there is no other good revision in storage to go back to"
	}

	if held != "" {
		put.Reason = v1beta1.RollbackHeldReason
		put.Message = fmt.Sprintf("%s; it is not rolled back: %s", why, held)
		return put
	}

	p := rollbackTo(d, o, now, targets, why)
	if p.Step == Rollback {
		p.Reason = ReasonDegraded
		p.MarksKnownBad = true
		p.Failure = o.Health.Message
	}

	return p
}

// excuse says why a release that is not healthy is not to blame for it.
func (o Observed) excuse() string {
	if len(o.Drifted) > 0 || o.Differs {
		return "objects were changed by another client"
	}
	return o.NotAttributable
}

// pinned goes to the revision that a user has asked for, and stays there.
func pinned(d Desired, o Observed, now time.Time) (Plan, bool) {
	if d.Pin == nil || o.absent() {
		return Plan{}, false
	}

	newest := o.History.Newest()
	what := fmt.Sprintf("revision %d was asked for", d.Pin.Revision)
	if d.Pin.Reason != "" {
		what += " (" + d.Pin.Reason + ")"
	}

	for i := range o.History.Records {
		r := &o.History.Records[i]
		switch {
		case r.Version != d.Pin.Revision:
			continue
		case newest.Status == StatusDeployed && (r == newest || newest.isRollback() && newest.same(r)):
			return Plan{Step: None, Reason: v1beta1.RolledBackReason, To: r.Version, Message: what +
				"; it stays until the chart, the values or the post renderers change, or you remove the request"}, true
		}

		if why := o.rule(d).Refuses(r, true); why != "" {
			return d.Pin.impossible(what, why), true
		}

		p := rollbackTo(d, o, now, []*Record{r}, what)
		if p.Step == Rollback {
			p.Reason = v1beta1.RolledBackReason
		}

		return p, true
	}

	return d.Pin.impossible(what, "is no longer in storage"), true
}

func (p Pin) impossible(what, why string) Plan {
	return Plan{Step: Wait, To: p.Revision, Reason: v1beta1.MissingRollbackTargetReason, Stalled: true,
		Message: what + ", and " + why + "; take the request back or name another revision"}
}

// knownBad keeps from trying an input again that has failed permanently.
func knownBad(d Desired, o Observed, now time.Time) (Plan, bool) {
	bad, is := o.bad(d)
	newest := o.History.Newest()
	if !is || !o.absent() && newest.made(d) && !newest.broken(d) {
		return Plan{}, false
	}
	if !o.absent() && newest.broken(d) && d.Upgrade.rollsBack() && d.Upgrade.LastToo && o.rollbackBlocked(d, now) == "" && len(o.rollbackTargets(d)) > 0 {
		return rollbackTo(d, o, now, o.rollbackTargets(d), fmt.Sprintf("revision %d failed", newest.Version)), true
	}

	return Plan{Step: Wait, Reason: v1beta1.KnownBadReason, Stalled: true, Message: fmt.Sprintf(
		"chart %s with these values failed on %s (%s); %s",
		d.Chart, bad.Since.UTC().Format(time.RFC3339), bad.Reason, RetriesAfter)}, true
}

// bad finds the input that is wanted among those that failed.
func (o Observed) bad(d Desired) (v1beta1.KnownBad, bool) {
	i := slices.IndexFunc(o.KnownBad, func(bad v1beta1.KnownBad) bool {
		return InputOfBad(bad) == d.Input() && bad.SettingsDigest == d.SettingsDigest
	})
	if i < 0 {
		return v1beta1.KnownBad{}, false
	}
	return o.KnownBad[i], true
}

// drifted looks at objects that another client has changed, when nothing else has to be done with the release. While
// it may not look at them, no time is named at which it would.
func drifted(d Desired, o Observed, now time.Time, otherwise Plan) (Plan, bool) {
	newest := o.History.Newest()
	if !o.mayLook(d, otherwise) {
		return Plan{}, false
	}

	p := Plan{Step: Inspect, Reason: ReasonDrifted, To: newest.Version, Objects: o.Drifted}
	switch {
	case len(o.Drifted) == 0 && o.AuditAt.IsZero():
		return Plan{}, false
	case len(o.Drifted) == 0 && now.Before(o.AuditAt):
		otherwise.Audit = o.AuditAt.Sub(now)
		return otherwise, true
	case len(o.Drifted) == 0:
		p.Reason = ReasonAudit
		p.Message = "every object is compared with its manifest"
		return p, true
	case d.Corrects && (newest.Ours || !o.Probation):
		p.Step = Correct
	}

	p.Message = fmt.Sprintf("%d objects were changed by another client", len(o.Drifted))
	if closed, isClosed := d.Windows.holdRepairs(now); isClosed && p.Step == Correct {
		what := "the repair of what another client has changed"
		otherwise.Note = noted(otherwise.Note, window.Describe(what, closed, 0))
		otherwise.After = sooner(otherwise.After, pauseUntil(closed.Opens, now))
		return otherwise, true
	}

	return p, true
}

// unlisted lists the objects of a revision that was adopted, or that an earlier process made: what is not listed
// is not watched.
func unlisted(d Desired, o Observed, _ time.Time, otherwise Plan) (Plan, bool) {
	if !o.Unlisted || !o.mayLook(d, otherwise) {
		return Plan{}, false
	}
	newest := o.History.Newest()
	return Plan{Step: Inspect, Reason: ReasonUnlisted, To: newest.Version,
		Message: fmt.Sprintf("the objects of revision %d are not listed yet", newest.Version)}, true
}

// mayLook reports whether the live objects of the newest revision may be looked at, because nothing else has to be
// done.
func (o Observed) mayLook(d Desired, otherwise Plan) bool {
	newest := o.History.Newest()
	idle := otherwise.Step == None || otherwise.Step == Wait
	return idle && newest != nil && newest.Status == StatusDeployed && !d.Suspended && !d.Deleting && o.Moved == nil
}
