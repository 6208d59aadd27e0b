package status

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// attempt notes the input of an install or upgrade. New input resets the counters.
func attempt(hr *v1beta1.HelmRelease, o Outcome, action string, now time.Time) {
	status := &hr.Status
	if status.LastAttemptedGeneration != o.Generation || plan.InputOfAttempt(status) != o.input() {
		forgive(hr)
	}

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

// count counts a failed install or upgrade; only one that reached the cluster counts against the policy, and only when the
// cluster itself was not the cause.
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
