package status

import (
	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// ReleaseSkips records the charts that a release does not take, because they failed with the present values.
func ReleaseSkips(hr *v1beta1.HelmRelease, skipped []v1beta1.SkippedChart) {
	hr.Status.Skipped = skipped[:min(len(skipped), maxKnownBad)]
}

// ReleaseHeld records the chart that a release does not take for now, for another reason than a window; nil for none.
func ReleaseHeld(hr *v1beta1.HelmRelease, held *v1beta1.HeldChart) {
	if held == nil && isHeldByWindow(hr) {
		return // the plan says what a window holds
	}
	hr.Status.Held = held
}

// ReleaseShared records the shared values of a pipeline that a release was found with, or tries to have; nil for none.
func ReleaseShared(hr *v1beta1.HelmRelease, shared *v1beta1.SharedValues) {
	hr.Status.SharedValues = shared
}

// ChartOf is the chart that a release has: that of its last attempt, which a rollback may have undone; else that of its
// newest revision. Its digest is empty when nothing is released, or when another Helm client made what is.
func ChartOf(s *v1beta1.HelmReleaseStatus) v1beta1.ChartRevision {
	runs := s.Latest()
	if runs == nil || runs.ChartDigest == "" || runs.Status == plan.StatusUninstalled {
		return v1beta1.ChartRevision{}
	}

	chart := v1beta1.ChartRevision{Name: runs.ChartName, Version: runs.ChartVersion, Digest: runs.ChartDigest}
	if s.LastAttemptedRevisionDigest != "" {
		chart.Version = s.LastAttemptedRevision
		chart.Digest = s.LastAttemptedRevisionDigest
	}

	return chart
}
