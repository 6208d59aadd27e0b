// Package release is the controller of HelmReleases: it gathers what a release is made of, has the next step planned, and
// runs it outside of the worker.
//
//	Reconcile: land what has ended ─► gather chart and values ─► decide ─► dependencies ─► start the step
//
// A worker never waits. While a step runs, the object is looked at again only when it changes, which may supersede the
// step, and when the step has ended.
package release

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// handler implements loop.Handler.
type handler struct {
	*gatherer
	runner  *release.Runner
	watcher *watcher
	owners  owners
	tasks   *loop.Tasks[actionResult]
	// readings are of records on other clusters.
	readings *readings
	events   events.EventRecorder
	now      func() time.Time
	jitter   loop.Jitter

	mu    sync.Mutex
	steps map[types.NamespacedName]*step
	// compared holds the answers of comparisons whose revision is not as wanted, until the upgrade that follows has ended.
	compared map[types.NamespacedName]release.Comparison
}

// step is an action that is under way.
type step struct {
	plan       plan.Plan
	inputs     release.Inputs
	generation int64
	superseded chan struct{}
	once       sync.Once
	// states are those of the objects that the step looks at.
	states map[string]string
}

// actionResult is an action that has ended.
type actionResult struct {
	outcome status.Outcome
	// compared is the answer of a Compare.
	compared release.Comparison
	request  string
	took     time.Duration
}

// Reconcile implements loop.Handler.
func (h *handler) Reconcile(ctx context.Context, hr *v1beta1.HelmRelease) (time.Duration, error) {
	defer h.dependencyWatcher.Track(client.ObjectKeyFromObject(hr))()
	defer h.watcher.recordState(hr)
	h.collectResult(ctx, hr)
	if elapsed, running := h.tasks.Running(client.ObjectKeyFromObject(hr)); running {
		return h.progress(ctx, hr, elapsed), nil
	}

	status.BakeClock(hr, h.now())
	if hr.Spec.Suspend {
		return h.reconcileSuspended(ctx, hr), nil
	}

	inputs, err := h.gather(ctx, hr)
	if err != nil {
		return h.blocked(hr, err)
	}

	return h.advance(ctx, hr, inputs)
}

// Finalize implements loop.Handler. A release that never came to be, and one of a suspended object, is left alone.
func (h *handler) Finalize(ctx context.Context, hr *v1beta1.HelmRelease) (bool, time.Duration, error) {
	h.collectResult(ctx, hr)
	if elapsed, running := h.tasks.Running(client.ObjectKeyFromObject(hr)); running {
		return false, h.progress(ctx, hr, elapsed), nil
	}

	way, err := h.planDeletion(ctx, hr)
	if err != nil {
		return false, 0, err
	}
	if way.obstacle != nil {
		return h.orphanUnreachable(ctx, hr, way)
	}

	return h.uninstall(ctx, hr, release.Inputs{
		Access: way.access, NamespaceTerminating: way.terminating, Mask: redact.NewMask(cluster.Secrets(way.access.Kubeconfig)...),
	})
}

// uninstall brings a deleted object to its end: the Helm release is uninstalled, or left behind with an event that says so.
func (h *handler) uninstall(ctx context.Context, hr *v1beta1.HelmRelease, inputs release.Inputs) (bool, time.Duration, error) {
	decision, err := h.decide(ctx, hr, inputs)
	if refs.IsObstacle(err) {
		_, err = h.blocked(hr, err)
		return false, refs.UnreachableRetry, err
	}

	if reading := (*refs.PendingReadError)(nil); errors.As(err, &reading) {
		again, err := h.blocked(hr, err)
		return false, again, err
	}

	if apierrors.IsForbidden(err) {
		return h.refused(hr, inputs, err)
	}
	if err = unreadable(hr, err); refs.IsObstacle(err) {
		return h.orphanUnreachable(ctx, hr, deletionPlan{obstacle: err, terminating: inputs.NamespaceTerminating})
	}
	if err != nil {
		return false, 0, err
	}

	switch decision.Step {
	case plan.None:
		switch decision.Reason {
		case plan.ReasonOrphaned:
			h.recordEvent(hr, status.Event{Action: status.ActionOrphan, Reason: v1beta1.OrphanedReason, Message: decision.Message})
		case v1beta1.OwnedByOtherReason:
			h.recordEvent(hr, status.Event{Action: status.ActionOrphan, Reason: v1beta1.OwnedByOtherReason, Message: decision.Message})
		case plan.ReasonUnreachable:
			h.recordEvent(hr, status.Event{Warning: true, Action: status.ActionOrphan, Reason: v1beta1.OrphanedReason, Message: decision.Message})
		}
		return true, 0, nil
	case plan.Wait:
		return false, decision.After, nil
	default:
		h.start(hr, decision.Plan, inputs)
		return false, loop.Slow, nil
	}
}

// refused decides about a deleted object whose release may not even be looked at. In a namespace that is being deleted the
// identity does not come back.
func (h *handler) refused(hr *v1beta1.HelmRelease, inputs release.Inputs, err error) (bool, time.Duration, error) {
	if inputs.NamespaceTerminating {
		h.recordEvent(hr, status.Event{Warning: true, Action: status.ActionOrphan, Reason: v1beta1.OrphanedReason, Message: fmt.Sprintf(
			"%s; the namespace is being deleted, so the object goes without an uninstall; cluster-wide objects of the release and those in other "+
				"namespaces may be left", err)})
		return true, 0, nil
	}
	_, err = h.blocked(hr, refs.RetryableObstacle(v1beta1.AccessDeniedReason, "%s; restore the ServiceAccount and its rights, or set spec.deletionPolicy to %s to "+
		"leave the Helm release behind", err, v1beta1.DeletionPolicyOrphan))
	return false, plan.RetryDelay(1), err
}

// Forget implements loop.Handler.
func (h *handler) Forget(key types.NamespacedName) {
	h.drop(key)
	h.readings.clear(key)
	h.forget(key)
	h.watcher.forget(key)
}

// collectResult records a step that has ended.
func (h *handler) collectResult(ctx context.Context, hr *v1beta1.HelmRelease) {
	key := client.ObjectKeyFromObject(hr)
	ended, ok := h.tasks.Take(key)
	if !ok {
		return
	}

	h.mu.Lock()
	begun := h.steps[key]
	h.mu.Unlock()
	h.ended(key, ended.outcome, ended.compared)
	event := status.ReleaseDone(hr, ended.outcome, h.now())
	status.ReleaseAnswered(hr, ended.request)
	observeAction(ended)
	if begun != nil {
		h.watcher.recordResult(hr, ended.outcome, begun.states)
	}

	outcome := ended.outcome
	details := []any{"step", outcome.Step, "took", ended.took.Round(time.Millisecond).String()}
	if event.Reason == "" {
		log.FromContext(ctx).Info("the step has ended", details...)
	} else {
		h.recordEvent(hr, event, details...)
	}

	for _, event := range []status.Event{status.Kept(outcome.Kept), status.Dropped(outcome.Dropped)} {
		if event.Reason != "" {
			h.recordEvent(hr, event.As(status.ActionOf(outcome.Step)))
		}
	}

	for _, event := range status.Warned(outcome.Warned) {
		h.recordEvent(hr, event.As(status.ActionOf(outcome.Step)))
	}
	if ended.outcome.Step == plan.Uninstall && ended.outcome.Failure == nil {
		h.owners.released(ctx, key, ended.outcome.Target)
	}
}

func (h *handler) recordEvent(hr *v1beta1.HelmRelease, event status.Event, details ...any) {
	h.recorder().Emit(hr, event, details...)
}

func (h *handler) recorder() loop.EventRecorder {
	return loop.EventRecorder{Events: h.events, Kind: v1beta1.HelmReleaseKind, Action: status.ActionReconcile}
}

// progress looks at a step that is under way: it says so once the step takes longer than a moment, and supersedes it when
// something else is wanted now.
func (h *handler) progress(ctx context.Context, hr *v1beta1.HelmRelease, elapsed time.Duration) time.Duration {
	h.mu.Lock()
	current := h.steps[client.ObjectKeyFromObject(hr)]
	h.mu.Unlock()
	if current == nil {
		return loop.Slow // started a moment ago by this very pass
	}
	if h.isSuperseded(ctx, hr, current) {
		current.once.Do(func() { close(current.superseded) })
	}
	if elapsed < loop.Slow {
		return loop.Slow - elapsed
	}

	status.ReleaseWants(hr, release.InputDigest(hr, current.inputs))
	status.ReleaseProgress(hr, current.plan, h.now())
	return 0
}

// isSuperseded reports whether the spec or the chart no longer asks for what a step does. It is false while the inputs
// cannot be read.
func (h *handler) isSuperseded(ctx context.Context, hr *v1beta1.HelmRelease, current *step) bool {
	switch current.plan.Action() {
	case plan.Rollback:
		return false // what runs is bad; whatever is wanted by now starts from a good revision
	case plan.Install, plan.Upgrade, plan.Test, plan.Compare:
		if current.generation != hr.Generation {
			return true
		}
	default:
		return current.generation != hr.Generation
	}

	wanted, err := h.gather(ctx, hr)
	return err == nil && release.Differ(hr, current.inputs, wanted.Unheld(current.inputs))
}

// blocked records why nothing can be planned, see [loop.Blocker].
func (h *handler) blocked(hr *v1beta1.HelmRelease, err error) (time.Duration, error) {
	return h.blocker().Blocked(hr, err)
}

func (h *handler) blocker() loop.Blocker[*v1beta1.HelmRelease] {
	return loop.Blocker[*v1beta1.HelmRelease]{
		EventRecorder: h.recorder(), Now: h.now, Jitter: h.jitter,
		Record: func(hr *v1beta1.HelmRelease, obstacle status.Failure, now time.Time) {
			status.ReleaseBlocked(hr, obstacle, now)
			status.ReleaseAnswered(hr, hr.Annotations[v1beta1.ReconcileRequestAnnotation])
		},
	}
}

// advance has the next step planned and starts it.
func (h *handler) advance(ctx context.Context, hr *v1beta1.HelmRelease, inputs release.Inputs) (time.Duration, error) {
	if token := release.ResetRequested(hr); token != "" {
		status.ReleaseReset(hr, token, h.now())
	}

	h.mu.Lock()
	inputs.Compared = h.compared[client.ObjectKeyFromObject(hr)]
	h.mu.Unlock()
	var again time.Duration
	looking := inputs
	looking.Observe = func() (live release.Live) {
		live, again = h.observe(ctx, hr, inputs)
		return live
	}
	decision, err := h.decide(ctx, hr, looking)
	inputs.Live = decision.Live
	for _, event := range decision.Events {
		h.recordEvent(hr, event)
	}
	if err != nil {
		h.observe(ctx, hr, inputs) // the records cannot be read; the status names objects only of a release that was accepted
	}
	if refs.IsObstacle(err) {
		return h.blocked(hr, err)
	}
	if err != nil {
		return h.blocked(hr, unreadable(hr, err))
	}
	if decision.Reason == v1beta1.OwnedByOtherReason {
		return h.refuse(hr, decision.Plan), nil
	}

	if inputs.Unsourced != nil {
		if needsChart(decision.Plan) {
			return h.blocked(hr, inputs.Unsourced)
		}
		decision.Note = "it stays at this chart, because " + inputs.Unsourced.Error()
	} else if inputs.Note != "" {
		decision.Note = inputs.Note
	}

	if !decision.Acts() {
		status.ReleaseWants(hr, release.InputDigest(hr, inputs))
		status.ReleaseSettled(hr, decision.Plan, decision.History, h.now())
		status.ReleaseShared(hr, inputs.SharedValues())
		status.ReleaseAnswered(hr, hr.Annotations[v1beta1.ReconcileRequestAnnotation])
		return h.again(hr, loop.Soonest(decision.After, loop.Soonest(decision.Audit, again))), nil
	}

	if changesCluster(decision.Plan) {
		if err := h.dependencies.Check(ctx, hr, inputs.Access); err != nil {
			return h.blocked(hr, err)
		}
	}
	if decision.Reason == plan.ReasonForced {
		status.ReleaseForced(hr, release.ForceRequested(hr))
	}
	h.start(hr, decision.Plan, inputs)
	return loop.Slow, nil
}

// observe finds out from memory how the objects of the release do.
func (h *handler) observe(ctx context.Context, hr *v1beta1.HelmRelease, inputs release.Inputs) (release.Live, time.Duration) {
	live, again, events := h.watcher.look(hr, inputs)
	for _, event := range events {
		h.recordEvent(hr, event)
	}
	if live.Health.Known && !live.Health.Healthy {
		live.NotAttributable = h.notAttributable(ctx, hr)
	}
	return live, again
}

// again is when to look at a settled release again although nothing happened.
func (h *handler) again(hr *v1beta1.HelmRelease, planned time.Duration) time.Duration {
	if bake := hr.Status.Bake; bake != nil && bake.Until.After(h.now()) {
		planned = loop.Soonest(planned, max(time.Second, bake.Until.Sub(h.now())))
	}
	if held := hr.Status.Held; held != nil && held.Until != nil {
		planned = loop.Soonest(planned, max(time.Second, held.Until.Sub(h.now())))
	}
	if hr.Spec.KubeConfig != nil {
		planned = loop.Soonest(planned, loop.RemoteLook)
	}

	return loop.Soonest(planned, h.blocker().Audit(hr))
}

// start runs a step outside of the worker.
func (h *handler) start(hr *v1beta1.HelmRelease, p plan.Plan, inputs release.Inputs) {
	key := client.ObjectKeyFromObject(hr)
	current := &step{
		plan: p, inputs: inputs, generation: hr.Generation, superseded: make(chan struct{}), states: h.watcher.statesOf(hr, p),
	}
	h.mu.Lock()
	h.steps[key] = current
	h.mu.Unlock()
	h.readings.clear(key) // the step changes the records
	wanted := hr.DeepCopy()
	h.tasks.Start(key, func(ctx context.Context) actionResult {
		started := h.now()
		outcome := h.runner.Do(ctx, wanted, p, inputs, current.superseded)
		ended := actionResult{outcome: outcome, took: h.now().Sub(started), request: wanted.Annotations[v1beta1.ReconcileRequestAnnotation]}
		if p.Step == plan.Compare && outcome.Failure == nil && len(outcome.History) > 0 {
			ended.compared = release.NewComparison(wanted, inputs, outcome.History[0], outcome.Equal)
		}

		return ended
	}, func(fault error) actionResult {
		return actionResult{outcome: h.runner.Faulted(wanted, p, inputs, fault), request: wanted.Annotations[v1beta1.ReconcileRequestAnnotation]}
	})
}
