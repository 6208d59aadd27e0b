// Package kustomization is the controller of Kustomizations: it keeps a cluster equal to a directory of a source.
//
//	Reconcile: land what has ended ─► observe ─► plan.Decide ─► act: start an attempt, or write the status
//	                                     ▲            │         │
//	                                     └─ need fact ┘         └─► build ─► apply.Engine ─► land
//
// A worker never waits. Building and applying run outside of it; sources, documents, dependencies and the objects
// themselves wake a Kustomization when they change.
package kustomization

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/kube/warning"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/status"
)

// slow is how long applying may take before the object says that it is under way.
const slow = plan.Slow

// Engine is what the controller wants of the cluster.
type Engine interface {
	Apply(ctx context.Context, access cluster.Access, set apply.Set) apply.Result
	// Foresee finds out what Apply would do. mask hides secrets in what it returns.
	Foresee(
		ctx context.Context, access cluster.Access, set apply.Set, mask func(string) string,
	) (*apply.Foresight, error)
	Delete(ctx context.Context, access cluster.Access, how apply.Departure) apply.Result
	Look(
		access cluster.Access, owner types.NamespacedName, refs []v1beta1.ResourceRef, rules *health.Rules, quote bool,
	) (apply.ObservedState, bool)
	// Exceeded returns why nothing is asked of a cluster for a while that says too much.
	Exceeded(access cluster.Access) error
	Forget(owner types.NamespacedName)
}

// handler implements loop.Handler.
type handler struct {
	*gatherer
	engine Engine
	tasks  *loop.Tasks[actionResult]
	events events.EventRecorder
	now    func() time.Time
	jitter loop.Jitter
	// builds bound how many Kustomizations are built, or have objects that are not written yet, on the own cluster.
	builds, remoteBuilds *fair.Shares
	turns                turns

	mu sync.Mutex
	// fightBackoff are the times until which objects that another manager keeps changing are left alone.
	fightBackoff map[types.NamespacedName]time.Time
	// repairable are the times from which on objects are corrected again while a plan waits.
	repairable map[types.NamespacedName]time.Time
	// replans are the times from which on plans are computed again that had changed by the time of their attempt.
	replans map[types.NamespacedName]time.Time
	// obstacles are the objects of others that kept the last attempt from deleting something.
	obstacles map[types.NamespacedName]tracker.Ref
	// awaited are the Kustomizations for which something has come that the last attempt lacked, audited when objects that
	// may not be watched were looked at last.
	awaited map[types.NamespacedName]bool
	audited map[types.NamespacedName]time.Time
	// involved are the Kustomizations that may have to wait for another one to take or release objects.
	involved map[types.NamespacedName]involvement
}

// actionResult is an attempt that has ended.
type actionResult struct {
	// unwanted is set when the object was changed before it was the turn of the attempt: nothing was done.
	unwanted bool
	applied  status.Applied
	// planned is what an attempt would do that only found that out; nil for others, and when that failed. preview is set
	// for such an attempt, repair for one that corrected what is applied.
	planned         *v1beta1.KustomizationPlanStatus
	preview, repair bool
	// planChanged is set when nothing was done because it would not be what was approved.
	planChanged bool
	// spared are objects that were not deleted, with the reason.
	spared []string
	// warned are objects that the API server took with warnings, masked.
	warned []warning.Object
	// again is when objects that another manager keeps changing are to be corrected again; zero when there are none.
	again time.Time
	// obstacle is an object of others that kept one from being deleted; nil when there was none.
	obstacle *tracker.Ref
	took     time.Duration
}

// Reconcile implements loop.Handler.
func (h *handler) Reconcile(ctx context.Context, k *v1beta1.Kustomization) (time.Duration, error) {
	defer h.dependencyWatcher.Track(client.ObjectKeyFromObject(k))()
	pass := h.observe(ctx, k)
	p, err := h.decide(ctx, pass)
	if err != nil {
		return 0, err
	}
	return h.act(pass, p), nil
}

// act carries out a plan, and returns when to look again.
func (h *handler) act(pass *pass, p plan.Plan) time.Duration {
	k := pass.k
	if p.Outdated {
		h.turns.supersede(k)
	}

	h.cancel(k, p)
	h.override(k, p)
	switch p.Step {
	case plan.Apply, plan.Preview:
		if p.Step == plan.Apply {
			status.KustomizationHolds(k, p.Held)
		}
		h.start(k, pass.inputsFor(p), p)
		return slow
	case plan.Delete:
		h.follow(k, true)
		h.deleteObjects(k, pass.inputs.access, departureOf(k, inventoryOf(k)))
		return slow
	case plan.Leave:
		h.leave(k, p)
		return 0
	default:
		if p.Settled && p.Held == (plan.Held{}) {
			status.KustomizationArtifact(k, pass.inputs.artifact.Digest)
		}
		h.recordEvent(k, status.KustomizationPlanned(k, p, pass.observed.Objects, h.now()))
		return loop.Soonest(p.After, refs.Recheck(pass.desired.Sync.Approvals, pass.observed.Approvals))
	}
}

// kindOf is what an attempt is to others that wait for their turn.
func kindOf(p plan.Plan) fair.Kind {
	if p.Urgent {
		return fair.Urgent
	}
	return fair.Ordinary
}

// start builds and applies outside of the worker, or finds out what applying would do.
func (h *handler) start(k *v1beta1.Kustomization, in inputs, p plan.Plan) {
	key := client.ObjectKeyFromObject(k)
	h.mu.Lock()
	delete(h.awaited, key)
	if p.Step == plan.Apply {
		delete(h.fightBackoff, key)
		h.audited[key] = h.now()
	}
	h.mu.Unlock()
	h.follow(k, true)
	wanted := k.DeepCopy()
	turn := h.turns.begin(k, p)
	h.tasks.Start(key, func(ctx context.Context) actionResult {
		started := h.now()
		defer h.turns.end(key)
		out := h.attempt(ctx, wanted, in, turn)
		out.applied.Request = wanted.Annotations[v1beta1.ReconcileRequestAnnotation]
		out.applied.Forced = forceRequested(wanted)
		out.took = h.now().Sub(started)
		out.preview = turn.preview
		out.repair = turn.repair
		return out
	}, func(fault error) actionResult { return faulted(wanted, in.artifact.Revision, in.digest, fault) })
}

// collectResult records an attempt that has ended, and reports whether it has changed objects.
func (h *handler) collectResult(ctx context.Context, k *v1beta1.Kustomization) (news bool) {
	ended, ok := h.tasks.Take(client.ObjectKeyFromObject(k))
	if !ok {
		return false
	}

	if ended.unwanted {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.awaited[client.ObjectKeyFromObject(k)] = true // it is due as much as it was
		return false
	}

	switch {
	case ended.planChanged:
		h.collectPlanChanged(k)
		return false
	case ended.planned != nil:
		status.KustomizationForeseen(k, ended.planned, h.now())
		return false
	case ended.repair:
		h.collectRepair(k, ended)
		return false
	}

	if f := ended.applied.Failure; f != nil {
		failures := plan.AttemptOf(&k.Status).FailuresAfter(ended.applied.Digest)
		after, follows := plan.Retry(plan.DesiredOf(k, 0), failures, f.Reason, f.Final)
		ended.applied.Next = status.KustomizationNext(after, follows, h.now())
	}

	h.obstructed(client.ObjectKeyFromObject(k), ended.obstacle)
	if !ended.again.IsZero() {
		h.mu.Lock()
		h.fightBackoff[client.ObjectKeyFromObject(k)] = ended.again
		h.mu.Unlock()
	}

	event := status.KustomizationApplied(k, ended.applied, h.now())
	details := []any{"revision", ended.applied.Revision, "took", ended.took.Round(time.Millisecond).String()}
	if event.Reason == "" {
		log.FromContext(ctx).Info("the attempt has ended", details...)
	}

	h.recordEvent(k, event, details...)
	h.recordRemarks(k, ended)
	return len(ended.applied.Created)+len(ended.applied.Changed) > 0
}

// recordRemarks records events about single objects of an attempt.
func (h *handler) recordRemarks(k *v1beta1.Kustomization, ended actionResult) {
	h.recordEvent(k, status.Kept(ended.applied.Retained).As(status.ActionApply))
	h.recordEvent(k, status.Dropped(ended.applied.Dropped).As(status.ActionApply))
	for _, event := range status.Warned(ended.warned) {
		h.recordEvent(k, event.As(status.ActionApply))
	}

	for _, spared := range ended.spared {
		h.recordEvent(k, status.Spared(spared))
	}
}

// Forget implements loop.Handler.
func (h *handler) Forget(key types.NamespacedName) {
	h.forget(key)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.awaited, key)
	delete(h.audited, key)
	delete(h.fightBackoff, key)
	delete(h.repairable, key)
	delete(h.replans, key)
	delete(h.obstacles, key)
	delete(h.involved, key)
}

// recordEvent records an event. One without a reason is none.
func (h *handler) recordEvent(k *v1beta1.Kustomization, event status.Event, details ...any) {
	if event.Reason == "" {
		return
	}
	loop.EventRecorder{Events: h.events, Kind: v1beta1.KustomizationKind, Action: status.ActionReconcile}.Emit(k, event,
		details...)
}

func inventoryOf(k *v1beta1.Kustomization) []v1beta1.ResourceRef {
	if k.Status.Inventory == nil {
		return nil
	}
	return k.Status.Inventory.Entries
}
