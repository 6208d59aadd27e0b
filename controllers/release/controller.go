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
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/source"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// slow is how long a step may take before the object says that it is under way.
const slow = time.Second

// handler implements loop.Handler.
type handler struct {
	*gatherer
	runner *release.Runner
	tasks  *loop.Tasks[landed]
	events events.EventRecorder
	now    func() time.Time
	jitter func() float64

	mu    sync.Mutex
	steps map[types.NamespacedName]*step
}

// step is an action that is under way.
type step struct {
	plan       plan.Plan
	inputs     release.Inputs
	generation int64
	superseded chan struct{}
	once       sync.Once
}

// landed is an action that has ended.
type landed struct {
	outcome status.Outcome
	request string
	took    time.Duration
}

// Reconcile implements loop.Handler.
func (h *handler) Reconcile(ctx context.Context, hr *v1beta1.HelmRelease) (time.Duration, error) {
	defer h.lookout.turn(client.ObjectKeyFromObject(hr))()
	h.land(ctx, hr)
	if elapsed, running := h.tasks.Running(client.ObjectKeyFromObject(hr)); running {
		return h.progress(ctx, hr, elapsed), nil
	}
	if hr.Spec.Suspend {
		return 0, nil
	}
	inputs, err := h.gather(ctx, hr)
	if err != nil {
		return h.blocked(hr, err)
	}
	return h.advance(ctx, hr, inputs)
}

// Finalize implements loop.Handler. A release that never came to be, and one of a suspended object, is left alone.
func (h *handler) Finalize(ctx context.Context, hr *v1beta1.HelmRelease) (bool, time.Duration, error) {
	h.land(ctx, hr)
	if elapsed, running := h.tasks.Running(client.ObjectKeyFromObject(hr)); running {
		return false, h.progress(ctx, hr, elapsed), nil
	}
	way, err := h.departure(ctx, hr)
	if err != nil {
		return false, 0, err
	}
	if way.obstacle != nil {
		return h.stranded(ctx, hr, way)
	}
	inputs := release.Inputs{Access: way.access}
	p, _, err := h.runner.Decide(ctx, hr, inputs)
	if err != nil {
		return false, 0, err
	}
	switch p.Step {
	case plan.None:
		return true, 0, nil
	case plan.Wait:
		return false, p.After, nil
	default:
		h.start(hr, p, inputs)
		return false, slow, nil
	}
}

// Forget implements loop.Handler.
func (h *handler) Forget(key types.NamespacedName) {
	h.drop(key)
	h.forget(key)
}

// drop forgets a step that has ended.
func (h *handler) drop(key types.NamespacedName) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.steps, key)
}

// land records a step that has ended.
func (h *handler) land(ctx context.Context, hr *v1beta1.HelmRelease) {
	key := client.ObjectKeyFromObject(hr)
	ended, ok := h.tasks.Take(key)
	if !ok {
		return
	}
	h.drop(key)
	event := status.ReleaseDone(hr, ended.outcome, h.now())
	hr.Status.LastHandledReconcileAt = ended.request
	observeAction(ended)
	h.tell(hr, event)
	log.FromContext(ctx).Info(event.Message, "step", ended.outcome.Step, "took", ended.took.Round(time.Millisecond).String())
}

func (h *handler) tell(hr *v1beta1.HelmRelease, event status.Event) {
	kind := corev1.EventTypeNormal
	if event.Warning {
		kind = corev1.EventTypeWarning
	}
	h.events.Eventf(hr, nil, kind, event.Reason, "Reconcile", "%s", event.Note())
}

// progress looks at a step that is under way: it says so once the step takes longer than a moment, and supersedes it when
// something else is wanted now.
func (h *handler) progress(ctx context.Context, hr *v1beta1.HelmRelease, elapsed time.Duration) time.Duration {
	h.mu.Lock()
	current := h.steps[client.ObjectKeyFromObject(hr)]
	h.mu.Unlock()
	if current == nil {
		return slow // started a moment ago by this very pass
	}
	if h.isSuperseded(ctx, hr, current) {
		current.once.Do(func() { close(current.superseded) })
	}
	if elapsed < slow {
		return slow - elapsed
	}
	status.ReleaseProgress(hr, current.plan, h.now())
	return 0
}

// isSuperseded tells whether a step works towards what nobody wants any more. While what is wanted cannot be told, it is not.
func (h *handler) isSuperseded(ctx context.Context, hr *v1beta1.HelmRelease, current *step) bool {
	if current.generation != hr.Generation {
		return true
	}
	if current.plan.Step != plan.Install && current.plan.Step != plan.Upgrade {
		return false
	}
	wanted, err := h.gather(ctx, hr)
	return err == nil && release.Differ(hr, current.inputs, wanted)
}

// blocked records why nothing can be planned. What can change that wakes the object; the pause is only for safety.
func (h *handler) blocked(hr *v1beta1.HelmRelease, err error) (time.Duration, error) {
	if source.IsPending(err) {
		if !status.IsReady(hr) {
			status.Progressing(hr, err.Error(), h.now())
		}
		return 0, nil
	}
	var reading *looking
	if errors.As(err, &reading) {
		if reading.took < slow {
			return slow - reading.took, nil
		}
		status.Progressing(hr, err.Error(), h.now())
		return 0, nil
	}
	var known *obstacle
	if !errors.As(err, &known) {
		return 0, err
	}
	before := status.Message(hr)
	status.ReleaseBlocked(hr, known.Failure, h.now())
	hr.Status.LastHandledReconcileAt = hr.Annotations[v1beta1.ReconcileRequestAnnotation]
	if status.Message(hr) != before {
		h.tell(hr, status.Event{Warning: true, Reason: known.Reason, Message: known.Message})
	}
	if known.after > 0 {
		return known.after, nil
	}
	return h.audit(hr), nil
}

// advance has the next step planned and starts it.
func (h *handler) advance(ctx context.Context, hr *v1beta1.HelmRelease, inputs release.Inputs) (time.Duration, error) {
	p, history, err := h.runner.Decide(ctx, hr, inputs)
	if apierrors.IsForbidden(err) {
		return h.blocked(hr, hindered(v1beta1.AccessDeniedReason, "%s; it is tried again every %s", err, hr.GetInterval()))
	}
	var known interface{ Reason() string }
	if errors.As(err, &known) {
		return h.blocked(hr, hindered(known.Reason(), "%s; it is looked at again every %s", err, hr.GetInterval()))
	}
	if err != nil {
		return 0, err
	}
	if !p.Acts() {
		status.ReleaseSettled(hr, p, history, h.now())
		hr.Status.LastHandledReconcileAt = hr.Annotations[v1beta1.ReconcileRequestAnnotation]
		if p.After > 0 {
			return p.After, nil
		}
		return h.audit(hr), nil
	}
	if p.Step == plan.Install || p.Step == plan.Upgrade {
		if err := h.dependencies(ctx, hr, inputs.Access); err != nil {
			return h.blocked(hr, err)
		}
	}
	h.start(hr, p, inputs)
	return slow, nil
}

// audit is when to look again although nothing happened.
func (h *handler) audit(hr *v1beta1.HelmRelease) time.Duration {
	interval := hr.GetInterval()
	return interval + time.Duration(float64(interval)/10*h.jitter())
}

// start runs a step outside of the worker.
func (h *handler) start(hr *v1beta1.HelmRelease, p plan.Plan, inputs release.Inputs) {
	key := client.ObjectKeyFromObject(hr)
	current := &step{plan: p, inputs: inputs, generation: hr.Generation, superseded: make(chan struct{})}
	h.mu.Lock()
	h.steps[key] = current
	h.mu.Unlock()
	wanted := hr.DeepCopy()
	h.tasks.Start(key, func(ctx context.Context) landed {
		started := h.now()
		outcome := h.runner.Do(ctx, wanted, p, inputs, current.superseded)
		return landed{
			outcome: outcome, took: h.now().Sub(started), request: wanted.Annotations[v1beta1.ReconcileRequestAnnotation],
		}
	})
}
