package release

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/plan"
)

// Foresight is what inputs would make of a release.
type Foresight struct {
	// Deployed is the newest revision that is deployed, nil when none is.
	Deployed *plan.Record
	// Change is what the inputs alone ask for, whatever became of them before: None, Install, Upgrade, or Need when only
	// rendering tells. Its message says why.
	Change plan.Plan
	// Next is what would happen now if the object were not suspended.
	Next plan.Plan
}

// Foresee tells what the inputs would make of the release, whose records are given newest first. It changes nothing.
func Foresee(hr *v1beta1.HelmRelease, in Inputs, records []plan.Record, now time.Time) Foresight {
	desired := desiredOf(hr, in)
	desired.Suspended = false
	seen := see(observedOf(hr, in.Live), hr, in, records)
	seen.Owner = ownerByStatus(hr, seen.History.Newest())
	out := Foresight{Next: plan.Decide(desired, seen, now)}
	alone := desired
	alone.Pin, alone.Force, alone.Bake, alone.Tests = nil, false, 0, plan.Tests{}
	observed := plan.Observed{Managed: true, Owner: &plan.Owner{}, History: &plan.History{}, Attempt: plan.Attempt{Generation: plan.AttemptOf(&hr.Status).Generation}}
	for _, r := range annotated(hr, records) {
		if r.Status == plan.StatusDeployed {
			out.Deployed, observed.History.Records = &r, []plan.Record{r}
			observed.Recorded, observed.RecordedDigest = r.Version, r.Digest
			break
		}
	}
	out.Change = plan.Decide(alone, observed, now)
	return out
}

// ownerByStatus returns the other HelmRelease that the controller found to own the release, as the conditions say; zero when
// they do not say so.
func ownerByStatus(hr *v1beta1.HelmRelease, newest *plan.Record) *plan.Owner {
	stalled := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.StalledCondition)
	if newest == nil || stalled == nil || stalled.Reason != v1beta1.OwnedByOtherReason {
		return &plan.Owner{}
	}
	return &newest.Owner
}

// Rendering is the action with which an engine renders what an install, or else an upgrade, would make of the inputs. The chart
// has to be added.
func Rendering(hr *v1beta1.HelmRelease, in Inputs, first bool) engine.Action {
	step := plan.Compare
	if first {
		step = plan.Install
	}
	return actionOf(hr, plan.Plan{Step: step, Target: targetOf(hr)}, in, nil)
}
