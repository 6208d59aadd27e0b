package release

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// act carries out a plan, and returns when to look again.
func (h *handler) act(pass *pass, p plan.Plan) (time.Duration, error) {
	for _, event := range pass.Events {
		h.recordEvent(pass.Release, event)
	}

	if p.Reason != plan.ReasonUnderway && p.Step != plan.Resume { // what is resumed is cancelled when it runs again
		status.CancelAnswered(pass.Release)
	}

	switch {
	case p.Reason == plan.ReasonUnderway:
		return h.progress(pass, p), nil
	case p.Reason == plan.ReasonBlocked, p.Reason == plan.ReasonUnsourced:
		return h.blocker().Blocked(pass.Release, pass.obstacle)
	case pass.Desired.Suspended:
		return pass.again, nil
	case p.Reason == v1beta1.OwnedByOtherReason:
		return h.disown(pass, p), nil
	case p.Acts():
		h.start(pass, p)
		return loop.Slow, nil
	default:
		return h.settle(pass, p), nil
	}
}

// progress supersedes a running step that is no longer wanted, and reports one that takes longer than a moment.
func (h *handler) progress(pass *pass, p plan.Plan) time.Duration {
	if pass.step == nil {
		return loop.Slow
	}
	if p.Cancelled {
		pass.step.cancel()
	}
	if p.Outdated {
		pass.step.supersede()
	}
	if p.Progress {
		status.ReleaseWants(pass.Release, pass.step.work.InputDigest)
		status.ReleaseProgress(pass.Release, pass.step.work.Plan, h.now())
	}

	return p.After
}

// disown settles a HelmRelease whose Helm release another one owns: nothing of that release is watched, changed or
// reported any more. The deletion of the owner wakes it; the audit is for safety.
func (h *handler) disown(pass *pass, p plan.Plan) time.Duration {
	hr := pass.Release
	before := status.Message(hr)
	h.watcher.unwatch(client.ObjectKeyFromObject(hr))
	status.ReleaseSettled(hr, p, nil, h.now())
	status.ReleaseAnswered(hr, hr.Annotations[v1beta1.ReconcileRequestAnnotation])
	if status.Message(hr) != before {
		h.recordEvent(hr, status.Event{Warning: true, Reason: p.Reason, Message: p.Message})
	}
	return h.blocker().Audit(hr)
}

// settle records that nothing is left to do, or nothing for now.
func (h *handler) settle(pass *pass, p plan.Plan) time.Duration {
	hr := pass.Release
	before := status.Message(hr)
	wasHeld := hr.Status.Held.DeepCopy()
	status.ReleaseWants(hr, pass.InputDigest)
	status.ReleaseSettled(hr, p, pass.History, h.now())
	if p.Reason == v1beta1.AwaitingApprovalReason && status.Message(hr) != before {
		h.recordEvent(hr, status.Event{Action: status.ActionOf(plan.Preview), Reason: p.Reason, Message: p.Message})
	}
	h.settleWindow(hr, p, wasHeld)
	status.ObjectSyncAnswered(hr)
	status.ReleaseShared(hr, pass.Inputs.SharedValues())
	status.ReleaseAnswered(hr, hr.Annotations[v1beta1.ReconcileRequestAnnotation])

	again := loop.Soonest(p.After, loop.Soonest(p.Audit, pass.again))
	if bake := hr.Status.Bake; bake != nil {
		again = loop.Soonest(again, h.until(bake.Until.Time))
	}
	if held := hr.Status.Held; held != nil && held.Until != nil {
		again = loop.Soonest(again, max(time.Second, held.Until.Sub(h.now())))
	}
	if hr.Spec.KubeConfig != nil {
		again = loop.Soonest(again, loop.RemoteLook)
	}
	again = loop.Soonest(again, refs.Recheck(pass.Desired.Sync.Approvals, pass.Observed.Approvals))

	return loop.Soonest(again, h.blocker().Audit(hr))
}

// until is the pause before a time; zero when the time is over.
func (h *handler) until(at time.Time) time.Duration {
	left := at.Sub(h.now())
	if left <= 0 {
		return 0
	}
	return max(time.Second, left)
}

// start runs a step outside of the worker.
func (h *handler) start(pass *pass, p plan.Plan) {
	if p.Reason == plan.ReasonForced {
		status.ReleaseForced(pass.Release, release.ForceRequested(pass.Release))
	}

	h.passWindow(pass.Release, p)
	key := client.ObjectKeyFromObject(pass.Release)
	superseded, cancelled := make(chan struct{}), make(chan struct{})
	work := pass.Work(p, superseded, cancelled)
	current := &step{work: work, superseded: superseded, cancelled: cancelled, states: h.watcher.statesOf(pass.Release, p)}
	h.mu.Lock()
	h.steps[key] = current
	h.mu.Unlock()
	h.readings.clear(key) // the step changes the records
	request := work.Release.Annotations[v1beta1.ReconcileRequestAnnotation]
	h.tasks.Start(key, func(ctx context.Context) actionResult {
		started := h.now()
		outcome := h.runner.Do(ctx, work)
		took := h.now().Sub(started)
		return actionResult{outcome: outcome, compared: work.Comparison(outcome), took: took, request: request}
	}, func(fault error) actionResult {
		return actionResult{outcome: h.runner.Faulted(work, fault), request: request}
	})
}
