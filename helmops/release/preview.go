package release

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/plan"
)

// Preview is what inputs would make of a release.
type Preview struct {
	// Deployed is the revision that runs, nil when none does. While an upgrade is under way it is the one before that.
	Deployed *plan.Record
	// Running is the revision that the controller makes, or has begun to make, nil when its newest revision is
	// complete.
	Running *plan.Record
	// RunsWanted is set when Running is made of the inputs.
	RunsWanted bool
	// Change is what the inputs alone ask for, whatever became of them before: None, Install, Upgrade, or Need when
	// only rendering tells. Its message says why.
	Change plan.Plan
	// Next is what would happen now if the object were not suspended.
	Next plan.Plan
	// Input identifies the inputs.
	Input plan.Input
}

// PreviewOf returns what the inputs would make of the release, whose records are given newest first. It changes nothing.
func PreviewOf(hr *v1beta1.HelmRelease, in Inputs, records []plan.Record, now time.Time) Preview {
	pass := previewPass(hr, in, records)
	desired := pass.Desired
	out := Preview{Next: plan.Decide(desired, pass.Observed, now), Input: desired.Input()}
	if out.Next.Step == plan.Claim { // the record gets its owner without a new revision
		pass.Observed.History.Records[0].Owner = desired.Self
		out.Next = plan.Decide(desired, pass.Observed, now)
	}

	alone := desired
	alone.Pin = nil
	alone.Force = false
	alone.Bake = 0
	alone.Tests = plan.Tests{}
	generation := plan.AttemptOf(&hr.Status).Generation
	known := annotated(hr, records)
	out.Deployed = plan.Current(known)
	out.Change = plan.Decide(alone, only(out.Deployed, alone, generation), now)
	if len(known) > 0 && known[0].Ours && known[0].Pending() && known[0].Status != plan.StatusUninstalling {
		out.Running = &known[0]
		out.RunsWanted = plan.Decide(alone, only(out.Running, alone, generation), now).Step == plan.None
		if out.Next.Reason == plan.ReasonInterrupted {
			// Whether the controller works cannot be seen in the records.
			out.Next.Message = fmt.Sprintf("revision %d is %s: the controller finishes it, at the latest when it starts again",
				out.Running.Version, out.Running.Status)
		}
	}

	return out
}

// previewPass is a pass in which nothing is looked up, as if the object were not suspended.
func previewPass(hr *v1beta1.HelmRelease, in Inputs, records []plan.Record) *Pass {
	pass := NewPass(hr)
	pass.SetInputs(in, plan.Inputs{})
	pass.Desired.Suspended = false
	pass.Observed = observedOf(hr, pass.Desired.Target, in.Live).Gathered()
	pass.setHistory(records, nil)
	pass.Observed.Owner = ownerByStatus(hr, pass.Observed.History.Newest())
	return pass
}

// only is what would be observed if the revision were the only one, deployed, and the release belonged to the object:
// the inputs ask for the same, whichever HelmRelease owns it. How live objects differ does not count.
func only(r *plan.Record, desired plan.Desired, generation int64) plan.Observed {
	observed := plan.Observed{
		Managed: true, Owner: &plan.Owner{}, History: &plan.History{}, Attempt: plan.Attempt{Generation: generation},
	}
	observed = observed.Gathered()
	if r == nil {
		return observed
	}

	mine := *r
	mine.Owner = desired.Self
	mine.Status = plan.StatusDeployed
	observed.History.Records = []plan.Record{mine}
	observed.Recorded = r.Version
	observed.RecordedDigest = r.Digest
	observed.Adoption = &plan.Adoption{
		Record: r.Digest, Generation: desired.Generation, ChartDigest: desired.Chart.Digest,
		ConfigDigest: desired.ConfigDigest,
	}
	return observed
}

// ownerByStatus returns the other HelmRelease that the controller found to own the release, as the conditions say;
// zero when they do not say so.
func ownerByStatus(hr *v1beta1.HelmRelease, newest *plan.Record) *plan.Owner {
	stalled := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.StalledCondition)
	if newest == nil || stalled == nil || stalled.Reason != v1beta1.OwnedByOtherReason {
		return &plan.Owner{}
	}
	return &newest.Owner
}

// Rendering is the action with which an engine renders what an install, or else an upgrade, would make of the inputs.
// The chart has to be added.
func Rendering(hr *v1beta1.HelmRelease, in Inputs, first bool) engine.Action {
	step := plan.Compare
	if first {
		step = plan.Install
	}
	return actionOf(Work{Release: hr, Plan: plan.Plan{Step: step, Target: targetOf(hr)}, Inputs: in})
}
