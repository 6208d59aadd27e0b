package promotion

import (
	"time"

	"fairlead.dev/fairlead/helmops/window"
)

// Facts are what a decision about one pipeline looks at.
type Facts struct {
	// Suspended is set when nothing may be changed.
	Suspended bool
	// Candidates are the charts that the subject had, in any order.
	Candidates []Candidate
	// Stages in the order of the pipeline.
	Stages []Stage
	// Freezes are those that the pipeline falls under, at all times.
	Freezes []Freeze
	// Stamped is set when the API server writes who made an approval. Without it the author of an approval is not
	// known.
	Stamped bool
}

// Candidate is one exact chart, with shared values where the pipeline has them.
type Candidate struct {
	// Version of the chart.
	Version string
	// ID is what makes it the candidate that it is.
	ID Identity
	// FirstSeen is when the subject first had it.
	FirstSeen time.Time
	// Origin is where it can be fetched again when the subject no longer offers it; empty when it is not needed.
	Origin string
}

// Modes of a stage.
const (
	Auto   = "Auto"   // a candidate that passes the gates is promoted
	Manual = "Manual" // it has to be approved, too
)

// How many of the stages that a stage gets its candidates from have to have verified a candidate.
const (
	All = "All"
	Any = "Any"
)

// What follows when a stage rejects a candidate.
const (
	Reject = "Reject" // newer candidates are promoted
	Hold   = "Hold"   // the stage is held until a user resumes it
)

// Causes of a delivery.
const (
	CauseAuto     = "Auto"
	CauseApproved = "Approved"
	CausePin      = "Pin"
	CauseRollback = "Rollback"
)

// Stage is one environment, as it is wanted and as it is.
type Stage struct {
	// Name of the stage.
	Name string
	// From are the stages that a candidate has to be verified in, earlier ones of the pipeline; none means the subject.
	From []string
	// FromPolicy is All, the default, or Any.
	FromPolicy string
	// Promote is Auto, the default, or Manual.
	Promote string
	// Pin is the version that a user wants here; empty for none.
	Pin string
	// Hold says why a user holds the stage; empty for not at all.
	Hold string
	// HeldBy says why an earlier decision holds the stage; empty for not at all.
	HeldBy string
	// Approved are versions and ranges that the pipeline itself approves.
	Approved []string
	// Approvals are what users decided about candidates.
	Approvals []Approval
	// Refused are the versions, and the digests of charts and shared values, that a user rejects.
	Refused []string
	// Gates of the stage.
	Gates Gates
	// OnFailure is Reject, the default, or Hold.
	OnFailure string
	// Deadline is how long a candidate may take to be verified; zero for ever.
	Deadline time.Duration
	// Intake is Newest, the default, or Serial.
	Intake string
	// MinVerified is how many of the releases have to verify a candidate, all when zero.
	MinVerified Share

	// Delivery is what the stage has now; nil for nothing.
	Delivery *Delivery
	// Verified are the candidates that were verified here, and for how long.
	Verified []Verification
	// Rejected are the candidates that were rejected here.
	Rejected []Rejection
	// Releases are the HelmReleases of the stage.
	Releases []Release
	// Attestations are what is known of the statements about charts, by digest, where the gates want them.
	Attestations map[string]Attestation
	// Copies is set for a stage that is a repository of a registry: its one release is the copy.
	Copies bool
	// Signatures are what is known of charts, by digest.
	Signatures map[string]Signature
	// Displaced is how many candidates were replaced while a later stage only waited for them, since it took one.
	Displaced int
	// Waves in which the releases take what the stage has, in their order; none for all at the same time.
	Waves []Wave
	// Requests are those of users that have no final answer, in any order.
	Requests []Request
}

// Gates are the conditions of a stage. A zero value lets everything through but a downgrade.
type Gates struct {
	// Range that the version has to be in; empty for any.
	Range string
	// NoPrereleases refuses pre-releases.
	NoPrereleases bool
	// Bump is the largest step that needs no approval: Patch, Minor or Major, the default.
	Bump string
	// Downgrade allows a lower version than the present one.
	Downgrade bool
	// Soak is how long the candidate has to be verified without a break in the stages before.
	Soak time.Duration
	// MinAge is how long ago the candidate has to be first seen.
	MinAge time.Duration
	// Approval says which candidates need approvals, and which approvals count.
	Approval ApprovalGate
	// Windows are times in which the stage may, or may not, get a candidate.
	Windows []window.Window
	// Signed is set when the stage wants signatures of its own.
	Signed bool
	// Checks are expressions that have to hold.
	Checks []Check
	// Attested wants signed statements beside the chart.
	Attested bool
}

// Bumps.
const (
	BumpPatch = "Patch"
	BumpMinor = "Minor"
	BumpMajor = "Major"
)

// Freeze stops promotions for a time.
type Freeze struct {
	// Name of the freeze.
	Name string
	// From is when it begins, zero when it has begun; Until when it ends, zero for when it is deleted.
	From, Until time.Time
	// Reason is what its author says.
	Reason string
}

// Delivery is the candidate that the source of a stage points to.
type Delivery struct {
	Candidate

	// Cause of it.
	Cause string
	// At is when it was decided.
	At time.Time
	// Verified is set once the releases of the stage have verified it since then.
	Verified bool
	// Request is the request that it carries out; nil for none.
	Request *Request
}

// Verification is how long a candidate was verified in a stage.
type Verification struct {
	Candidate

	// At is when it was verified first.
	At time.Time
	// Since is the begin of the time that it is verified without a break; zero when it is not verified now.
	Since time.Time
	// Longest is the longest such time that has ended.
	Longest time.Duration
}

// Rejection is the end of a candidate in a stage.
type Rejection struct {
	// ID of the candidate.
	ID Identity
	// Reason says why.
	Reason string
}

// Release is what one HelmRelease of a stage says.
type Release struct {
	// Name of the HelmRelease, with its namespace.
	Name string
	// Current is set when what the release says is about its present spec.
	Current bool
	// Suspended is set when the release changes nothing.
	Suspended bool
	// Ready is set when the release is Ready.
	Ready bool
	// Runs is the digest of the chart of the revision that Helm has as deployed; empty for none. An upgrade that failed
	// or is still running does not count.
	Runs string
	// ID is the chart that was verified last, with the shared values that it was verified with, when that is what runs;
	// otherwise zero.
	ID Identity
	// At is when that was verified.
	At time.Time
	// Has is what the release was last brought to, or tried to be brought to; zero when nothing is released.
	Has Identity
	// Wave is the index of its wave, that after the last for a release of no wave.
	Wave int
	// Bad are the charts that failed permanently with the present values, with the shared ones among those, and why.
	Bad map[Identity]string
	// Message says what the release does now.
	Message string
}

// Steps of a decision.
const (
	StepNone    = "None"
	StepPromote = "Promote" // the source of the stage gets the candidate
	StepVerify  = "Verify"  // the candidate is recorded as verified
	StepReject  = "Reject"  // the candidate is recorded as rejected; Back, unless nil, is delivered
)

// Phases of a stage.
const (
	PhaseIdle      = "Idle"             // there is nothing to promote
	PhaseBlocked   = "Blocked"          // a candidate does not pass the gates
	PhaseApproval  = "AwaitingApproval" // only an approval is missing
	PhaseFrozen    = "Frozen"           // a freeze is what is in the way
	PhaseVerifying = "Verifying"        // the releases have not verified what they got
	PhaseVerified  = "Verified"         // they have, and there is nothing newer
	PhaseHeld      = "Held"             // nothing is promoted until a user resumes the stage
	PhasePinned    = "Pinned"           // a user has chosen the version
	PhaseFailed    = "Failed"           // what is there was rejected, and there is nothing to go back to
	PhaseSuspended = "Suspended"        // the pipeline is suspended
)

// Decision is what happens next in one stage.
type Decision struct {
	// Stage is its name.
	Stage string
	// Step to take.
	Step string
	// Candidate that the step is about, or that waits; nil for none.
	Candidate *Candidate
	// Back is the candidate that is delivered instead of one that was rejected; nil for none.
	Back *Candidate
	// Hold says why the stage is held from now on; empty for not.
	Hold string
	// Cause of a delivery.
	Cause string
	// Phase of the stage after the step.
	Phase string
	// Reason names the rule that decided.
	Reason string
	// Message says it to people.
	Message string
	// Gates as they were for the candidate.
	Gates []Gate
	// Next is when the answer may be another one without an event; zero for never.
	Next time.Time
	// Verified is the record of what was verified in the stage, up to now.
	Verified []Verification
	// Displaced is how many candidates were replaced while a later stage only waited for them.
	Displaced int
	// Unsigned are the digests of the charts whose signatures have to be checked.
	Unsigned []string
	// Starves warns that a later stage may never get a candidate; empty for nothing new.
	Starves string
	// Request is the request that the decision carries out; nil for none. Answers are those to all requests.
	Request *Request
	Answers []Answer
}
