package status

import "fairlead.dev/fairlead/api/v1beta1"

// ReleaseSkips records the charts that a release does not take, because they failed with the present values.
func ReleaseSkips(hr *v1beta1.HelmRelease, skipped []v1beta1.SkippedChart) {
	hr.Status.Skipped = skipped[:min(len(skipped), maxKnownBad)]
}

// ReleaseHeld records the chart that a release does not take for now; nil for none.
func ReleaseHeld(hr *v1beta1.HelmRelease, held *v1beta1.HeldChart) { hr.Status.Held = held }
