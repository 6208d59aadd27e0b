package view

import (
	"fmt"
	"slices"
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

// RollbackTarget picks the revision that a request of a user goes back to: the one that is named, or for 0 the best
// that the controller would choose by itself. A revision that is of the same input as the one that runs is only taken
// when it is named. The error is a *NoRollbackError.
func RollbackTarget(hr *v1beta1.HelmRelease, revision int) (v1beta1.Snapshot, error) {
	history := hr.Status.History
	switch {
	case len(history) == 0:
		return v1beta1.Snapshot{}, &NoRollbackError{Why: "it has no revisions yet"}
	case hr.Status.InputDigest == "":
		return v1beta1.Snapshot{}, &NoRollbackError{Why: "the controller has not told yet which chart and values it should " +
			"run " +
			"(status.inputDigest is empty), and a request holds against these only; see that its source is ready"}
	}

	rule := plan.RollbackRuleOf(hr)
	records := plan.RecordsOf(history)
	if revision != 0 {
		return namedTarget(history, records, rule, revision)
	}

	targets := rule.Targets(records)
	if newest := &records[0]; rule.Refuses(newest, true) == "" {
		targets = rule.Others(records, newest)
	}
	if len(targets) == 0 {
		return v1beta1.Snapshot{}, &NoRollbackError{
			Why: "its history has no good revision other than the one that runs; it has: " + revisionsText(history),
		}
	}

	at := slices.IndexFunc(history, func(s v1beta1.Snapshot) bool { return int(s.Version) == targets[0].Version })
	return history[at], nil
}

func namedTarget(
	history []v1beta1.Snapshot, records []plan.Record, rule plan.RollbackRule, revision int,
) (v1beta1.Snapshot, error) {
	for i, s := range history {
		if int(s.Version) != revision {
			continue
		}
		if rule.Refuses(&records[i], true) == "" {
			return s, nil
		}

		return s, &NoRollbackError{Why: fmt.Sprintf("revision %d never ran well, it is %s; the history has: %s",
			revision, ended(s), revisionsText(history))}
	}
	return v1beta1.Snapshot{}, &NoRollbackError{
		Why: fmt.Sprintf("revision %d is not in the history; it has: %s", revision, revisionsText(history)),
	}
}

// ended says how a revision ended: its status in Helm's words, and its outcome where that says something else.
func ended(s v1beta1.Snapshot) string {
	outcome := plan.RevisionOutcome(s.Outcome)
	if s.Status != plan.StatusSuperseded || outcome == "" || outcome == plan.OutcomeSucceeded {
		return s.Status
	}
	return fmt.Sprintf("%s and %s before", s.Status, outcome)
}

func revisionsText(history []v1beta1.Snapshot) string {
	parts := make([]string, 0, len(history))
	for _, s := range history {
		parts = append(parts, fmt.Sprintf("%d %s (%s)", s.Version, s.ChartVersion, s.Status))
	}
	return strings.Join(parts, ", ")
}
