// Package release is the controller of HelmReleases: it gathers what a release is made of, has the next step planned,
// and runs it outside of the worker.
//
//	Reconcile: collect what has ended ─► observe ─► plan.Decide ─► act: start a step, or write the status
//	                                        ▲            │
//	                                        └─ look up ──┘
//
// A worker never waits. While a step is running, the object is reconciled again only when it changes, which can
// supersede the step, and when the step has ended.
package release

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// handler implements loop.Handler.
type handler struct {
	*gatherer
	runner  *release.Runner
	watcher *watcher
	owners  owners
	plans   plans
	tasks   *loop.Tasks[actionResult]
	// readings are of records on other clusters.
	readings *readings
	events   events.EventRecorder
	now      func() time.Time
	jitter   loop.Jitter

	mu    sync.Mutex
	steps map[types.NamespacedName]*step
	// compared holds the answers of comparisons whose revision is not as wanted, until the upgrade that follows has
	// ended.
	compared map[types.NamespacedName]release.Comparison
}

// step is an action that is running.
type step struct {
	work                  release.Work
	superseded, cancelled chan struct{}
	outdated, ended       sync.Once
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
	planned := hr.Status.Plan != nil
	pass := h.observe(ctx, hr)
	p := h.decide(ctx, pass)
	again, err := h.act(pass, p)
	if planned && hr.Status.Plan == nil {
		h.plans.drop(ctx, hr)
	}

	return again, err
}

// Finalize implements loop.Handler. A release that never came to be, and one of a suspended object, is left alone.
func (h *handler) Finalize(ctx context.Context, hr *v1beta1.HelmRelease) (bool, time.Duration, error) {
	pass := h.observe(ctx, hr)
	if pass.running() {
		again, err := h.act(pass, h.decide(ctx, pass))
		return false, again, err
	}
	return h.uninstall(ctx, pass)
}

// Forget implements loop.Handler.
func (h *handler) Forget(key types.NamespacedName) {
	h.drop(key)
	h.readings.clear(key)
	h.forget(key)
	h.watcher.forget(key)
}

// recordEvent records an event. One without a reason is none.
func (h *handler) recordEvent(hr *v1beta1.HelmRelease, event status.Event, details ...any) {
	if event.Reason != "" {
		h.recorder().Emit(hr, event, details...)
	}
}

func (h *handler) recorder() loop.EventRecorder {
	return loop.EventRecorder{Events: h.events, Kind: v1beta1.HelmReleaseKind, Action: status.ActionReconcile}
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
