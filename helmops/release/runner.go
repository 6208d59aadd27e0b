// Package release carries one release from what it is to what it should be: observe, decide, do, record.
//
//	Decide: status, history ─► plan.Decide ─(needs a fact)─► Engine ─► plan.Decide ─► Plan
//	Do:     Plan, Inputs ─► chart ─► Engine ─► status.Outcome
//
// Decide is quick and for workers; Do takes as long as the release does and is not.
package release

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/cluster"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/values"
)

// Engine is what the runner wants of Helm.
type Engine interface {
	// History reads the records of a release, newest first; none is no error.
	History(ctx context.Context, target plan.Target) ([]plan.Record, error)
	// Execute carries out an action and waits for its end.
	Execute(ctx context.Context, action engine.Action) engine.Result
}

// Charts loads the chart of a revision. It may wait for upstream. The errors have a method Reason where they know one.
type Charts func(ctx context.Context, hr *v1beta1.HelmRelease, revision v1beta1.ChartRevision) (*chart.Chart, error)

// Inputs are what a release is made of, as it is wanted now.
type Inputs struct {
	// Access says on which cluster, and as whom, everything of the release is read and written.
	Access cluster.Access
	Chart  v1beta1.ChartRevision
	Values map[string]any
	// Mask hides what came from Secrets.
	Mask values.Mask
}

// Runner plans and carries out the steps of releases.
type Runner struct {
	Engine Engine
	Charts Charts
	Now    func() time.Time
}

// Decide plans the next step. The history it looked at is returned with it.
func (r *Runner) Decide(ctx context.Context, hr *v1beta1.HelmRelease, in Inputs) (plan.Plan, []plan.Record, error) {
	desired := desiredOf(hr, in)
	observed := observedOf(hr)
	for {
		p := plan.Decide(desired, observed, r.Now())
		if p.Step != plan.Need {
			var records []plan.Record
			if observed.History != nil {
				records = observed.History.Records
			}
			return p, records, nil
		}
		records, err := r.Engine.History(ctx, p.Target)
		if err != nil {
			return plan.Plan{}, nil, fmt.Errorf("reading the history of release %s/%s: %w", p.Target.Namespace, p.Target.Name, err)
		}
		observed.History = &plan.History{Records: records}
		if newest := observed.History.Newest(); observed.Moved != nil && !desired.Deleting &&
			(newest == nil || newest.Status == plan.StatusUninstalled) {
			observed.Moved, observed.History = nil, nil // the former release is gone; now for the one that is wanted
		}
	}
}

// Do carries out a plan that acts, and tells how it ended. superseded is closed when the plan is no longer wanted.
func (r *Runner) Do(ctx context.Context, hr *v1beta1.HelmRelease, p plan.Plan, in Inputs, superseded <-chan struct{}) status.Outcome {
	outcome := status.Outcome{
		Step: p.Step, Target: p.Target, Generation: hr.Generation, Chart: in.Chart, ConfigDigest: values.Digest(in.Values),
	}
	action := engine.Action{
		Step: p.Step, Target: p.Target, Why: p.Message, Revision: in.Chart, Values: in.Values,
		Options: optionsOf(hr, p.Step), Superseded: superseded,
	}
	if p.Step == plan.Install || p.Step == plan.Upgrade {
		loaded, err := r.Charts(ctx, hr, in.Chart)
		if err != nil {
			outcome.HistoryUnknown = true
			outcome.Failure = chartFailure(err)
			return outcome
		}
		action.Chart = loaded
	}
	result := r.Engine.Execute(ctx, action)
	outcome.Reached, outcome.Inventory = result.Reached, result.Inventory
	outcome.History, outcome.HistoryUnknown = result.History, result.HistoryErr != nil
	if result.Err != nil {
		reason, final := engine.Reason(p.Step, result.Err)
		outcome.Failure = &status.Failure{Reason: reason, Final: final, Message: strings.TrimSpace(in.Mask.Apply(result.Err.Error()))}
	}
	return outcome
}

// Differ tells whether other inputs than those a step was begun with are wanted now.
func Differ(hr *v1beta1.HelmRelease, begun, now Inputs) bool {
	if begun.Chart.Name != now.Chart.Name || begun.Chart.Version != now.Chart.Version ||
		values.Digest(begun.Values) != values.Digest(now.Values) {
		return true
	}
	return begun.Chart.Digest != now.Chart.Digest && !desiredOf(hr, now).VersionOnly
}

func chartFailure(err error) *status.Failure {
	failure := &status.Failure{Reason: v1beta1.ArtifactFailedReason, Message: err.Error()}
	var known interface {
		error
		Reason() string
	}
	if errors.As(err, &known) {
		failure.Reason = known.Reason()
	}
	return failure
}

func targetOf(hr *v1beta1.HelmRelease) plan.Target {
	return plan.Target{Name: hr.GetReleaseName(), Namespace: hr.GetReleaseNamespace(), StorageNamespace: hr.GetStorageNamespace()}
}

func desiredOf(hr *v1beta1.HelmRelease, in Inputs) plan.Desired {
	desired := plan.Desired{
		Generation:   hr.Generation,
		Deleting:     !hr.DeletionTimestamp.IsZero(),
		Suspended:    hr.Spec.Suspend,
		Retry:        Requested(hr),
		Target:       targetOf(hr),
		Chart:        in.Chart,
		ConfigDigest: values.Digest(in.Values),
		Timeout:      hr.GetTimeout(),
	}
	if hr.Spec.Chart != nil {
		spec := hr.Spec.Chart.Spec
		isGit := spec.SourceRef.Kind == v1beta1.GitRepositoryKind
		desired.VersionOnly = isGit && spec.ReconcileStrategy != v1beta1.ReconcileStrategyRevision
		desired.FromRange = !isGit
	}
	return desired
}

// Requested tells whether the user asked for a reconciliation that was not handled yet.
func Requested(hr *v1beta1.HelmRelease) bool {
	token := hr.Annotations[v1beta1.ReconcileRequestAnnotation]
	return token != "" && token != hr.Status.LastHandledReconcileAt
}

func observedOf(hr *v1beta1.HelmRelease) plan.Observed {
	s := &hr.Status
	observed := plan.Observed{
		Managed: s.Latest() != nil,
		Attempt: plan.Attempt{
			Generation: s.LastAttemptedGeneration, ChartDigest: s.LastAttemptedRevisionDigest, ConfigDigest: s.LastAttemptedConfigDigest,
			Failures: s.Failures, Stalled: status.AttemptStalled(hr),
		},
	}
	if s.LastAttemptedAt != nil {
		observed.Attempt.At = s.LastAttemptedAt.Time
	}
	if latest := s.Latest(); latest != nil {
		former := plan.Target{Name: latest.Name, Namespace: latest.Namespace, StorageNamespace: s.StorageNamespace}
		if former != targetOf(hr) {
			observed.Moved = &former
		}
	}
	return observed
}

func optionsOf(hr *v1beta1.HelmRelease, step plan.Step) engine.Options {
	options := engine.Options{MaxHistory: hr.GetMaxHistory()}
	switch step {
	case plan.Install:
		o := hr.GetInstall()
		options.Timeout, options.CreateNamespace = o.Timeout.Duration, o.CreateNamespace
		options.DisableHooks, options.DisableWait = o.DisableHooks, o.DisableWait
		options.DisableWaitForJobs, options.DisableSchemaValidation = o.DisableWaitForJobs, o.DisableSchemaValidation
	case plan.Upgrade:
		o := hr.GetUpgrade()
		options.Timeout = o.Timeout.Duration
		options.DisableHooks, options.DisableWait = o.DisableHooks, o.DisableWait
		options.DisableWaitForJobs, options.DisableSchemaValidation = o.DisableWaitForJobs, o.DisableSchemaValidation
	case plan.Uninstall:
		o := hr.GetUninstall()
		options.Timeout, options.KeepHistory = o.Timeout.Duration, o.KeepHistory
		options.DisableHooks, options.DisableWait = o.DisableHooks, o.DisableWait
	default:
	}
	return options
}
