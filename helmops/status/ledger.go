package status

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// Bounds of what is remembered.
const (
	maxKnownBad  = 10
	maxRollbacks = 20
)

// attempt notes the input of an install or upgrade. New input resets the counters.
func attempt(hr *v1beta1.HelmRelease, o Outcome, action string, now time.Time) {
	status := &hr.Status
	if status.LastAttemptedGeneration != o.Generation || plan.InputOfAttempt(status) != o.input() {
		forgive(hr)
	}

	status.Cancelled = nil
	at := metav1.NewTime(now)
	status.LastAttemptedAt = &at
	status.LastAttemptedGeneration = o.Generation
	status.LastAttemptedRevision = o.Chart.Version
	status.LastAttemptedRevisionDigest = o.Chart.Digest
	status.LastAttemptedConfigDigest = o.ConfigDigest
	status.LastAttemptedRenderDigest = o.RenderDigest
	status.SharedValues = o.Shared
	status.LastAttemptedReleaseAction = action
	status.StorageNamespace = o.Target.StorageNamespace
}

// countFailure counts a failed install or upgrade, and remembers the failure.
func countFailure(hr *v1beta1.HelmRelease, o Outcome, phase string, now time.Time) {
	count(hr, o)
	failed(hr, o, phase, now)
}

// count counts a failed install or upgrade; only one that reached the cluster counts against the policy, and only
// when the cluster itself was not the cause.
func count(hr *v1beta1.HelmRelease, o Outcome) {
	hr.Status.Failures++
	switch {
	case !o.Reached, o.Failure != nil && o.Failure.Class == v1beta1.FailureTransient:
	case o.Step == plan.Install:
		hr.Status.InstallFailures++
	default:
		hr.Status.UpgradeFailures++
	}
}

// failedAgain counts a failure of anything but an install or upgrade; a new generation resets the counts.
func failedAgain(hr *v1beta1.HelmRelease, o Outcome, now time.Time) {
	if hr.Status.LastAttemptedGeneration != o.Generation {
		forgive(hr)
	}
	hr.Status.Failures++
	at := metav1.NewTime(now)
	hr.Status.LastAttemptedAt = &at
	hr.Status.LastAttemptedGeneration = o.Generation
}

// forgive resets all counters.
func forgive(hr *v1beta1.HelmRelease) {
	hr.Status.Failures = 0
	hr.Status.InstallFailures = 0
	hr.Status.UpgradeFailures = 0
}

// counted is how many installs and upgrades failed in the cluster.
func counted(hr *v1beta1.HelmRelease) int64 {
	return hr.Status.InstallFailures + hr.Status.UpgradeFailures
}

// failuresBeside is how many other failures there were, at least the one that was just counted.
func failuresBeside(hr *v1beta1.HelmRelease) int64 { return max(1, hr.Status.Failures-counted(hr)) }

// markGood notes that the newest revision is: its failures are forgotten, and it is verified, or begins to bake.
func markGood(hr *v1beta1.HelmRelease, w writer) {
	forgive(hr)
	w.unset(v1beta1.RemediatedCondition)
	newest := hr.Status.Latest()
	s := &hr.Status
	s.Cancelled = nil
	switch {
	case newest == nil:
		return
	case isVerified(s.LastVerified, newest):
		s.LastVerified.Revision = newest.Version
	case hr.GetBake() == 0, s.Bake != nil && s.Bake.Revision == newest.Version && !w.now.Before(s.Bake.Until.Time):
		s.LastVerified = &v1beta1.Verified{
			Revision: newest.Version, ChartDigest: newest.ChartDigest, ConfigDigest: newest.ConfigDigest, At: metav1.NewTime(w.now),
		}
	default:
		if s.Bake == nil || s.Bake.Revision != newest.Version {
			s.Bake = &v1beta1.Bake{Revision: newest.Version, Until: metav1.NewTime(w.now.Add(hr.GetBake()).Truncate(time.Second))}
		}

		bakes(hr, plan.Plan{Reason: v1beta1.BakingReason}, w)
		return
	}

	s.Bake = nil
	s.LastFailure = nil
	w.set(v1beta1.VerifiedCondition, metav1.ConditionTrue, v1beta1.VerifiedReason, fmt.Sprintf("%s, chart %s, values %s", describe(*newest),
		orUnknown(newest.ChartDigest), newest.ConfigDigest))
}

// isVerified reports whether a revision is the one that was verified last, or a rollback to it.
func isVerified(had *v1beta1.Verified, newest *v1beta1.Snapshot) bool {
	return had != nil && plan.InputOfVerified(had) == plan.InputOf(newest).Unrendered() &&
		(had.Revision == newest.Version || newest.Action == string(plan.Rollback))
}

func orUnknown(digest string) string {
	if digest == "" {
		return "of unknown digest"
	}
	return digest
}

// bakes says that the newest revision is watched, and what stands against it.
func bakes(hr *v1beta1.HelmRelease, p plan.Plan, w writer) {
	if hr.Status.Bake == nil {
		return
	}

	reason := p.Reason
	until := "it is verified if it stays healthy until " + hr.Status.Bake.Until.UTC().Format(time.RFC3339)
	message := fmt.Sprintf("revision %d is baking: %s", hr.Status.Bake.Revision, until)
	status := metav1.ConditionUnknown
	if p.Message != "" {
		message = fmt.Sprintf("revision %d is baking: %s", hr.Status.Bake.Revision, p.Message)
	}

	if p.Failure != "" {
		message = p.Message
		status = metav1.ConditionFalse
		if reason == v1beta1.RollbackHeldReason {
			reason = v1beta1.BakeFailedReason
		}

		// It may still recover, and is watched for the whole time again then.
		hr.Status.Bake.Until = later(hr.Status.Bake.Until, w.now, hr.GetBake())
	}

	w.set(v1beta1.VerifiedCondition, status, reason, message)
}

// later moves the end of a bake that has to start over, in steps of half its length, so that it is not written all
// the time.
func later(until metav1.Time, now time.Time, bake time.Duration) metav1.Time {
	if until.Sub(now) > bake/2 {
		return until
	}
	return metav1.NewTime(now.Add(bake).Truncate(time.Second))
}

// keepRequested says that the release is where a user wants it to be, and not at what its spec asks for.
func keepRequested(hr *v1beta1.HelmRelease, p plan.Plan, w writer) {
	hr.Status.Bake = nil
	w.unset(v1beta1.RemediatedCondition)
	w.set(v1beta1.VerifiedCondition, metav1.ConditionFalse, v1beta1.NotVerifiedReason, "a user has asked for a former revision")
	w.stalled(v1beta1.RolledBackReason, p.Message)
}

// BakeClock stops the time of a bake while the object is suspended, and starts it again.
func BakeClock(hr *v1beta1.HelmRelease, now time.Time) {
	bake := hr.Status.Bake
	switch {
	case bake == nil:
	case hr.Spec.Suspend && bake.SuspendedAt == nil:
		at := metav1.NewTime(now)
		bake.SuspendedAt = &at
	case !hr.Spec.Suspend && bake.SuspendedAt != nil:
		bake.Until = metav1.NewTime(bake.Until.Add(now.Sub(bake.SuspendedAt.Time)).Truncate(time.Second))
		bake.SuspendedAt = nil
		bake.BadSince = nil
	}
}

// markKnownBad notes that an input has failed permanently under its settings.
func markKnownBad(hr *v1beta1.HelmRelease, bad v1beta1.KnownBad) {
	same := func(had v1beta1.KnownBad) bool { return plan.InputOfBad(had) == plan.InputOfBad(bad) }
	if i := slices.IndexFunc(hr.Status.KnownBad, same); i >= 0 && hr.Status.KnownBad[i].SettingsDigest == bad.SettingsDigest {
		return
	}
	rest := slices.DeleteFunc(slices.Clone(hr.Status.KnownBad), same)
	hr.Status.KnownBad = append([]v1beta1.KnownBad{bad}, rest[:min(len(rest), maxKnownBad-1)]...)
}

// markLimited notes an input that exceeds a bound of rendering, and does so again.
func markLimited(hr *v1beta1.HelmRelease, o Outcome, now time.Time) {
	if o.Failure != nil && o.Failure.Final && o.Failure.Reason == v1beta1.RenderingLimitExceededReason {
		markKnownBad(hr, o.knownBad(now))
	}
}

// knownBad is the input of an outcome, as one that is not tried again.
func (o Outcome) knownBad(now time.Time) v1beta1.KnownBad {
	return v1beta1.KnownBad{
		ChartVersion: o.Chart.Version, ChartDigest: o.Chart.Digest, ConfigDigest: o.ConfigDigest, RenderDigest: o.RenderDigest,
		SettingsDigest: o.Settings, Reason: o.Failure.Reason, Since: metav1.NewTime(now),
	}
}

// failed remembers a failure until a revision is verified.
func failed(hr *v1beta1.HelmRelease, o Outcome, phase string, now time.Time) {
	f := v1beta1.LastFailure{
		Phase: phase, Class: v1beta1.FailureHealth, Reason: v1beta1.TestFailedReason, ChartVersion: o.Chart.Version, ChartDigest: o.Chart.Digest,
		ConfigDigest: o.ConfigDigest, Inconclusive: o.NotAttributable, At: metav1.NewTime(now),
	}
	if o.Failure != nil {
		f.Class, f.Reason, f.Message, f.Objects = o.Failure.Class, o.Failure.Reason, cut(o.Failure.Message, maxMessage), o.Failure.Objects
	}
	if f.Class == v1beta1.FailureRejected && !o.Reached {
		f.Phase = v1beta1.PhasePreflight
	}
	if newest := hr.Status.Latest(); newest != nil && o.Reached {
		f.Revision = newest.Version
	}

	hr.Status.LastFailure = &f
}

// ReleaseJudged records what a plan holds against the input that is wanted: that it is known to be bad, or that its
// revision did not stay healthy.
func ReleaseJudged(hr *v1beta1.HelmRelease, p plan.Plan, wanted plan.Desired, now time.Time) {
	if p.MarksKnownBad {
		markKnownBad(hr, v1beta1.KnownBad{
			ChartVersion: wanted.Chart.Version, ChartDigest: wanted.Chart.Digest, ConfigDigest: wanted.ConfigDigest,
			RenderDigest: wanted.RenderDigest, SettingsDigest: wanted.SettingsDigest, Reason: p.Reason,
			Since: metav1.NewTime(now),
		})
	}
	if p.Failure != "" {
		degraded(hr, p, wanted, now)
	}
}

// degraded remembers that a revision did not stay healthy.
func degraded(hr *v1beta1.HelmRelease, p plan.Plan, wanted plan.Desired, now time.Time) {
	had := hr.Status.LastFailure
	inconclusive := ""
	if p.Reason == v1beta1.InconclusiveReason || p.Reason == v1beta1.RollbackHeldReason {
		inconclusive = p.Message
	}

	newest := hr.Status.Latest()
	if newest == nil || had != nil && had.Phase == v1beta1.PhaseBake && had.Revision == newest.Version && had.Inconclusive == inconclusive {
		return
	}

	hr.Status.LastFailure = &v1beta1.LastFailure{
		Class: v1beta1.FailureDegraded, Phase: v1beta1.PhaseBake, Reason: v1beta1.BakeFailedReason, Message: cut(p.Failure, maxMessage),
		Revision: newest.Version, ChartVersion: wanted.Chart.Version, ChartDigest: wanted.Chart.Digest,
		ConfigDigest: wanted.ConfigDigest,
		Objects:      hr.Status.Unhealthy, Inconclusive: cut(inconclusive, maxMessage), At: metav1.NewTime(now),
	}
}

// counts notes an automatic rollback.
func counts(hr *v1beta1.HelmRelease, o Outcome, now time.Time) {
	done := v1beta1.AutomaticRollback{At: metav1.NewTime(now), Reason: o.Reason}
	if newest := hr.Status.Latest(); newest != nil {
		done.From = newest.Version - 1
		done.To = v1beta1.Number(o.To)
	}
	all := append([]v1beta1.AutomaticRollback{done}, hr.Status.Rollbacks...)
	hr.Status.Rollbacks = all[:min(len(all), maxRollbacks)]
}
