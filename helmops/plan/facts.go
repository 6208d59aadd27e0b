package plan

import (
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
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
	// Generation of the object this was read from.
	Generation int64
	// Deleting is set when the object is being deleted.
	Deleting bool
	// Suspended is set when nothing may be changed.
	Suspended bool
	// Retry is set when the user asked for a new attempt at once.
	Retry bool
	// Target is the Helm release that is wanted.
	Target Target
	// Chart is the exact chart that is wanted.
	Chart v1beta1.ChartRevision
	// VersionOnly makes two charts of one version equal, whatever their digests.
	VersionOnly bool
	// FromRange is set when a version range chose the chart, so that an older version than the one that runs means that
	// upstream withdrew a version, not that somebody wants it.
	FromRange bool
	// ConfigDigest is the digest of the values that are wanted.
	ConfigDigest string
	// Timeout is how long a pending action of another Helm client is left alone.
	Timeout time.Duration
}

// Observed is what is known about the release. A nil pointer means "not looked at yet", except for Moved.
type Observed struct {
	// History of the Helm release; that of Moved when it is set.
	History *History
	// Managed is set when an earlier reconciliation recorded a revision of the release.
	Managed bool
	// Moved is the Helm release that an earlier reconciliation made, when the object now asks for another name or
	// namespace, and that is still there; nil when it did not move.
	Moved *Target
	// Attempt is the last install or upgrade.
	Attempt Attempt
}

// History is the list of records of a Helm release, newest first.
type History struct {
	Records []Record
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
	// Description is what Helm or we noted about how the revision ended.
	Description string
	// ChartName, ChartVersion and AppVersion come from the chart's metadata.
	ChartName, ChartVersion, AppVersion string
	// ChartDigest is empty when another Helm client wrote the record.
	ChartDigest string
	// ConfigDigest is the digest of the values the user gave.
	ConfigDigest string
	// RenderDigest is the digest of the post renderers and the common metadata, empty when there were none.
	RenderDigest string
	// InputDigest is the digest of everything the revision was made from, empty when another Helm client made it.
	InputDigest string
	// Tests of the chart, as they last ran on this revision.
	Tests []TestRun
	// Degraded says what had to be left out of the record for its size; empty is nothing.
	Degraded string
	// Digest of the record's content; it changes when anybody changes the record.
	Digest string
	// Ours is set when Fairlead wrote the record last.
	Ours bool
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

// Pending tells whether some Helm client is, or was, in the middle of an action.
func (r *Record) Pending() bool {
	switch r.Status {
	case StatusPendingInstall, StatusPendingUpgrade, StatusPendingRollback, StatusUninstalling:
		return true
	}
	return false
}

// Attempt is the last install or upgrade and the input it was made with.
type Attempt struct {
	Generation   int64
	ChartDigest  string
	ConfigDigest string
	// Failures counts attempts with this input that failed, 0 after a success.
	Failures int64
	// Stalled is set when the last failure cannot go away without new input.
	Stalled bool
	// At is when it ended, zero when there was none.
	At time.Time
}

// of tells whether the attempt was made with the input that is wanted now.
func (a Attempt) of(d Desired) bool {
	return !a.At.IsZero() && a.Generation == d.Generation && a.ChartDigest == d.Chart.Digest && a.ConfigDigest == d.ConfigDigest
}
