package release

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// adopted is what is remembered of a release whose objects had to be listed.
type adopted struct {
	// at is when they were listed; zero when that was not needed.
	at time.Time
	// again is when they are listed again after they could not be.
	again time.Time
	// reported is set while drift is reported and not corrected.
	reported bool
}

// listAgain is the pause after the objects of a release could not be listed.
const listAgain = time.Minute

// onlyReported is how long the drift of an adopted revision is reported before the first correction, so that a user who
// hands a release over sees what the controller would change.
const onlyReported = plan.AdoptionReport

// unlisted reports whether the objects of a release without an inventory are to be listed, and otherwise when.
func (k *watched) unlisted(recorded string, now time.Time) (due bool, again time.Duration) {
	if recorded != plan.StatusDeployed {
		return false, 0
	}
	if wait := k.adopted.again.Sub(now); wait > 0 {
		return false, wait
	}
	return true, 0
}

// listed notes that the objects were listed, or could not be.
func (k *watched) listed(hr *v1beta1.HelmRelease, now time.Time) {
	if hr.Status.Inventory == nil {
		k.adopted.again = now.Add(listAgain)
		return
	}
	k.adopted.at, k.adopted.again = now, time.Time{}
}

// probation is for how long the drift of a release is still only reported; zero when it may be corrected. What
// differs at the end is looked at once more.
func (k *watched) probation(hr *v1beta1.HelmRelease, now time.Time) time.Duration {
	if latest := hr.Status.Latest(); latest == nil || latest.Action != "" || hr.GetDriftMode() != v1beta1.DriftEnabled {
		k.adopted.reported = false
		return 0
	}
	since := k.adopted.at
	switch c := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.ReleasedCondition); {
	case c == nil || c.Status != metav1.ConditionTrue:
		since = now
	case c.LastTransitionTime.After(since):
		since = c.LastTransitionTime.Time
	}
	if left := since.Add(onlyReported).Sub(now); left > 0 {
		k.adopted.reported = true
		return left
	}
	if k.adopted.reported {
		k.adopted.reported = false
		for _, d := range hr.Status.Drift {
			if differs(d) {
				k.again[v1beta1.NewResourceRef(d.Namespace, d.Name, d.Group, d.Kind, "").ID] = true
			}
		}
	}
	return 0
}
