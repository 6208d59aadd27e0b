package status

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// claimed records whether the object was written into the record of its release as the owner.
func claimed(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	if o.Failure != nil {
		failedAgain(hr, o, now)
		message := fmt.Sprintf("claiming %s/%s failed: %s; the controller retries %s",
			o.Target.Namespace, o.Target.Name, o.Failure.Message, Later(plan.RetryDelay(failuresBeside(hr)), now))
		Retrying(hr, o.Failure.Reason, message, now)
		return Event{Warning: true, Reason: o.Failure.Reason, Message: message}
	}

	message := fmt.Sprintf("%s/%s is owned by this HelmRelease from now on", o.Target.Namespace, o.Target.Name)
	if o.Reason != plan.ReasonOwnerGone {
		return Event{Message: message} // nothing to report: it is the first to name the release
	}

	return Event{Reason: v1beta1.AdoptedReason, Message: message + "; the HelmRelease that owned it is gone"}
}

// disowned records that another HelmRelease owns the release. What was known of the release is about that one, and is
// forgotten.
func disowned(hr *v1beta1.HelmRelease, p plan.Plan, w writer) {
	s := &hr.Status
	s.History = nil
	s.Inventory = nil
	s.StorageNamespace = ""
	s.Bake = nil
	s.Adoption = nil
	s.Drift = nil
	s.Unhealthy = nil
	s.LastVerified = nil
	forgive(hr)
	for _, kind := range []string{
		v1beta1.ReleasedCondition, v1beta1.HealthyCondition, v1beta1.VerifiedCondition, v1beta1.DriftedCondition,
		v1beta1.TestSuccessCondition, v1beta1.RemediatedCondition,
	} {
		w.unset(kind)
	}

	w.stalled(p.Reason, p.Message)
}
