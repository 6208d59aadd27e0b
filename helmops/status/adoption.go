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

// adopting records how the live objects of an adopted release differ in what its first upgrade overwrites.
func adopting(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	if o.HistoryUnknown || len(o.History) == 0 {
		return notCompared(hr, o, now) // the chart or the records could not be read
	}

	differing := slices.DeleteFunc(slices.Clone(o.Drift), onlyAdded)
	hr.Status.Adoption = adoptionOf(hr, o, len(differing) > 0 || o.Failure != nil, now)
	event := Event{Warning: true}
	value := metav1.ConditionTrue
	switch {
	case o.Failure != nil:
		event.Reason = v1beta1.DriftUnknownReason
		value = metav1.ConditionUnknown
		event.Message = fmt.Sprintf("the live objects could not be compared with revision %d: %s; %s",
			o.History[0].Version, o.Failure.Message, overwrites(hr))
	case len(differing) > 0:
		event.Reason = v1beta1.DriftDetectedReason
		event.Message = fmt.Sprintf("%s; %s", describeDrift(differing), overwrites(hr))
	}

	if hr.GetDriftMode() == v1beta1.DriftDisabled {
		return event // the condition is absent in this mode
	}

	keepDrift(hr, o.Drift)
	w := current(hr, now)
	if event.Reason == "" {
		driftNone(w, o.Drift)
		return event
	}

	had := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.DriftedCondition)
	told := had != nil && had.Status == value && had.Message == cut(event.Message, maxMessage)
	w.set(v1beta1.DriftedCondition, value, event.Reason, event.Message)
	if told {
		return Event{}
	}

	return event
}

// adoptionOf is the comparison as the status keeps it. The time counts from the first report; one that was set for the
// same revision stands.
func adoptionOf(hr *v1beta1.HelmRelease, o Outcome, differs bool, now time.Time) *v1beta1.Adoption {
	newest := o.History[0]
	a := &v1beta1.Adoption{
		Revision: v1beta1.Number(newest.Version), RecordDigest: newest.Digest, ObservedGeneration: o.Generation,
		ChartDigest: o.Chart.Digest, ConfigDigest: o.ConfigDigest,
	}
	if !differs || hr.GetDriftMode() != v1beta1.DriftEnabled {
		return a
	}

	reported := now
	if c := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.DriftedCondition); c != nil &&
		c.Status == metav1.ConditionTrue {
		reported = c.LastTransitionTime.Time // of a release that was taken over as it was
	}

	until := metav1.NewTime(reported.Add(plan.AdoptionReport))
	a.Until = &until
	if former := hr.Status.Adoption; former != nil && former.RecordDigest == a.RecordDigest && former.Until != nil {
		a.Until = former.Until
	}

	return a
}

// notCompared records that the comparison could not be made; it is tried again as a failed upgrade is.
func notCompared(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	attempt(hr, o, string(plan.Upgrade), now)
	hr.Status.Failures++
	failure := Failure{Reason: v1beta1.ArtifactFailedReason, Message: "the release has no records"}
	if o.Failure != nil {
		failure = *o.Failure
	}
	w := writer{object: hr, generation: o.Generation, now: now}
	return w.failed(hr, o, failure, fmt.Sprintf("comparing the live objects of %s/%s with its record failed: %s",
		o.Target.Namespace, o.Target.Name, failure.Message))
}

// overwrites says when the first upgrade of an adopted release overwrites what differs.
func overwrites(hr *v1beta1.HelmRelease) string {
	if mode := hr.GetDriftMode(); mode != v1beta1.DriftEnabled {
		return fmt.Sprintf("the upgrade that follows overwrites it, because spec.driftDetection.mode is %s", mode)
	}
	return fmt.Sprintf("the first upgrade of the release overwrites it at %s; to upgrade before, run: "+
		"fairlead reconcile release %s -n %s",
		hr.Status.Adoption.Until.UTC().Format(time.RFC3339), hr.Name, hr.Namespace)
}
