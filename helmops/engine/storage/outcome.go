package storage

import (
	"regexp"
	"strings"

	"helm.sh/helm/v3/pkg/release"

	"fairlead.dev/fairlead/helmops/engine/helmtext"
	"fairlead.dev/fairlead/helmops/plan"
)

// Texts that versions before 0.1 wrote into the description of a record, without an outcome in its annotation. They are
// the only mark of such records, so they are never reworded; what is written today has the outcome.
const (
	// oldSuperseded is in the description of a failed revision when other inputs were wanted by then.
	oldSuperseded = "a newer desired state ended the wait"
	// oldInterrupted begins the description of a revision that was left pending and marked as failed later.
	oldInterrupted = `^revision \d+ was left `
)

var interruptedText = regexp.MustCompile(oldInterrupted)

// Cause returns why a revision failed, by its description, without what stands in front of the cause.
func Cause(description string) string {
	cause, isFailure := helmtext.Cause(description)
	if isFailure {
		return cause
	}
	return strings.TrimSpace(interruptedText.ReplaceAllString(description, ""))
}

// outcomeOfText reads the outcome off the description of a record that has none in its annotation: one of another Helm
// client, or of a version before 0.1.
func outcomeOfText(status, description string) plan.RevisionOutcome {
	_, isFailure := helmtext.Cause(description)
	switch {
	case plan.ActionOf(status) != "":
		return ""
	case status == plan.StatusFailed && strings.Contains(description, oldSuperseded):
		return plan.OutcomeSuperseded
	case interruptedText.MatchString(description):
		return plan.OutcomeInterrupted
	case isFailure, status == plan.StatusFailed:
		return plan.OutcomeFailed
	default:
		return plan.OutcomeSucceeded
	}
}

// actionOfText reads the action that made a revision off its status and description; empty where these do not say.
func actionOfText(status, description string) plan.Step {
	if helmtext.IsRollback(description) {
		return plan.Rollback
	}
	return plan.ActionOf(status)
}

// outcomeOf is the outcome of a revision whose record is about to be written over one with the annotation before, nil
// when that has none. failsAs is the outcome of a revision that fails by this write.
func outcomeOf(rel *release.Release, before *noted, failsAs plan.RevisionOutcome) plan.RevisionOutcome {
	status := rel.Info.Status.String()
	had := before != nil && before.Outcome != ""
	failedBefore := before != nil && before.Status == plan.StatusFailed
	switch {
	case plan.ActionOf(status) != "":
		return ""
	case status == plan.StatusDeployed:
		return plan.OutcomeSucceeded
	case status == plan.StatusFailed && !failedBefore:
		return failsAs
	case had:
		return before.Outcome
	default:
		return outcomeOfText(status, rel.Info.Description)
	}
}
