package plan

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/approval"
)

// Statuses of a Helm release record, in Helm's words.
const (
	StatusDeployed        = "deployed"
	StatusSuperseded      = "superseded"
	StatusFailed          = "failed"
	StatusUninstalled     = "uninstalled"
	StatusUninstalling    = "uninstalling"
	StatusPendingInstall  = "pending-install"
	StatusPendingUpgrade  = "pending-upgrade"
	StatusPendingRollback = "pending-rollback"
)

// Target names one Helm release and where its records are.
type Target struct {
	Name, Namespace, StorageNamespace string
}

// Desired is what the object asks for.
type Desired struct {
	// Self is the HelmRelease that is decided on. It may be zero for a plan that is only shown.
	Self Owner
	// Generation of the object this was read from.
	Generation int64
	// Deleting is set when the object is being deleted.
	Deleting bool
	// Suspended is set when nothing may be changed.
	Suspended bool
	// Orphan is set when a deleted object leaves its release behind.
	Orphan bool
	// NamespaceTerminating is set when the namespace of the object is being deleted, with all ServiceAccounts in it.
	NamespaceTerminating bool
	// Retry is set when the user asked for a look at once: no back-off is waited for. It does not free what is stalled.
	Retry bool
	// Force is set when the user asked for one install or upgrade, whether or not anything has changed or can succeed.
	Force bool
	// Cancel is set when the user asked to end the step that is running.
	Cancel bool
	// Selected are objects that the user asked to bring back to what the revision that runs says.
	Selected []v1beta1.ResourceRef
	// Target is the Helm release that is wanted.
	Target Target
	// Chart is the exact chart that is wanted.
	Chart v1beta1.ChartRevision
	// VersionOnly makes two charts of one version equal, whatever their digests.
	VersionOnly bool
	// FromRange is set when a version range chose the chart, so that an older version than the one that runs means that
	// upstream withdrew a version, not that a user wants it.
	FromRange bool
	// ConfigDigest is the digest of the values that are wanted, those of valuesFiles among them.
	ConfigDigest string
	// RenderDigest is the digest of the post renderers and common metadata that are wanted, empty when there are none.
	RenderDigest string
	// InPlace is set when a chart of another name upgrades the release; otherwise the release is uninstalled first.
	InPlace bool
	// Install and Upgrade tell what follows when one fails.
	Install, Upgrade Policy
	// Tests that are wanted after an install or upgrade.
	Tests Tests
	// Bake is how long a revision has to stay healthy to be verified; 0 is not at all.
	Bake time.Duration
	// KeepFailed is set when a revision that fails is never rolled back.
	KeepFailed bool
	// Budget bounds the automatic rollbacks.
	Budget Budget
	// SettingsDigest is the digest of the settings under which an input succeeds or fails.
	SettingsDigest string
	// Pin is the revision that a user wants to stay at; nil when there is none.
	Pin *Pin
	// Sync says which plans wait for an approval.
	Sync approval.Sync
	// Windows are the times in which something new is applied.
	Windows Windows
	// Corrects is set when drift is corrected, not only found out about.
	Corrects bool
	// Timeout is how long a pending action of another Helm client is left alone.
	Timeout time.Duration
}

// Observed is what is known about the release. A nil pointer means "not looked up yet", except for Moved and
// Running.
type Observed struct {
	// Running is the action that is running; nil when none is.
	Running *Running
	// Inputs and Dependencies are nil until they are looked up; Looked is set when the live objects were.
	Inputs       *Inputs
	Dependencies *Dependencies
	Looked       bool
	// History of the Helm release; that of Moved when it is set.
	History *History
	// Owner is the living HelmRelease, other than this one, that owns the release; the zero value is none.
	Owner *Owner
	// Managed is set when an earlier reconciliation recorded a revision of the release.
	Managed bool
	// Moved is the Helm release that an earlier reconciliation made, when the object now asks for another name or
	// namespace, and that is still there; nil when it did not move.
	Moved *Target
	// Attempt is the last install or upgrade.
	Attempt Attempt
	// Recorded is the newest revision that status knows, 0 when it knows none, and RecordedDigest that of its record.
	Recorded       int
	RecordedDigest string
	// Verified is the last revision that was good, 0 when there was none or it is not known.
	Verified int
	// Manifest reports whether the newest revision holds just what the wanted chart renders.
	Manifest *bool
	// Health of the live objects.
	Health Health
	// Drifted are objects that another client has changed, and that have to be looked at.
	Drifted []v1beta1.ResourceRef
	// Differs is set while objects are known to differ from the manifest.
	Differs bool
	// Matches is set while no object is known to differ from the manifest, after a comparison.
	Matches bool
	// Adoption is the comparison that precedes the first upgrade of an adopted release; nil when there was none.
	Adoption *Adoption
	// AuditAt is when it is time to look at every object; zero is never.
	AuditAt time.Time
	// Unlisted is set when the objects of the newest revision were not listed yet.
	Unlisted bool
	// Probation is set for a while after a revision of another Helm client was adopted: its drift is reported, not
	// corrected.
	Probation bool
	// Bake is the watch over a revision that is not verified yet; nil when there is none.
	Bake *Bake
	// KnownBad are inputs that failed and are not tried again.
	KnownBad []v1beta1.KnownBad
	// Cancelled is the step that a user cancelled, and that was not tried again since; nil for none.
	Cancelled *Cancelled
	// Rollbacks are the times of automatic rollbacks, newest first.
	Rollbacks []time.Time
	// Planned is the plan of the next install or upgrade that was computed last; nil for none.
	Planned *Planned
	// Approvals are the decisions of users about plans. They are looked up only while a plan waits for them.
	Approvals *approval.Plans
	// NotAttributable says why a release that is not healthy now may not be to blame for it; empty when there is
	// nothing.
	NotAttributable string
}

// History is the list of records of a Helm release, newest first.
type History struct {
	Records []Record
	// Namesake is a release of the same name in another namespace that has its records in the same place; nil when
	// there is none, or when it was not looked for, because the release itself has records.
	Namesake *Namesake
}

// Namesake is a Helm release of the same name in another namespace, with its records in the same storage namespace.
type Namesake struct {
	// Namespace of the release.
	Namespace string
	// Owner is the HelmRelease that its newest record names; zero when that names none.
	Owner Owner
}

// Newest returns the newest record, nil when there is none.
func (h *History) Newest() *Record {
	if h == nil || len(h.Records) == 0 {
		return nil
	}
	return &h.Records[0]
}

// Record is one revision of a Helm release as it is in storage.
type Record struct {
	// Version is the revision, counted from 1.
	Version int
	// Namespace of the release, which need not be that of its records.
	Namespace string
	// Status in Helm's words.
	Status string
	// Description is what Helm or we noted about how the revision ended. It is for people: Outcome and Action say
	// what follows from it.
	Description string
	// Chart is the revision of the chart. Its name and version come from the chart's metadata; its digest is empty when
	// another Helm client wrote the record.
	Chart v1beta1.ChartRevision
	// AppVersion comes from the chart's metadata.
	AppVersion string
	// ConfigDigest is the digest of the values the user gave.
	ConfigDigest string
	// RenderDigest is the digest of the post renderers and the common metadata, empty when there were none.
	RenderDigest string
	// ApplyMethod is how the objects of the revision were written; empty where the record does not say.
	ApplyMethod ApplyMethod
	// Action that made the revision, Install, Upgrade or Rollback, where that is known.
	Action Step
	// Outcome is how the revision ended; empty while its action is under way, or where that is not known.
	Outcome RevisionOutcome
	// Tests of the chart, as they last ran on this revision.
	Tests []TestRun
	// ForwardOnly says why one does not go back from this revision; empty when one may.
	ForwardOnly string
	// Degraded says what had to be left out of the record for its size; empty is nothing.
	Degraded string
	// Digest of the record's content; it changes when any client changes the record.
	Digest string
	// Ours is set when Fairlead wrote the record last.
	Ours bool
	// Owner is the HelmRelease that the record names; zero when another Helm client wrote the record, or an older
	// Fairlead.
	Owner Owner
	// Modified is when the record was written last.
	Modified time.Time
	// FirstDeployed, LastDeployed and Deleted as Helm records them; Deleted is zero until the release is uninstalled.
	FirstDeployed, LastDeployed, Deleted time.Time
}

// TestRun is one test of a chart.
type TestRun struct {
	// Name of the test.
	Name string
	// Phase in Helm's words: Unknown, Running, Succeeded, Failed.
	Phase string
	// Started and Completed are zero when the test never ran.
	Started, Completed time.Time
}

// Pending reports whether some Helm client is, or was, in the middle of an action.
func (r *Record) Pending() bool {
	switch r.Status {
	case StatusPendingInstall, StatusPendingUpgrade, StatusPendingRollback, StatusUninstalling:
		return true
	}
	return false
}

// isRollback reports whether the revision was made by a rollback, by any client.
func (r *Record) isRollback() bool { return r.Action == Rollback }

// wasGood reports whether the revision was rolled out as a whole. Helm calls a failed revision superseded as soon as
// a later one is deployed, so that its status alone does not say so.
func (r *Record) wasGood() bool {
	return (r.Status == StatusDeployed || r.Status == StatusSuperseded) && !r.Outcome.failed()
}

// Current returns the revision that runs: the newest one that is deployed, else, while an install, upgrade or
// rollback is under way, the newest one before it that was rolled out as a whole. It is nil when there is none. The
// records are given newest first.
func Current(records []Record) *Record {
	for i := range records {
		if records[i].Status == StatusDeployed {
			return &records[i]
		}
	}

	if len(records) == 0 || finishes[records[0].Status] == "" {
		return nil
	}

	for i := range records[1:] {
		if records[i+1].wasGood() {
			return &records[i+1]
		}
	}

	return nil
}

// Attempt is the last install or upgrade and the input it was made with.
type Attempt struct {
	// Action is Install or Upgrade.
	Action       Step
	Generation   int64
	ChartDigest  string
	ConfigDigest string
	RenderDigest string
	// Failures counts attempts of any kind with this input that failed, 0 after a success.
	Failures int64
	// InstallFailures and UpgradeFailures count those that reached the cluster.
	InstallFailures, UpgradeFailures int64
	// UndoFailed is set when a rollback or uninstall that should have undone the attempt failed last.
	UndoFailed bool
	// Denied is set when the API server refused what was tried last.
	Denied bool
	// Stalled is set when the last failure cannot go away without new input.
	Stalled bool
	// NotAttributable says why the last failure is not held against its input; empty when it is.
	NotAttributable string
	// At is when it ended, zero when there was none.
	At time.Time
}

// AttemptOf reads the last attempt off a status.
func AttemptOf(s *v1beta1.HelmReleaseStatus) Attempt {
	ready := meta.FindStatusCondition(s.Conditions, v1beta1.ReadyCondition)
	stalled := meta.FindStatusCondition(s.Conditions, v1beta1.StalledCondition)
	a := Attempt{
		Action: Step(s.LastAttemptedReleaseAction), Generation: s.LastAttemptedGeneration,
		ChartDigest: s.LastAttemptedRevisionDigest, ConfigDigest: s.LastAttemptedConfigDigest, RenderDigest: s.LastAttemptedRenderDigest,
		Failures: s.Failures, InstallFailures: s.InstallFailures, UpgradeFailures: s.UpgradeFailures,
		UndoFailed: meta.IsStatusConditionFalse(s.Conditions, v1beta1.RemediatedCondition),
		Denied:     ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == v1beta1.AccessDeniedReason,
		// A release can be stalled for other reasons, too, which say nothing about its attempts or follow from their
		// number.
		Stalled: stalled != nil && stalled.Status == metav1.ConditionTrue &&
			(stalled.Reason == v1beta1.SchemaFailedReason || stalled.Reason == v1beta1.PreflightRejectedReason),
	}
	if f := s.LastFailure; f != nil && f.Phase != v1beta1.PhaseBake && InputOfFailure(f) == a.Input().Unrendered() {
		a.NotAttributable = f.Inconclusive
	}
	if s.LastAttemptedAt != nil {
		a.At = s.LastAttemptedAt.Time
	}

	return a
}

// of reports whether the attempt was made with the input that is wanted now.
func (a Attempt) of(d Desired) bool {
	return !a.At.IsZero() && a.Generation == d.Generation && a.Input() == d.Input()
}

// counted is how many attempts with the input failed in the cluster.
func (a Attempt) counted() int64 { return a.InstallFailures + a.UpgradeFailures }

// uncounted is how many other things failed since: attempts that never got to the cluster, and what should have
// undone one.
func (a Attempt) uncounted() int64 { return max(0, a.Failures-a.counted()) }

// made reports whether the revision has the input that is wanted.
func (r *Record) made(d Desired) bool {
	wanted := d.Input()
	if d.VersionOnly {
		wanted.Chart = r.Chart.Digest
	}
	return r.Chart.Name == d.Chart.Name && v1beta1.SameVersion(r.Chart.Version, d.Chart.Version) && r.Input() == wanted
}
