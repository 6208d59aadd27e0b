package release

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/status"
)

// selectDrifted returns which objects have to be compared with the manifests of the release.
func (w *watcher) selectDrifted(hr *v1beta1.HelmRelease, known *watched, sightings []engine.Observed) drift.Selected {
	switch hr.GetDriftMode() {
	case v1beta1.DriftDisabled:
		known.drift.Disable()
		return drift.Selected{}
	case v1beta1.DriftEnabled:
		now := w.now()
		return known.drift.Select(driftOf(hr, sightings), func(ref v1beta1.ResourceRef) (string, time.Time, bool) {
			return w.fights.Conflicting(fightKey(hr, ref), now)
		})
	default:
		return known.drift.Select(driftOf(hr, sightings), nil)
	}
}

// reportDrift writes what is known of drift without a look at the objects. It returns when a conflict ends, zero when
// there is none.
func (w *watcher) reportDrift(hr *v1beta1.HelmRelease, selected drift.Selected) (events []status.Event, left time.Duration) {
	now := w.now()
	conflict := selected.Conflict
	switch {
	case hr.GetDriftMode() == v1beta1.DriftDisabled:
		status.DriftOff(hr, now)
	case len(conflict.Objects) > 0:
		if event := status.DriftFight(hr, conflict.Objects, conflict.Managers, conflict.Until, now); event.Reason != "" {
			events = append(events, event)
		}
		return events, conflict.Until.Sub(now)
	case selected.InSync:
		status.DriftNone(hr, now)
	}

	return nil, 0
}

// auditAt is when all objects of the release have to be compared; zero when drift does not matter.
func (w *watcher) auditAt(hr *v1beta1.HelmRelease, known *watched, sightings []engine.Observed) time.Time {
	if hr.GetDriftMode() == v1beta1.DriftDisabled {
		return time.Time{}
	}
	interval := drift.AuditInterval(hr.GetInterval(), unwatched(sightings) > 0)
	return known.drift.AuditAt(interval, w.jitter, w.now())
}

// probation is for how long the drift of an adopted release is still only reported; zero when it may be corrected.
func (w *watcher) probation(hr *v1beta1.HelmRelease, known *watched) time.Duration {
	var released time.Time
	c := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.ReleasedCondition)
	if c != nil && c.Status == metav1.ConditionTrue {
		released = c.LastTransitionTime.Time
	}

	left, over := known.adoption.Probation(hr.Status.Latest(), hr.GetDriftMode(), released, w.now())
	if !over {
		return left
	}

	for _, d := range hr.Status.Drift {
		if drift.Correctable(d) {
			known.drift.CompareAgain(v1beta1.NewResourceRef(d.Namespace, d.Name, d.Group, d.Kind, "").ID)
		}
	}

	return 0
}

func fightKey(hr *v1beta1.HelmRelease, ref v1beta1.ResourceRef) string {
	return client.ObjectKeyFromObject(hr).String() + " " + ref.ID
}

// healthOf is what the health of objects is judged from.
func healthOf(sightings []engine.Observed) []health.Observed {
	observed := make([]health.Observed, 0, len(sightings))
	for _, s := range sightings {
		observed = append(observed, health.Observed{
			Kind: s.Kind, Group: s.Group, Namespace: s.Namespace, Name: s.Name,
			Watched: s.Tracked, Exists: s.There, Ignored: s.Entry.IgnoresHealth,
			Ready: s.Entry.Ready, Complete: s.Entry.Complete,
		})
	}
	return observed
}

// driftOf is what the drift of objects is judged from.
func driftOf(hr *v1beta1.HelmRelease, sightings []engine.Observed) []drift.Observed {
	observed := make([]drift.Observed, 0, len(sightings))
	name := hr.GetReleaseName()
	namespace := hr.GetReleaseNamespace()
	for _, s := range sightings {
		observed = append(observed, drift.Observed{
			Ref: s.Ref, Kind: s.Kind, Namespace: s.Namespace, Name: s.Name,
			Watched: s.Tracked, Exists: s.There, Deleting: s.Entry.Deleting, Ignored: s.Entry.IgnoresDrift,
			Foreign: s.Entry.Release != name || s.Entry.ReleaseNamespace != namespace,
			UID:     string(s.Entry.UID), Ownership: s.Ownership(), Owned: s.Owned(),
			Generation: s.Entry.Generation, ResourceVersion: s.Entry.ResourceVersion,
		})
	}

	return observed
}
