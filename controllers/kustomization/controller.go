// Package kustomization is the controller of Kustomizations: it keeps a cluster equal to a directory of a source.
//
//	Reconcile: land what has ended ─► gather source, identity, variables, keys ─► look at the objects ─► judge ─► start
//	                                                                                                     │
//	                                                                     build ─► apply.Engine ─► land ┘
//
// A worker never waits. Building and applying run outside of it; sources, documents, dependencies and the objects themselves wake
// a Kustomization when they change.
package kustomization

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/kube/warning"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/refusal"
	"fairlead.dev/fairlead/helmops/status"
)

// remoteLook is how often objects on another cluster are looked at. A cluster that nobody looks at is let go of after a while, and its
// objects would not be watched any more.
const remoteLook = 4 * time.Minute

// slow is how long applying may take before the object says that it is under way.
const slow = time.Second

// Engine is what the controller wants of the cluster.
type Engine interface {
	Apply(ctx context.Context, access cluster.Access, set apply.Set) apply.Result
	Delete(ctx context.Context, access cluster.Access, how apply.Departure) apply.Result
	Look(
		access cluster.Access, owner types.NamespacedName, refs []v1beta1.ResourceRef, rules *health.Rules, quote bool,
	) (apply.Sight, bool)
	// Exceeded returns why nothing is asked of a cluster for a while that says too much.
	Exceeded(access cluster.Access) error
	Forget(owner types.NamespacedName)
}

// handler implements loop.Handler.
type handler struct {
	*gatherer
	engine Engine
	tasks  *loop.Tasks[landed]
	events events.EventRecorder
	now    func() time.Time
	jitter func() float64
	// builds bound how many Kustomizations are built, or have objects that are not written yet, on the own cluster.
	builds, remoteBuilds *fair.Shares
	turns                turns

	mu sync.Mutex
	// truces are the times until which objects that somebody fights over are left alone.
	truces map[types.NamespacedName]time.Time
	// obstacles are the objects of others that kept the last attempt from deleting something.
	obstacles map[types.NamespacedName]tracker.Ref
	// awaited are the Kustomizations for which something has come that the last attempt lacked, audited when objects that may not be
	// watched were looked at last.
	awaited map[types.NamespacedName]bool
	audited map[types.NamespacedName]time.Time
	// involved are the Kustomizations that may have to wait for another one to take or release objects.
	involved map[types.NamespacedName]involvement
}

// landed is an attempt that has ended.
type landed struct {
	// unwanted is set when the object was changed before it was the turn of the attempt: nothing was done.
	unwanted bool
	applied  status.Applied
	// spared are objects that were not deleted, with the reason.
	spared []string
	// warned are objects that the API server took with warnings, masked.
	warned []warning.Object
	// again is when objects that somebody fights over are to be corrected again; zero when there are none.
	again time.Time
	// obstacle is an object of others that kept one from being deleted; nil when there was none.
	obstacle *tracker.Ref
	// request and forced are the tokens of the requests that the attempt answers.
	request, forced string
	took            time.Duration
}

// Reconcile implements loop.Handler.
func (h *handler) Reconcile(ctx context.Context, k *v1beta1.Kustomization) (time.Duration, error) {
	key := client.ObjectKeyFromObject(k)
	defer h.lookout.Turn(key)()
	news := h.land(ctx, k)
	if elapsed, running := h.tasks.Running(key); running {
		return h.progress(k, elapsed), nil
	}
	h.follow(k, k.Status.Released != nil || refused(k))
	if k.Spec.Suspend {
		return 0, nil
	}
	inputs, err := h.gather(ctx, k)
	if err != nil {
		return h.blocked(k, err)
	}
	if err := h.engine.Exceeded(inputs.access); err != nil { //nolint:contextcheck // a site outlives who asks for it first
		return h.blocked(k, refs.Unreachable(err, k.Namespace, k.Spec.KubeConfig, k.GetInterval()))
	}
	return h.advance(ctx, k, inputs, news)
}

// advance judges what is known, and starts the next attempt where one is due. news is set when objects have just been changed.
func (h *handler) advance(ctx context.Context, k *v1beta1.Kustomization, in inputs, news bool) (time.Duration, error) {
	f := h.look(k, in) //nolint:contextcheck // a watch outlives the look
	f.unclaimed, f.kept = h.keep(ctx, k, in.artifact.Revision)
	found := judge(k, f, h.now())
	switch found.step {
	case stepApply:
		if err := h.dependencies.Check(ctx, k, in.access); err != nil {
			return h.blocked(k, err)
		}
		if err := h.abreast(ctx, k, in); err != nil {
			return h.blocked(k, err)
		}
		h.start(k, in, found.kind)
		return slow, nil
	case stepWait:
		if found.limited {
			status.KustomizationLimited(k, h.now())
		}
		return found.after, nil
	case stepRest:
	}
	switch {
	case f.known:
		status.KustomizationHealth(k, status.Health{Known: !f.sight.Blind, Objects: f.sight.Unhealthy, Of: f.sight.Of}, h.now())
		status.KustomizationSettled(k, f.waiting, found.overdue, h.now())
	case news && (k.Spec.Wait || len(k.Spec.HealthChecks) > 0): // ready is what was applied before
		status.Progressing(k, k.Status.LastAppliedRevision+" is applied; its objects are being looked at", h.now())
	}
	k.Status.LastHandledReconcileAt = k.Annotations[v1beta1.ReconcileRequestAnnotation]
	pause := soonest(found.after, h.audit(k))
	if in.access.Kubeconfig != nil {
		pause = soonest(pause, remoteLook)
	}
	return pause, nil
}

// progress looks at an attempt that is under way.
func (h *handler) progress(k *v1beta1.Kustomization, elapsed time.Duration) time.Duration {
	h.turns.supersede(k)
	if elapsed < slow {
		return slow - elapsed
	}
	switch {
	case !k.DeletionTimestamp.IsZero():
		h.deleting(k)
	case !status.IsReady(k):
		status.Progressing(k, "applying the objects of "+k.Spec.SourceRef.Kind+" "+k.GetSourceKey().String(), h.now())
	}
	return 0
}

// blocked records why nothing can be applied. What can change that wakes the object; the pause is only for safety.
func (h *handler) blocked(k *v1beta1.Kustomization, err error) (time.Duration, error) {
	if catalog.IsPending(err) {
		if !status.IsReady(k) {
			status.Progressing(k, err.Error(), h.now())
		}
		return 0, nil
	}
	var reading *refs.LookingError
	if errors.As(err, &reading) {
		if reading.Took < slow {
			return slow - reading.Took, nil
		}
		status.Progressing(k, err.Error(), h.now())
		return 0, nil
	}
	var known *refs.ObstacleError
	if !errors.As(err, &known) {
		return 0, err
	}
	before := status.Message(k)
	status.KustomizationBlocked(k, known.Failure, h.now())
	k.Status.LastHandledReconcileAt = k.Annotations[v1beta1.ReconcileRequestAnnotation]
	if status.Message(k) != before {
		h.tell(k, status.Event{Warning: true, Reason: known.Reason, Message: known.Message})
	}
	if known.After > 0 {
		return known.After, nil
	}
	return h.audit(k), nil
}

// start builds and applies outside of the worker.
func (h *handler) start(k *v1beta1.Kustomization, in inputs, kind fair.Kind) {
	key := client.ObjectKeyFromObject(k)
	h.mu.Lock()
	delete(h.awaited, key)
	delete(h.truces, key)
	h.audited[key] = h.now()
	h.mu.Unlock()
	h.follow(k, true)
	wanted, turn := k.DeepCopy(), h.turns.begin(k, kind)
	h.tasks.Start(key, func(ctx context.Context) landed {
		started := h.now()
		defer h.turns.end(key)
		out := h.attempt(ctx, wanted, in, turn)
		out.request, out.took = wanted.Annotations[v1beta1.ReconcileRequestAnnotation], h.now().Sub(started)
		out.forced = forceRequested(wanted)
		return out
	}, func(fault error) landed { return faulted(wanted, in.artifact.Revision, in.digest, fault) })
}

// attempt builds the objects and brings them into the cluster, when it is its turn.
func (h *handler) attempt(ctx context.Context, k *v1beta1.Kustomization, in inputs, t *turn) landed {
	place, err := h.place(ctx, k, in, t)
	if err != nil {
		return landed{unwanted: true}
	}
	defer place.Close()
	ctx, cancel := context.WithTimeout(ctx, k.GetTimeout())
	defer cancel()
	out := landed{applied: status.Applied{Generation: k.Generation, Revision: in.artifact.Revision, Digest: in.digest}}
	objects, mask, err := h.build(ctx, k, in)
	mask = mask.Join(redact.NewMask(cluster.Secrets(in.access.Kubeconfig)...))
	if err != nil {
		reason, final := reasonOf(err)
		out.applied.Failure = &status.Failure{Reason: reason, Final: final, Message: mask.Apply(refusal.Scrub(err.Error()))}
		return out
	}
	set := setOf(k, objects, in.ignore)
	set.Kind, set.Begun = t.kind, place.Close
	set.Revision = in.artifact.Revision
	set.Handover = &handover{gatherer: h.gatherer, ctx: ctx, k: k, revision: in.artifact.Revision, now: h.now}
	result := h.engine.Apply(ctx, in.access, set)
	out.applied.Released = releasedBy(k, in.artifact.Revision, result.Held, h.now())
	for _, spared := range result.Spared {
		out.spared = append(out.spared, mask.Apply(refusal.Scrub(spared)))
	}
	out.again = result.Again
	out.applied.Retained = result.Retained
	out.applied.StillRetained = result.StillRetained
	out.applied.RetainedKnown = true
	for _, dropped := range result.Dropped {
		out.applied.Dropped = append(out.applied.Dropped, mask.Apply(dropped))
	}
	for _, object := range result.Warned {
		hide := func(text string) string { return mask.Apply(refusal.Scrub(text)) }
		out.warned = append(out.warned, object.Masked(hide))
	}
	out.applied.Inventory = result.Inventory
	out.applied.Created, out.applied.Changed, out.applied.Deleted = result.Created, result.Changed, result.Deleted
	out.applied.Corrected, out.applied.Kept = result.Corrected, result.Kept
	if result.Err != nil {
		out.obstacle = blockerOf(result.Err)
		reason, final := apply.Reason(result.Err)
		out.applied.Failure = &status.Failure{Reason: reason, Final: final, Message: mask.Apply(refusal.Scrub(result.Err.Error()))}
	}
	return out
}

// land records an attempt that has ended, and reports whether it has changed objects.
func (h *handler) land(ctx context.Context, k *v1beta1.Kustomization) (news bool) {
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
	if ended.applied.Failure != nil {
		failures := int64(1)
		if k.Status.LastAttemptedDigest == ended.applied.Digest {
			failures = k.Status.Failures + 1
		}
		ended.applied.Next = nextAttempt(k, failures, *ended.applied.Failure, h.now())
	}
	h.obstructed(client.ObjectKeyFromObject(k), ended.obstacle)
	if !ended.again.IsZero() {
		h.mu.Lock()
		h.truces[client.ObjectKeyFromObject(k)] = ended.again
		h.mu.Unlock()
	}
	event := status.KustomizationApplied(k, ended.applied, h.now())
	k.Status.LastHandledReconcileAt = ended.request
	if ended.forced != "" {
		k.Status.LastHandledForceAt = ended.forced
	}
	details := []any{"revision", ended.applied.Revision, "took", ended.took.Round(time.Millisecond).String()}
	if event.Reason == "" {
		log.FromContext(ctx).Info("the attempt has ended", details...)
	} else {
		h.tell(k, event, details...)
	}
	for _, event := range []status.Event{status.Kept(ended.applied.Retained), status.Dropped(ended.applied.Dropped)} {
		if event.Reason != "" {
			h.tell(k, event)
		}
	}
	for _, event := range status.Warned(ended.warned) {
		h.tell(k, event)
	}
	for _, spared := range ended.spared {
		h.tell(k, status.Event{Reason: v1beta1.AppliedReason, Message: "not deleted: " + spared})
	}
	return len(ended.applied.Created)+len(ended.applied.Changed) > 0
}

// nextAttempt says what follows a failure.
func nextAttempt(k *v1beta1.Kustomization, failures int64, f status.Failure, now time.Time) string {
	if f.Final && f.Reason == v1beta1.RenderingLimitExceededReason {
		return "the controller does not try the same input again; it tries when the source, the spec or what it names changes, " +
			"or when fairlead reconcile asks for it"
	}
	return fmt.Sprintf("the next attempt follows %s, or as soon as the source, the spec or what it names changes",
		status.Later(retryDelay(k, failures, f.Final), now))
}

// Forget implements loop.Handler.
func (h *handler) Forget(key types.NamespacedName) {
	h.forget(key)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.awaited, key)
	delete(h.audited, key)
	delete(h.truces, key)
	delete(h.obstacles, key)
	delete(h.involved, key)
}

func (h *handler) tell(k *v1beta1.Kustomization, event status.Event, details ...any) {
	loop.Teller{Events: h.events, Kind: v1beta1.KustomizationKind, Action: "Reconcile"}.Tell(k, event, details...)
}

// audit is when to look again although nothing happened.
func (h *handler) audit(k *v1beta1.Kustomization) time.Duration {
	interval := k.GetInterval()
	return interval + time.Duration(float64(interval)/10*h.jitter())
}

func inventoryOf(k *v1beta1.Kustomization) []v1beta1.ResourceRef {
	if k.Status.Inventory == nil {
		return nil
	}
	return k.Status.Inventory.Entries
}
