package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// pass is one pass of the loop over a release.
type pass struct {
	*release.Pass
	// step is the one that is running; nil when none is known.
	step *step
	// obstacle is why nothing can be done; nil when there is none.
	obstacle error
	// again is when to look at the live objects again; zero when nothing is due.
	again time.Duration
}

// running reports whether a step is running.
func (p *pass) running() bool { return p.Observed.Running != nil }

// observe records a step that has ended, and begins a pass with what is known without looking anything up.
func (h *handler) observe(ctx context.Context, hr *v1beta1.HelmRelease) *pass {
	h.collectResult(ctx, hr)
	key := client.ObjectKeyFromObject(hr)
	elapsed, running := h.tasks.Running(key)
	if running {
		return h.passOf(hr, elapsed)
	}

	status.BakeClock(hr, h.now())
	begun := &pass{Pass: release.NewPass(hr)}
	token := release.ResetRequested(hr)
	if token != "" && !begun.Desired.Suspended && !begun.Desired.Deleting {
		status.ReleaseReset(hr, token, h.now())
		begun.Pass = release.NewPass(hr)
	}

	return begun
}

// passOf begins a pass while a step is running.
func (h *handler) passOf(hr *v1beta1.HelmRelease, elapsed time.Duration) *pass {
	h.mu.Lock()
	current := h.steps[client.ObjectKeyFromObject(hr)]
	h.mu.Unlock()
	begun := &pass{Pass: release.NewPass(hr), step: current}
	begun.Observed.Running = &plan.Running{Generation: hr.Generation, Elapsed: elapsed}
	if current != nil { // a step of an object that was deleted and created again is not known
		begun.Observed.Running.Action = current.work.Plan.Action()
		begun.Observed.Running.Generation = current.work.Desired.Generation
	}

	return begun
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

	h.report(ctx, hr, event, ended)
	if ended.outcome.Step == plan.Uninstall && ended.outcome.Failure == nil {
		h.owners.released(ctx, key, ended.outcome.Target)
	}
}

// report emits the events about a step that has ended.
func (h *handler) report(ctx context.Context, hr *v1beta1.HelmRelease, event status.Event, ended actionResult) {
	outcome := ended.outcome
	details := []any{"step", outcome.Step, "took", ended.took.Round(time.Millisecond).String()}
	if event.Reason == "" {
		log.FromContext(ctx).Info("the step has ended", details...)
	}

	h.recordEvent(hr, event, details...)
	action := status.ActionOf(outcome.Step)
	h.recordEvent(hr, status.Kept(outcome.Kept).As(action))
	h.recordEvent(hr, status.Dropped(outcome.Dropped).As(action))
	for _, event := range status.Warned(outcome.Warned) {
		h.recordEvent(hr, event.As(action))
	}
}

// decide plans the next step, and looks up what the plan needs. A pass that ends with an obstacle is blocked.
func (h *handler) decide(ctx context.Context, pass *pass) plan.Plan {
	lookUp := func(ctx context.Context, _ *release.Pass, fact plan.Fact) error { return h.lookUp(ctx, pass, fact) }
	p, err := h.runnerFor(pass).Decide(ctx, pass.Pass, lookUp)
	if err == nil {
		if pass.Observed.History != nil {
			h.readings.clear(client.ObjectKeyFromObject(pass.Release)) // they were used
		}
		return p
	}

	pass.obstacle = h.unread(pass, err)
	if !pass.Observed.Looked && pass.Observed.Inputs != nil && !pass.Desired.Deleting {
		h.lookAtObjects(ctx, pass) // the status names objects only of a release that was accepted
	}

	return plan.Plan{Step: plan.Wait, Reason: plan.ReasonBlocked, Message: err.Error()}
}

// runnerFor returns the runner of a pass. A cluster that does not answer may not keep the worker: the records on
// another cluster are read outside of it.
func (h *handler) runnerFor(pass *pass) *release.Runner {
	if pass.Release.Spec.KubeConfig == nil {
		return h.runner
	}

	runner := *h.runner
	runner.Engine = h.readings.of(client.ObjectKeyFromObject(pass.Release))
	runner.Namesake = nil // a worker may not wait for a remote cluster; there the install fails
	return &runner
}

// unread is the obstacle of a release whose records cannot be read.
func (h *handler) unread(pass *pass, err error) error {
	hr := pass.Release
	var looking *refs.PendingReadError
	if errors.As(err, &looking) {
		return looking
	}

	h.readings.clear(client.ObjectKeyFromObject(hr))
	if hr.Spec.KubeConfig != nil && errors.Is(err, context.DeadlineExceeded) {
		return &refs.ObstacleError{After: refs.UnreachableRetry, Failure: status.Failure{
			Reason: v1beta1.ClusterUnreachableReason, Message: fmt.Sprintf(
				"the cluster of spec.kubeConfig does not answer: %s; it is asked again every %s",
				err, refs.UnreachableRetry),
		}}
	}
	if refs.IsObstacle(err) || pass.Desired.Deleting {
		return err
	}

	return unreadable(hr, err)
}

// lookUp adds a fact to a pass.
func (h *handler) lookUp(ctx context.Context, pass *pass, fact plan.Fact) error {
	switch fact {
	case plan.FactOutdated:
		h.lookUpOutdated(ctx, pass)
	case plan.FactInputs:
		h.lookUpInputs(ctx, pass)
	case plan.FactObjects:
		h.lookAtObjects(ctx, pass)
	case plan.FactApprovals:
		return h.lookUpApprovals(ctx, pass)
	case plan.FactDependencies:
		pass.obstacle = h.dependencies.Check(ctx, pass.Release, pass.Inputs.Access)
		pass.Observed.Dependencies = &plan.Dependencies{Blocked: pass.obstacle != nil}
	default:
		key := client.ObjectKeyFromObject(pass.Release)
		return fmt.Errorf("the fact %q of HelmRelease %s cannot be looked up", fact, key)
	}

	return nil
}

// lookUpApprovals finds what users decided about plans of the release.
func (h *handler) lookUpApprovals(ctx context.Context, pass *pass) error {
	key := client.ObjectKeyFromObject(pass.Release)
	known, err := h.approvals.Of(ctx, v1beta1.HelmReleaseKind, key, pass.Desired.Sync.Approvals)
	pass.Observed.Approvals = &known
	return err
}

// lookUpOutdated finds out whether chart and values are still those of the step that is running. They are while they
// cannot be read.
func (h *handler) lookUpOutdated(ctx context.Context, pass *pass) {
	wanted, err := h.gather(ctx, pass.Release)
	outdated := err == nil && pass.step.work.Differs(wanted.Unheld(pass.step.work.Inputs))
	pass.Observed.Running.Outdated = &outdated
}

// lookUpInputs gathers what the release is made of.
func (h *handler) lookUpInputs(ctx context.Context, pass *pass) {
	in, err := h.gather(ctx, pass.Release)
	if err != nil {
		pass.obstacle = err
		pass.Observed.Inputs = &plan.Inputs{Blocked: true}
		return
	}

	found := plan.Inputs{Note: in.Note}
	if in.Unsourced != nil {
		found.Unsourced = in.Unsourced.Error()
		pass.obstacle = in.Unsourced
	}

	h.mu.Lock()
	in.Compared = h.compared[client.ObjectKeyFromObject(pass.Release)]
	h.mu.Unlock()
	pass.SetInputs(in, found)
}

// lookAtObjects finds out from memory how the objects of the release are.
func (h *handler) lookAtObjects(ctx context.Context, pass *pass) {
	hr := pass.Release
	if hr.Spec.Suspend {
		in, err := h.inputsForLook(ctx, hr)
		if err != nil {
			pass.Observed.Looked = true // its objects cannot be judged as its spec says
			return
		}

		pass.Inputs = in
	}

	live, again, events := h.watcher.look(hr, pass.Inputs)
	for _, event := range events {
		h.recordEvent(hr, event)
	}
	if live.Health.Known && !live.Health.Healthy {
		live.NotAttributable = h.notAttributable(ctx, hr)
	}

	pass.again = again
	pass.SetLive(live)
}

// inputsForLook is what it takes to look at the objects of a suspended release.
func (h *handler) inputsForLook(ctx context.Context, hr *v1beta1.HelmRelease) (release.Inputs, error) {
	judges, ignore, err := h.rules.of(hr)
	if err != nil {
		return release.Inputs{}, err
	}

	access, err := h.access(ctx, hr)
	if err != nil {
		return release.Inputs{}, err
	}

	h.documents.Name(client.ObjectKeyFromObject(hr), documentsOf(hr)...)
	found, err := h.valuesReader().values(ctx, hr)
	return release.Inputs{
		Access: access, Rules: judges, Ignore: ignore, Values: found.Merged, Unmasked: err != nil,
		Mask: found.Mask.Join(redact.NewMask(cluster.Secrets(access.Kubeconfig)...)),
	}, nil
}
