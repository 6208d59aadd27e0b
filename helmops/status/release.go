package status

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// maxSnapshots bounds status.history when a release keeps all its revisions.
const maxSnapshots = 10

// Outcome is how an action of the engine ended.
type Outcome struct {
	Step   plan.Step
	Target plan.Target
	// Generation, Chart and ConfigDigest are the input it was made with.
	Generation   int64
	Chart        v1beta1.ChartRevision
	ConfigDigest string
	// Failure is nil on success.
	Failure *Failure
	// Reached tells whether the action wrote a release record.
	Reached bool
	// History is what is in storage now, newest first; nil with HistoryUnknown set when it could not be read.
	History        []plan.Record
	HistoryUnknown bool
	// Inventory of the newest revision.
	Inventory []v1beta1.ResourceRef
}

// ReleaseBlocked records why nothing can be planned for a release: a missing source, values, a dependency. What runs stays.
func ReleaseBlocked(hr *v1beta1.HelmRelease, f Failure, now time.Time) {
	hr.Status.ObservedGeneration = hr.Generation
	if f.Final {
		Stalled(hr, f.Reason, f.Message, now)
		return
	}
	Retrying(hr, f.Reason, f.Message, now)
}

// ReleaseSettled records a plan that leaves nothing to do, or nothing for now.
func ReleaseSettled(hr *v1beta1.HelmRelease, p plan.Plan, history []plan.Record, now time.Time) {
	hr.Status.ObservedGeneration = hr.Generation
	if p.Step == plan.Wait {
		if p.Reason == v1beta1.PendingReleaseReason {
			Retrying(hr, p.Reason, p.Message, now)
		}
		return // the failure that is waited on has been recorded when it happened
	}
	record(hr, p.Target, history, "")
	newest := hr.Status.Latest()
	if newest == nil {
		return
	}
	hr.Status.Failures, hr.Status.InstallFailures, hr.Status.UpgradeFailures = 0, 0, 0
	reason := v1beta1.UpgradeSucceededReason
	if newest.Version == 1 {
		reason = v1beta1.InstallSucceededReason
	}
	message := describe(*newest)
	if p.Reason == plan.ReasonWithdrawn {
		message += "; " + p.Message
	}
	current(hr, now).set(v1beta1.ReleasedCondition, metav1.ConditionTrue, reason, describe(*newest))
	Ready(hr, reason, message, now)
}

// AttemptStalled tells whether the last attempt failed in a way that its input can never overcome. A release can be stalled
// for other reasons too, which say nothing about its attempts.
func AttemptStalled(hr *v1beta1.HelmRelease) bool {
	stalled := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.StalledCondition)
	return stalled != nil && stalled.Status == metav1.ConditionTrue && stalled.Reason == v1beta1.SchemaFailedReason
}

// ReleaseProgress records that an action is under way.
func ReleaseProgress(hr *v1beta1.HelmRelease, p plan.Plan, now time.Time) {
	verb := map[plan.Step]string{
		plan.Install: "installing", plan.Upgrade: "upgrading", plan.Uninstall: "uninstalling", plan.Unlock: "unlocking",
	}[p.Step]
	Progressing(hr, fmt.Sprintf("%s %s/%s: %s", verb, p.Target.Namespace, p.Target.Name, p.Message), now)
}

// ReleaseDone records how an action ended, and returns the event that tells of it.
func ReleaseDone(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	if !o.HistoryUnknown {
		record(hr, o.Target, o.History, actionOf(o.Step, o.Reached))
		hr.Status.Inventory = nil
		if len(o.Inventory) > 0 {
			hr.Status.Inventory = &v1beta1.ResourceInventory{Entries: o.Inventory}
		}
	}
	switch o.Step {
	case plan.Install, plan.Upgrade:
		return released(hr, o, now)
	case plan.Uninstall:
		return uninstalled(hr, o, now)
	default:
		return unlocked(hr, o, now)
	}
}

func released(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	attempt(hr, o, now)
	hr.Status.ObservedGeneration = o.Generation
	w := writer{object: hr, generation: o.Generation, now: now}
	if o.Failure == nil {
		hr.Status.Failures, hr.Status.InstallFailures, hr.Status.UpgradeFailures = 0, 0, 0
		reason := v1beta1.UpgradeSucceededReason
		if o.Step == plan.Install {
			reason = v1beta1.InstallSucceededReason
		}
		message := fmt.Sprintf("%s succeeded for %s/%s", o.Step, o.Target.Namespace, o.Target.Name)
		if newest := hr.Status.Latest(); newest != nil {
			message = describe(*newest)
		}
		w.set(v1beta1.ReleasedCondition, metav1.ConditionTrue, reason, message)
		w.ready(reason, message)
		return Event{Reason: reason, Message: message}
	}
	count(hr, o)
	message := fmt.Sprintf("%s of %s/%s to %s %s failed: %s", o.Step, o.Target.Namespace, o.Target.Name, o.Chart.Name,
		o.Chart.Version, o.Failure.Message)
	if o.Reached {
		w.set(v1beta1.ReleasedCondition, metav1.ConditionFalse, o.Failure.Reason, message)
	} else {
		message += "; nothing in the cluster was changed"
	}
	if o.Failure.Final {
		message += "; it is tried again when the chart, the values or the spec change"
		w.stalled(o.Failure.Reason, message)
	} else {
		message += fmt.Sprintf("; attempt %d, the next one follows %s later, or at once when the chart, the values or the spec change",
			hr.Status.Failures, plan.RetryDelay(hr.Status.Failures))
		w.retrying(o.Failure.Reason, message)
	}
	return Event{Warning: true, Reason: o.Failure.Reason, Message: message}
}

func uninstalled(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	if o.Failure == nil {
		hr.Status.Failures = 0
		hr.Status.LastAttemptedAt = nil
		return Event{Reason: v1beta1.UninstallSucceededReason,
			Message: fmt.Sprintf("uninstalled %s/%s", o.Target.Namespace, o.Target.Name)}
	}
	failedAgain(hr, o, now)
	message := fmt.Sprintf("uninstall of %s/%s failed: %s; attempt %d, the next one follows %s later", o.Target.Namespace,
		o.Target.Name, o.Failure.Message, hr.Status.Failures, plan.RetryDelay(hr.Status.Failures))
	Retrying(hr, o.Failure.Reason, message, now)
	return Event{Warning: true, Reason: o.Failure.Reason, Message: message}
}

// unlocked leaves a release whose newest revision counts as failed, so it is not Ready until work has gone on.
func unlocked(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	what := fmt.Sprintf("the pending revision of %s/%s", o.Target.Namespace, o.Target.Name)
	if o.Failure != nil {
		failedAgain(hr, o, now)
		message := fmt.Sprintf("unlocking %s failed: %s; attempt %d, the next one follows %s later", what, o.Failure.Message,
			hr.Status.Failures, plan.RetryDelay(hr.Status.Failures))
		Retrying(hr, v1beta1.PendingReleaseReason, message, now)
		return Event{Warning: true, Reason: v1beta1.PendingReleaseReason, Message: message}
	}
	message := "marked " + what + " as failed, goes on from there"
	Progressing(hr, message, now)
	return Event{Reason: v1beta1.PendingReleaseReason, Message: message}
}

// failedAgain counts a failure that has no chart and values as its input; a new generation starts the count anew.
func failedAgain(hr *v1beta1.HelmRelease, o Outcome, now time.Time) {
	if hr.Status.LastAttemptedGeneration != o.Generation {
		hr.Status.Failures = 0
	}
	hr.Status.Failures++
	at := metav1.NewTime(now)
	hr.Status.LastAttemptedAt, hr.Status.LastAttemptedGeneration = &at, o.Generation
}

// attempt notes the input of an install or upgrade. New input starts the counters anew.
func attempt(hr *v1beta1.HelmRelease, o Outcome, now time.Time) {
	status := &hr.Status
	if status.LastAttemptedGeneration != o.Generation || status.LastAttemptedRevisionDigest != o.Chart.Digest ||
		status.LastAttemptedConfigDigest != o.ConfigDigest {
		status.Failures, status.InstallFailures, status.UpgradeFailures = 0, 0, 0
	}
	at := metav1.NewTime(now)
	status.LastAttemptedAt = &at
	status.LastAttemptedGeneration = o.Generation
	status.LastAttemptedRevision = o.Chart.Version
	status.LastAttemptedRevisionDigest = o.Chart.Digest
	status.LastAttemptedConfigDigest = o.ConfigDigest
	status.LastAttemptedReleaseAction = string(o.Step)
	status.StorageNamespace = o.Target.StorageNamespace
}

func count(hr *v1beta1.HelmRelease, o Outcome) {
	hr.Status.Failures++
	if !o.Reached {
		return
	}
	if o.Step == plan.Install {
		hr.Status.InstallFailures++
	} else {
		hr.Status.UpgradeFailures++
	}
}

func actionOf(step plan.Step, reached bool) string {
	if reached && (step == plan.Install || step == plan.Upgrade) {
		return string(step)
	}
	return ""
}

// record takes the history over from storage. The action is noted on the newest revision when it is new.
func record(hr *v1beta1.HelmRelease, target plan.Target, history []plan.Record, action string) {
	actions := map[int]string{}
	for _, had := range hr.Status.History {
		if had.Name == target.Name && had.Namespace == target.Namespace {
			actions[had.Version] = had.Action
		}
	}
	snapshots := make([]v1beta1.Snapshot, 0, min(len(history), maxSnapshots))
	for i, r := range history[:min(len(history), maxSnapshots)] {
		if i == 0 && actions[r.Version] == "" {
			actions[r.Version] = action
		}
		snapshots = append(snapshots, snapshot(target, r, actions[r.Version]))
	}
	if !slices.EqualFunc(snapshots, hr.Status.History, equal) {
		hr.Status.History = snapshots
	}
	if len(snapshots) > 0 {
		hr.Status.StorageNamespace = target.StorageNamespace
	}
}

func snapshot(target plan.Target, r plan.Record, action string) v1beta1.Snapshot {
	out := v1beta1.Snapshot{
		Name: target.Name, Namespace: target.Namespace, Version: r.Version, Status: r.Status,
		ChartName: r.ChartName, ChartVersion: r.ChartVersion, ChartDigest: r.ChartDigest, AppVersion: r.AppVersion,
		ConfigDigest: r.ConfigDigest, Digest: r.Digest, Action: action,
		FirstDeployed: metav1.NewTime(r.FirstDeployed.Truncate(time.Second)),
		LastDeployed:  metav1.NewTime(r.LastDeployed.Truncate(time.Second)),
	}
	if !r.Deleted.IsZero() {
		out.Deleted = &metav1.Time{Time: r.Deleted.Truncate(time.Second)}
	}
	return out
}

// equal compares what decides; the times follow from the digest.
func equal(a, b v1beta1.Snapshot) bool {
	return a.Name == b.Name && a.Namespace == b.Namespace && a.Version == b.Version && a.Digest == b.Digest &&
		a.ChartDigest == b.ChartDigest && a.Action == b.Action
}

func describe(s v1beta1.Snapshot) string {
	return fmt.Sprintf("%s/%s revision %d runs %s %s", s.Namespace, s.Name, s.Version, s.ChartName, s.ChartVersion)
}
