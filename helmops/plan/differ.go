package plan

import (
	"fmt"
	"time"

	"github.com/Masterminds/semver/v3"

	"fairlead.dev/fairlead/api/v1beta1"
)

// madeElsewhere decides about a revision whose chart is unknown, because another Helm client made it. Where name,
// version and values are as wanted, what it renders reports whether it is; what it was rendered with is not asked.
func madeElsewhere(d Desired, o Observed, _ time.Time) (Plan, bool) {
	newest := o.History.Newest()
	if newest.Chart.Digest != "" || newest.Chart.Name != d.Chart.Name ||
		!v1beta1.SameVersion(newest.Chart.Version, d.Chart.Version) || newest.ConfigDigest != d.ConfigDigest {
		return Plan{}, false
	}

	switch {
	case o.Manifest == nil:
		return Plan{Step: Need, Fact: FactManifest, Reason: string(FactManifest),
			Message: fmt.Sprintf("revision %d, which another Helm client made, is compared with what %s renders", newest.Version, d.Chart)}, true
	case *o.Manifest:
		return Plan{Step: None, Reason: ReasonInSync,
			Message: fmt.Sprintf("revision %d of another Helm client holds just what %s renders", newest.Version, d.Chart)}, true
	default:
		return Plan{Step: Upgrade, Reason: ReasonForeign,
			Message: fmt.Sprintf("revision %d of another Helm client differs from what %s renders", newest.Version, d.Chart)}, true
	}
}

func withdrawn(d Desired, o Observed, _ time.Time) (Plan, bool) {
	newest := o.History.Newest()
	if !d.FromRange || d.Generation != o.Attempt.Generation || newest.Chart.Name != d.Chart.Name {
		return Plan{}, false
	}

	running, err := semver.NewVersion(newest.Chart.Version)
	if err != nil {
		return Plan{}, false
	}

	wanted, err := semver.NewVersion(d.Chart.Version)
	if err != nil || !wanted.LessThan(running) || newest.ConfigDigest != d.ConfigDigest || newest.RenderDigest != d.RenderDigest {
		return Plan{}, false
	}

	return Plan{Step: None, Reason: ReasonWithdrawn, Message: fmt.Sprintf(
		"version %s is no longer published; it stays, because the newest version in range, %s, is older", newest.Chart.Version, d.Chart.Version)}, true
}

func changed(d Desired, o Observed, _ time.Time) (Plan, bool) {
	newest := o.History.Newest()
	var why string
	switch {
	case newest.made(d):
		return Plan{}, false
	case newest.Chart.Name != d.Chart.Name:
		why = fmt.Sprintf("chart %s → %s", newest.Chart.Name, d.Chart.Name)
	case !v1beta1.SameVersion(newest.Chart.Version, d.Chart.Version):
		why = fmt.Sprintf("version %s → %s", newest.Chart.Version, d.Chart.Version)
	case newest.ConfigDigest != d.ConfigDigest:
		why = "values"
	case newest.RenderDigest != d.RenderDigest:
		why = "post renderers or common metadata"
	default:
		why = fmt.Sprintf("content of version %s, digest %s → %s", d.Chart.Version, v1beta1.ShortDigest(newest.Chart.Digest),
			v1beta1.ShortDigest(d.Chart.Digest))
	}

	return Plan{Step: Upgrade, Reason: ReasonChanged, Message: why}, true
}

func untested(d Desired, o Observed, _ time.Time) (Plan, bool) {
	newest := o.History.Newest()
	return Plan{Step: Test, Reason: ReasonUntested, Message: fmt.Sprintf("revision %d is deployed and awaits its tests", newest.Version)},
		newest.Status == StatusDeployed && d.Tests.Of(newest) == Untested
}
