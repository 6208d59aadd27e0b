package view

import (
	"fmt"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// NoRollbackError says why a release cannot go back. Its message is complete; nothing was changed.
type NoRollbackError struct {
	// Why, in words that follow "cannot be rolled back: ".
	Why string
}

// Error implements error.
func (e *NoRollbackError) Error() string { return e.Why }

// RollbackTarget picks the revision that a request of a user goes back to: the one that is named, or for 0 the one that was
// verified last, else the newest good one. A revision that is of the same input as the one that runs, or of one that is known
// to be bad, is only taken when it is named. The error is a *NoRollbackError.
func RollbackTarget(hr *v1beta1.HelmRelease, revision int) (v1beta1.Snapshot, error) {
	history := hr.Status.History
	switch {
	case len(history) == 0:
		return v1beta1.Snapshot{}, &NoRollbackError{Why: "it has no revisions yet"}
	case hr.Status.InputDigest == "":
		return v1beta1.Snapshot{}, &NoRollbackError{Why: "the controller has not told yet which chart and values it should run " +
			"(status.inputDigest is empty), and a request holds against these only; see that its source is ready"}
	case revision != 0:
		return namedTarget(history, revision)
	}
	var found *v1beta1.Snapshot
	for i := range history {
		s := &history[i]
		if !wasGood(*s) || sameInput(*s, history[0]) && wasGood(history[0]) || testsFailed(*s) || turnedOutBad(hr.Status.KnownBad, *s) {
			continue
		}
		if v := hr.Status.LastVerified; v != nil && v.Revision == s.Version {
			return *s, nil
		}
		if found == nil {
			found = s
		}
	}
	if found == nil {
		return v1beta1.Snapshot{}, &NoRollbackError{Why: "its history has no good revision but what runs; it has: " + revisionsText(history)}
	}
	return *found, nil
}

func namedTarget(history []v1beta1.Snapshot, revision int) (v1beta1.Snapshot, error) {
	for _, s := range history {
		switch {
		case s.Version != revision:
		case !wasGood(s):
			return s, &NoRollbackError{Why: fmt.Sprintf("revision %d never ran well, it is %s; the history has: %s",
				revision, s.Status, revisionsText(history))}
		default:
			return s, nil
		}
	}
	return v1beta1.Snapshot{}, &NoRollbackError{Why: fmt.Sprintf("revision %d is not in the history; it has: %s", revision, revisionsText(history))}
}

// wasGood reports whether the revision rolled out.
func wasGood(s v1beta1.Snapshot) bool {
	return s.Deleted == nil && (s.Status == plan.StatusDeployed || s.Status == plan.StatusSuperseded)
}

// sameInput reports whether two revisions were made from the same chart, values and post renderers.
func sameInput(a, b v1beta1.Snapshot) bool {
	return a.ChartName == b.ChartName && v1beta1.SameVersion(a.ChartVersion, b.ChartVersion) && a.ChartDigest == b.ChartDigest &&
		a.ConfigDigest == b.ConfigDigest && a.RenderDigest == b.RenderDigest
}

func testsFailed(s v1beta1.Snapshot) bool {
	for _, test := range s.TestHooks {
		if test.Phase == "Failed" {
			return true
		}
	}
	return false
}

func turnedOutBad(known []v1beta1.KnownBad, s v1beta1.Snapshot) bool {
	for _, bad := range known {
		if bad.ChartDigest == s.ChartDigest && bad.ConfigDigest == s.ConfigDigest && bad.RenderDigest == s.RenderDigest {
			return true
		}
	}
	return false
}

func revisionsText(history []v1beta1.Snapshot) string {
	parts := make([]string, 0, len(history))
	for _, s := range history {
		parts = append(parts, fmt.Sprintf("%d %s (%s)", s.Version, s.ChartVersion, s.Status))
	}
	return strings.Join(parts, ", ")
}
