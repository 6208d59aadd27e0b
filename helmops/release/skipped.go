package release

import (
	"fmt"

	"github.com/Masterminds/semver/v3"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// Skipped are the charts that failed with the inputs but for the chart, when the chart of the inputs is one of them;
// none otherwise.
func Skipped(hr *v1beta1.HelmRelease, in Inputs) []v1beta1.SkippedChart {
	wanted := plan.Input{Chart: in.Chart.Digest, Config: in.configDigest(), Render: RenderDigest(hr.Spec)}
	settings := SettingsDigest(hr)
	var skipped []v1beta1.SkippedChart
	newest := false
	for _, bad := range hr.Status.KnownBad {
		tried := plan.InputOfBad(bad)
		isNewest := tried == wanted
		tried.Chart = wanted.Chart
		if tried != wanted || bad.SettingsDigest != settings {
			continue
		}

		newest = newest || isNewest
		skipped = append(skipped, v1beta1.SkippedChart{
			ChartVersion: bad.ChartVersion, ChartDigest: bad.ChartDigest, Reason: bad.Reason, Since: bad.Since,
		})
	}

	if !newest {
		return nil
	}

	return skipped
}

// TakesInstead reports whether a release takes a chart instead of the newest one that it skips: it is newer than what
// runs, or is what an install or upgrade made. After a rollback the release stays as it is.
func TakesInstead(hr *v1beta1.HelmRelease, older v1beta1.ChartRevision) bool {
	runs := hr.Status.Latest()
	if runs == nil || runs.Status == plan.StatusUninstalled || runs.ChartName != older.Name {
		return false
	}
	if runs.ChartDigest == older.Digest {
		return runs.Action != string(plan.Rollback)
	}

	had, err := semver.NewVersion(runs.ChartVersion)
	if err != nil {
		return false
	}

	found, err := semver.NewVersion(older.Version)
	return err == nil && found.GreaterThan(had)
}

// SkippedNote says why the newest chart is not taken.
func SkippedNote(newest v1beta1.ChartRevision) string {
	return fmt.Sprintf("version %s is not taken, because it failed before with these values", newest.Version)
}
