package plan

import (
	"fmt"
	"time"

	"github.com/Masterminds/semver/v3"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Back-off after a failed attempt with the same input: 30 s, doubled up to an hour.
const (
	firstRetry = 30 * time.Second
	lastRetry  = time.Hour
	// staleGrace is added to the timeout before a pending record of another Helm client counts as abandoned.
	staleGrace = 5 * time.Minute
)

// Reasons that only plans use.
const (
	ReasonInSync      = "InSync"
	ReasonAbsent      = "Absent"
	ReasonGone        = "Gone"
	ReasonChanged     = "Changed"
	ReasonFailed      = "Failed"
	ReasonInterrupted = "Interrupted"
	ReasonAbandoned   = "Abandoned"
	ReasonMoved       = "Moved"
	ReasonDeleted     = "Deleted"
	ReasonBackoff     = "BackOff"
	ReasonWithdrawn   = "VersionWithdrawn"
)

// rule looks at the facts and either decides or passes.
type rule struct {
	name   string
	decide func(Desired, Observed, time.Time) (Plan, bool)
}

// rules in the order they are asked; the first that decides wins. Each checks for itself the facts it needs.
var rules = []rule{
	{"suspended: nothing is changed, not even on deletion", suspended},
	{"history is needed for everything else", needHistory},
	{"deleted: what is ours is uninstalled", deleted},
	{"moved: the release of the former name or namespace goes first", moved},
	{"interrupted: our own pending record has nobody working on it", interrupted},
	{"locked: another Helm client is at work", locked},
	{"stalled: this very input cannot succeed", stalled},
	{"backing off: this very input failed a moment ago", backingOff},
	{"absent: there is no release yet", absent},
	{"failed: the newest revision failed", failed},
	{"withdrawn: the range now gives an older version than the one that runs", withdrawn},
	{"changed: chart or values differ from what is deployed", changed},
}

// Decide says what happens next. It is total: with any input it gives a plan with a reason, the same for the same input.
func Decide(d Desired, o Observed, now time.Time) Plan {
	for _, r := range rules {
		if p, decided := r.decide(d, o, now); decided {
			if p.Target == (Target{}) {
				p.Target = d.Target
			}
			return p
		}
	}
	return Plan{Step: None, Target: d.Target, Reason: ReasonInSync, Message: "release is in sync with " + d.Chart.String()}
}

func suspended(d Desired, _ Observed, _ time.Time) (Plan, bool) {
	return Plan{Step: None, Reason: v1beta1.SuspendedReason, Message: "spec.suspend is set"}, d.Suspended
}

func needHistory(d Desired, o Observed, _ time.Time) (Plan, bool) {
	target := d.Target
	if o.Moved != nil {
		target = *o.Moved
	}
	return Plan{Step: Need, Fact: FactHistory, Target: target, Reason: string(FactHistory)}, o.History == nil
}

func deleted(d Desired, o Observed, now time.Time) (Plan, bool) {
	if !d.Deleting {
		return Plan{}, false
	}
	target := d.Target
	if o.Moved != nil {
		target = *o.Moved
	}
	newest := o.History.Newest()
	switch {
	case newest == nil || newest.Status == StatusUninstalled:
		return Plan{Step: None, Target: target, Reason: ReasonGone, Message: "the Helm release is gone"}, true
	case !o.Managed && !newest.Ours:
		return Plan{Step: None, Target: target, Reason: ReasonGone, Message: "the Helm release was made by another Helm client and is left alone"}, true
	}
	if wait := remaining(d, o.Attempt, now); wait > 0 && !d.Retry {
		return Plan{Step: Wait, Target: target, Reason: ReasonBackoff, After: wait,
			Message: "uninstall failed; it is tried again in " + wait.String()}, true
	}
	return Plan{Step: Uninstall, Target: target, Reason: ReasonDeleted, Message: "the object is being deleted"}, true
}

func moved(d Desired, o Observed, now time.Time) (Plan, bool) {
	if o.Moved == nil {
		return Plan{}, false
	}
	if wait := remaining(d, o.Attempt, now); wait > 0 && !d.Retry {
		return Plan{Step: Wait, Target: *o.Moved, Reason: ReasonBackoff, After: wait,
			Message: "uninstall of the former release failed; it is tried again in " + wait.String()}, true
	}
	return Plan{Step: Uninstall, Target: *o.Moved, Reason: ReasonMoved,
		Message: fmt.Sprintf("the object now asks for another release name or namespace than %s/%s", o.Moved.Namespace, o.Moved.Name)}, true
}

func interrupted(d Desired, o Observed, now time.Time) (Plan, bool) {
	newest := o.History.Newest()
	if newest == nil || !newest.Pending() || !newest.Ours {
		return Plan{}, false
	}
	if wait := remaining(d, o.Attempt, now); wait > 0 && !d.Retry {
		return Plan{Step: Wait, Reason: ReasonBackoff, After: wait,
			Message: fmt.Sprintf("revision %d is pending and could not be unlocked; it is tried again in %s", newest.Version, wait)}, true
	}
	return Plan{Step: Unlock, Reason: ReasonInterrupted,
		Message: fmt.Sprintf("revision %d was left %s when the controller stopped", newest.Version, newest.Status)}, true
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
	return Plan{Step: Unlock, Reason: ReasonAbandoned,
		Message: fmt.Sprintf("revision %d was left %s by another Helm client", newest.Version, newest.Status)}, true
}

func stalled(d Desired, o Observed, _ time.Time) (Plan, bool) {
	if !o.Attempt.Stalled || !o.Attempt.of(d) || d.Retry {
		return Plan{}, false
	}
	return Plan{Step: Wait, Reason: ReasonFailed, Stalled: true, Message: "the last attempt with this chart and these values cannot succeed"}, true
}

func backingOff(d Desired, o Observed, now time.Time) (Plan, bool) {
	if o.Attempt.Failures == 0 || !o.Attempt.of(d) || d.Retry {
		return Plan{}, false
	}
	wait := remaining(d, o.Attempt, now)
	return Plan{Step: Wait, Reason: ReasonBackoff, After: wait,
		Message: fmt.Sprintf("attempt %d failed; the next one is in %s", o.Attempt.Failures, wait)}, wait > 0
}

func absent(d Desired, o Observed, _ time.Time) (Plan, bool) {
	newest := o.History.Newest()
	if newest != nil && newest.Status != StatusUninstalled {
		return Plan{}, false
	}
	return Plan{Step: Install, Reason: ReasonAbsent, Message: "chart " + d.Chart.String()}, true
}

func failed(d Desired, o Observed, _ time.Time) (Plan, bool) {
	newest := o.History.Newest()
	if newest.Status != StatusFailed {
		return Plan{}, false
	}
	return Plan{Step: Upgrade, Reason: ReasonFailed,
		Message: fmt.Sprintf("revision %d failed; goes on to %s", newest.Version, d.Chart)}, true
}

func withdrawn(d Desired, o Observed, _ time.Time) (Plan, bool) {
	newest := o.History.Newest()
	if !d.FromRange || d.Generation != o.Attempt.Generation || newest.ChartName != d.Chart.Name {
		return Plan{}, false
	}
	running, err := semver.NewVersion(newest.ChartVersion)
	if err != nil {
		return Plan{}, false
	}
	wanted, err := semver.NewVersion(d.Chart.Version)
	if err != nil || !wanted.LessThan(running) || newest.ConfigDigest != d.ConfigDigest {
		return Plan{}, false
	}
	return Plan{Step: None, Reason: ReasonWithdrawn, Message: fmt.Sprintf(
		"version %s is no longer published; it stays, because the newest version in range, %s, is older", newest.ChartVersion, d.Chart.Version)}, true
}

func changed(d Desired, o Observed, _ time.Time) (Plan, bool) {
	newest := o.History.Newest()
	var why string
	switch {
	case newest.ChartName != d.Chart.Name:
		why = fmt.Sprintf("chart %s → %s", newest.ChartName, d.Chart.Name)
	case newest.ChartVersion != d.Chart.Version:
		why = fmt.Sprintf("version %s → %s", newest.ChartVersion, d.Chart.Version)
	case !d.VersionOnly && newest.ChartDigest != "" && newest.ChartDigest != d.Chart.Digest:
		why = fmt.Sprintf("content of version %s, digest %s → %s", d.Chart.Version, v1beta1.ShortDigest(newest.ChartDigest),
			v1beta1.ShortDigest(d.Chart.Digest))
	case newest.ConfigDigest != d.ConfigDigest:
		why = "values"
	default:
		return Plan{}, false
	}
	return Plan{Step: Upgrade, Reason: ReasonChanged, Message: why}, true
}

// remaining is what is left of the back-off after an attempt at the same generation; a new one starts at once.
func remaining(d Desired, a Attempt, now time.Time) time.Duration {
	if a.Failures == 0 || a.Generation != d.Generation {
		return 0
	}
	return max(0, a.At.Add(RetryDelay(a.Failures)).Sub(now)).Round(time.Second)
}

// RetryDelay is the back-off after the given number of failures: 30 s for the first, doubled for each further one, at
// most an hour.
func RetryDelay(failures int64) time.Duration {
	delay := firstRetry
	for range min(failures-1, 10) {
		delay *= 2
	}
	return min(delay, lastRetry)
}
