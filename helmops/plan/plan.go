package plan

import (
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Step is one thing to do.
type Step string

// Steps of a plan.
const (
	// None: nothing is left to do until something changes.
	None Step = "none"
	// Wait: nothing is done now; the plan says for how long, or why only the user can help.
	Wait Step = "wait"
	// Need: the decision needs a fact first.
	Need Step = "need"
	// Unlock: a record that was left pending is marked failed.
	Unlock Step = "unlock"
	// Install, Upgrade and Uninstall are Helm's actions.
	Install   Step = "install"
	Upgrade   Step = "upgrade"
	Uninstall Step = "uninstall"
	// Rollback goes back to a revision that was good.
	Rollback Step = "rollback"
	// Test runs the tests of the chart on the newest revision.
	Test Step = "test"
	// Resume finishes, from its record alone, what a controller that stopped had begun.
	Resume Step = "resume"
	// Compare finds out the fact FactManifest; it renders the chart, so it takes longer than a look.
	Compare Step = "compare"
	// Preview computes the plan of the next install or upgrade, which waits for an approval.
	Preview Step = "preview"
	// Correct brings objects that drifted back to what the release says; Inspect only finds out how they differ.
	Correct Step = "correct"
	Inspect Step = "inspect"
	// Recount takes over into status how an action ended that was not seen to end. Nothing is done in the cluster.
	Recount Step = "recount"
	// Claim writes the HelmRelease as the owner into the newest record, without a new revision.
	Claim Step = "claim"
)

// Fact is something that has to be looked up.
type Fact string

// Facts.
const (
	// FactHistory is the list of records of the Helm release.
	FactHistory Fact = "history"
	// FactManifest is whether the newest revision holds just what chart and values render.
	FactManifest Fact = "manifest"
	// FactOwner is which other living HelmRelease owns the Helm release.
	FactOwner Fact = "owner"
	// FactOutdated is whether the chart and the values are still those of the action that is running.
	FactOutdated Fact = "outdated"
	// FactInputs is what the release is made of.
	FactInputs Fact = "inputs"
	// FactObjects is what is known of the live objects.
	FactObjects Fact = "objects"
	// FactDependencies is whether the dependencies are ready.
	FactDependencies Fact = "dependencies"
	// FactApprovals is what users decided about plans.
	FactApprovals Fact = "approvals"
)

// Plan is the decision.
type Plan struct {
	// Step to take.
	Step Step
	// Fact that is needed, for Need.
	Fact Fact
	// Target the step is about.
	Target Target
	// To is the revision to go back to, for Rollback, or the one to take over, for Recount.
	To int
	// Others are revisions to go back to when the cluster cannot take To any more, best first.
	Others []int
	// MarksKnownBad is set when the input that is wanted has failed permanently and is not tried again.
	MarksKnownBad bool
	// Failure is what a Rollback undoes when that is not a failed action, and what a None leaves as it is; empty
	// otherwise.
	Failure string
	// Objects to look at, for Correct and Inspect; all of the release when there are none.
	Objects []v1beta1.ResourceRef
	// Baking is set on None while the newest revision is watched and not verified yet.
	Baking bool
	// Bake is what is decided about the revision that runs and bakes, while the next one waits for an approval; nil
	// when none bakes.
	Bake *Plan
	// Held is what a closed window holds, on a None or Wait; nil when it holds nothing.
	Held *Held
	// Revision is the one that is judged, where that is not made of what is wanted; nil where it is.
	Revision *Record
	// Finishes is the action that a Resume finishes, or that a Recount takes over.
	Finishes Step
	// Reason in one word, for conditions, events and metrics.
	Reason string
	// Message for people: what happens and why.
	Message string
	// Note is added to what Ready says of a None; empty is nothing.
	Note string
	// After is how long to Wait; zero means until something changes.
	After time.Duration
	// Audit is how long it takes until every object is looked at, if nothing changes before; zero means that it is not.
	Audit time.Duration
	// Stalled is set on Wait when only new input can help.
	Stalled bool
	// Outdated is set while an action is running that is no longer wanted, and Progress when it has been running for
	// so long that the object reports it.
	Outdated bool
	Progress bool
	// Cancelled is set while an action is running that the user asked to end.
	Cancelled bool
	// Former is the owner that the newest record named when the plan was made. The step is refused when it is another
	// by then.
	Former Owner
	// Afresh is set on a Preview of a release that is uninstalled before it is installed again.
	Afresh bool
	// Approved is the digest of the plan that was approved for an install or upgrade: the step is refused when it would
	// do anything else by then. It is empty for a step that needs no approval.
	Approved string
	// Tested is what the tests of the newest revision say, for None.
	Tested Tested
}

// Judged is the desired state that the verdict of the plan is about: that of Revision, or else what is wanted.
func (p Plan) Judged(wanted Desired) Desired {
	if p.Revision == nil {
		return wanted
	}
	wanted.Chart = p.Revision.Chart
	wanted.ConfigDigest = p.Revision.ConfigDigest
	wanted.RenderDigest = p.Revision.RenderDigest
	return wanted
}

// Action is the Helm action that the step amounts to: what a Resume or Recount is about, else the step itself.
func (p Plan) Action() Step {
	if p.Finishes != "" {
		return p.Finishes
	}
	return p.Step
}

// Acts reports whether the step needs the cluster.
func (p Plan) Acts() bool {
	switch p.Step {
	case Unlock, Install, Upgrade, Uninstall, Rollback, Test, Resume, Compare, Preview, Correct, Inspect, Claim:
		return true
	default:
		return false
	}
}
