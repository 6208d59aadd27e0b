package plan

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// staleGrace is added to the timeout before a pending record of another Helm client counts as abandoned.
const staleGrace = 5 * time.Minute

// Reasons that only plans use.
const (
	ReasonInSync      = "InSync"
	ReasonAbsent      = "Absent"
	ReasonGone        = "Gone"
	ReasonOrphaned    = "Orphaned"
	ReasonUnreachable = "Unreachable"
	ReasonChanged     = "Changed"
	ReasonRenamed     = "Renamed"
	ReasonForced      = "Forced"
	ReasonFailed      = "Failed"
	ReasonRemediation = "Remediation"
	ReasonInterrupted = "Interrupted"
	ReasonUnrecorded  = "Unrecorded"
	ReasonAbandoned   = "Abandoned"
	ReasonMoved       = "Moved"
	ReasonDeleted     = "Deleted"
	ReasonBackoff     = "BackOff"
	ReasonWithdrawn   = "VersionWithdrawn"
	ReasonForeign     = "Foreign"
	ReasonUntested    = "Untested"
	ReasonDrifted     = "Drifted"
	ReasonSelected    = "Selected"
	ReasonAudit       = "Audit"
	ReasonDegraded    = "Degraded"
	ReasonUnowned     = "Unowned"
	ReasonOwnerGone   = "OwnerGone"
	ReasonUnlisted    = "Unlisted"
	ReasonAdopting    = "Adopting"
)

// rule looks at the facts and either decides or passes.
type rule struct {
	name   string
	decide func(Desired, Observed, time.Time) (Plan, bool)
}

// rules in the order they are asked; the first that decides wins. Each checks for itself the facts it needs.
var rules = []rule{
	{"underway: an action is running", underway},
	{"suspended: nothing is changed, not even on deletion", suspended},
	{"orphaned: a deleted object leaves its release behind", orphaned},
	{"inputs: everything else depends on what is wanted", needInputs},
	{"blocked: what is wanted is not known", blocked},
	{"history is needed for everything else", needHistory},
	{"owned by other: another living HelmRelease owns the release", ownedByOther},
	{"objects: they are looked at in every pass", needObjects},
	{"deleted: what is ours is uninstalled", deleted},
	{"moved: the release of the former name or namespace goes first", moved},
	{"taken: a release of the same name in another namespace has its records where those of this one would be", taken},
	{"unrecorded: our own action ended unobserved", unobservedActionRule},
	{"interrupted: no process works on our own pending record", interrupted},
	{"locked: another Helm client is at work", locked},
	{"renamed: a chart of another name replaces the release", renamed},
	{"cancelled: the user cancelled a step with this very input", cancelled},
	{"pinned: the user asked for a former revision", pinned},
	{"forced: the user asked for one install or upgrade in any case", forced},
	{"stalled: this very input cannot succeed", stalled},
	{"remedied: this very input has failed, and its policy undoes it or gives up", remediationRule},
	{"known bad: this very input failed permanently, and nothing it depends on has changed", knownBad},
	{"backing off: this very input failed a moment ago", backingOff},
	{"absent: there is no release yet", absent},
	{"failed: the newest revision failed", failed},
	{"foreign: another Helm client made what may already be as wanted", madeElsewhere},
	{"withdrawn: the range now gives an older version than the one that runs", withdrawn},
	{"changed: chart, values or rendering differ from what is deployed", changed},
	{"untested: the tests of the newest revision have not run", untested},
}

// idleRules may put something before the first upgrade of an adopted release, and may change a decision that leaves
// nothing to do.
var idleRules = []func(Desired, Observed, time.Time, Plan) (Plan, bool){adopting, baking, selected, drifted,
	unlisted, claimed}

// Decide says what happens next. It is total: with any input it gives a plan with a reason, the same for the same
// input.
func Decide(d Desired, o Observed, now time.Time) Plan {
	p := Plan{Step: None, Reason: ReasonInSync, Message: "release is in sync with " + d.Chart.String()}
	for _, r := range rules {
		if decision, decided := r.decide(d, o, now); decided {
			p = decision
			break
		}
	}

	if p.Target == (Target{}) {
		p.Target = d.Target
	}
	if p.Reason == v1beta1.OwnedByOtherReason {
		return p // the objects of the release are not looked at either
	}

	p = windowed(d, o, now, approved(d, o, now, p))
	for _, decide := range idleRules {
		if instead, decided := decide(d, o, now, p); decided {
			instead.Target = p.Target
			p = instead
		}
	}

	p = undoing(d, o, now, p)
	if p.Step == None {
		p.Tested = d.Tests.Of(o.History.Newest())
	}
	if newest := o.History.Newest(); newest != nil {
		p.Former = newest.Owner
	}

	return ordered(d, o, p)
}

func orphaned(d Desired, o Observed, _ time.Time) (Plan, bool) {
	target := o.target(d)
	return Plan{Step: None, Target: target, Reason: ReasonOrphaned, Message: fmt.Sprintf(
		"spec.deletionPolicy is Orphan: the Helm release %s/%s and its objects stay", target.Namespace, target.Name)}, d.Deleting && d.Orphan
}

func needHistory(d Desired, o Observed, _ time.Time) (Plan, bool) {
	return Plan{Step: Need, Fact: FactHistory, Target: o.target(d), Reason: string(FactHistory)}, o.History == nil
}

// target is the release that is there: the former one as long as it is.
func (o Observed) target(d Desired) Target {
	if o.Moved != nil {
		return *o.Moved
	}
	return d.Target
}

func deleted(d Desired, o Observed, now time.Time) (Plan, bool) {
	if !d.Deleting {
		return Plan{}, false
	}

	target := o.target(d)
	newest := o.History.Newest()
	switch {
	case o.absent():
		return Plan{Step: None, Target: target, Reason: ReasonGone, Message: "the Helm release is gone"}, true
	case !o.owns(d) && !newest.Ours, o.untouched():
		return Plan{Step: None, Target: target, Reason: ReasonGone, Message: "the Helm release was made by another Helm client and is left alone"}, true
	case !o.owns(d):
		return Plan{Step: None, Target: target, Reason: ReasonGone, Message: "the Helm release does not belong to this HelmRelease and is left alone"}, true
	case d.NamespaceTerminating && o.Attempt.Denied && o.Attempt.Generation == d.Generation && o.Attempt.uncounted() > 0:
		return Plan{Step: None, Target: target, Reason: ReasonUnreachable, Message: fmt.Sprintf("the namespace of the object is being deleted and the "+
			"right to uninstall %s/%s is gone; its cluster-wide objects and those in other namespaces may be left", target.Namespace, target.Name)}, true
	}

	return uninstall(d, o, now, Plan{Target: target, Reason: ReasonDeleted, Message: "the object is being deleted"}), true
}

func moved(d Desired, o Observed, now time.Time) (Plan, bool) {
	if o.Moved == nil {
		return Plan{}, false
	}
	return uninstall(d, o, now, Plan{Target: *o.Moved, Reason: ReasonMoved, Message: fmt.Sprintf(
		"the object now asks for another release name or namespace than %s/%s", o.Moved.Namespace, o.Moved.Name)}), true
}

func renamed(d Desired, o Observed, now time.Time) (Plan, bool) {
	if !o.isRenamed(d) {
		return Plan{}, false
	}
	return uninstall(d, o, now, Plan{Reason: ReasonRenamed,
		Message: fmt.Sprintf("chart %s replaces %s; it is installed next", d.Chart, o.History.Newest().Chart.Name)}), true
}

// isRenamed reports whether the release has to go for a chart of another name. What another Helm client or another
// HelmRelease made is never uninstalled for that.
func (o Observed) isRenamed(d Desired) bool {
	newest := o.History.Newest()
	return !o.absent() && !d.InPlace && o.owns(d) && !o.untouched() && newest.Chart.Name != "" &&
		newest.Chart.Name != d.Chart.Name
}

// uninstall completes a plan that ends with no release: it continues what was begun, and waits after a failure.
func uninstall(d Desired, o Observed, now time.Time, p Plan) Plan {
	newest := o.History.Newest()
	p.Step = Uninstall
	if newest != nil && newest.Ours && newest.Status == StatusUninstalling {
		p.Step = Resume
		p.Finishes = Uninstall
	}

	if wait := remaining(d, o.Attempt, now); wait > 0 {
		return Plan{Step: Wait, Target: p.Target, Reason: ReasonBackoff, After: wait,
			Message: fmt.Sprintf("uninstall failed (%s); the controller retries in %s", p.Message, wait)}
	}

	return p
}

// finishes names the action that left a record pending.
var finishes = map[string]Step{StatusPendingInstall: Install, StatusPendingUpgrade: Upgrade, StatusPendingRollback: Rollback}

func interrupted(d Desired, o Observed, now time.Time) (Plan, bool) {
	newest := o.History.Newest()
	if newest == nil || !newest.Pending() || !newest.Ours {
		return Plan{}, false
	}

	if newest.Status == StatusUninstalling {
		if p, wanted := unfinished(d, o, now); wanted {
			return p, true
		}
	}

	if wait := remaining(d, o.Attempt, now); wait > 0 {
		return Plan{Step: Wait, Reason: ReasonBackoff, After: wait,
			Message: fmt.Sprintf("revision %d is %s and could not be brought to an end; the controller retries in %s", newest.Version, newest.Status, wait)}, true
	}

	if newest.Status == StatusPendingRollback || newest.Status != StatusUninstalling && newest.made(d) {
		return Plan{Step: Resume, Finishes: finishes[newest.Status], Reason: ReasonInterrupted,
			Message: fmt.Sprintf("revision %d was left %s when the controller stopped; it is finished", newest.Version, newest.Status)}, true
	}

	return Plan{Step: Unlock, Reason: ReasonInterrupted,
		Message: fmt.Sprintf("revision %d was left %s when the controller stopped", newest.Version, newest.Status)}, true
}

// unfinished continues an uninstall that is still wanted.
func unfinished(d Desired, o Observed, now time.Time) (Plan, bool) {
	if p, wanted := renamed(d, o, now); wanted {
		return p, true
	}
	a := o.Attempt
	p, failures := governing(d, a, o.neverGood(d))
	if !a.of(d) || failures == 0 || !p.Remediates || !p.Uninstalls {
		return Plan{}, false
	}
	return remediate(d, o, now, p), true
}

func locked(d Desired, o Observed, now time.Time) (Plan, bool) {
	newest := o.History.Newest()
	if newest == nil || !newest.Pending() {
		return Plan{}, false
	}

	stale := newest.Modified.Add(d.Timeout + staleGrace)
	if wait := stale.Sub(now); wait > 0 {
		return Plan{Step: Wait, Reason: v1beta1.PendingReleaseReason, After: wait,
			Message: fmt.Sprintf("revision %d is %s by another Helm client; it counts as abandoned %s", newest.Version,
				newest.Status, stale.UTC().Format(time.RFC3339))}, true
	}

	if wait := remaining(d, o.Attempt, now); wait > 0 {
		return Plan{Step: Wait, Reason: ReasonBackoff, After: wait,
			Message: fmt.Sprintf("revision %d could not be unlocked; the controller retries in %s", newest.Version, wait)}, true
	}

	return Plan{Step: Unlock, Reason: ReasonAbandoned,
		Message: fmt.Sprintf("revision %d was left %s by another Helm client", newest.Version, newest.Status)}, true
}

// remaining is what is left of the back-off of what should bring a release to an end and could not. The failures of
// installs and upgrades do not count for it, nor those of another generation.
func remaining(d Desired, a Attempt, now time.Time) time.Duration {
	if a.uncounted() == 0 || a.Generation != d.Generation || d.Retry {
		return 0
	}
	return max(0, a.At.Add(RetryDelay(a.uncounted())).Sub(now)).Round(time.Second)
}
