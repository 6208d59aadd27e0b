package status

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// listed records whether the objects of a revision could be listed. How they are is found out by the looks that
// follow.
func listed(o Outcome, w writer) Event {
	if o.Failure == nil {
		return Event{}
	}
	message := "the objects of the release could not be listed; health and drift are not known: " + o.Failure.Message
	w.set(v1beta1.DriftedCondition, metav1.ConditionUnknown, v1beta1.DriftUnknownReason, message)
	return Event{}
}

// leftBecause says why objects that differ were not corrected.
func leftBecause(hr *v1beta1.HelmRelease, o Outcome) string {
	mode := hr.GetDriftMode()
	switch {
	case hr.Status.Adoption != nil && hr.Status.Adoption.Until != nil:
		return overwrites(hr)
	case mode != v1beta1.DriftEnabled:
		return fmt.Sprintf("it is left so, because spec.driftDetection.mode is %s", mode)
	case o.Reason == plan.ReasonDrifted:
		return "it is corrected ten minutes after the release was adopted"
	default:
		return "it is corrected next"
	}
}
