package release

import (
	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// settleWindow reports what a window begins to hold. A request to override the windows is handled when there is nothing
// that they would hold.
func (h *handler) settleWindow(hr *v1beta1.HelmRelease, p plan.Plan, before *v1beta1.HeldChart) {
	token, _ := v1beta1.WindowOverride(hr, hr.Status.LastHandledOverrideAt)
	switch {
	case p.Held != nil && (before == nil || before.Message != p.Held.Message):
		h.recordEvent(hr, status.WindowHeld(p.Held.Message).As(status.ActionOf(plan.Upgrade)))
	case p.Held == nil && p.Step == plan.None && token != "":
		status.ReleaseOverridden(hr, token)
	}
}

// passWindow records that a step begins which no window holds, and spends a request to override the windows.
func (h *handler) passWindow(hr *v1beta1.HelmRelease, p plan.Plan) {
	if p.ChangesCluster() {
		status.ReleaseUnheld(hr)
	}

	token, reason := v1beta1.WindowOverride(hr, hr.Status.LastHandledOverrideAt)
	if token == "" {
		return
	}

	switch p.Step {
	case plan.Install, plan.Upgrade, plan.Rollback:
		status.ReleaseOverridden(hr, token)
		h.recordEvent(hr, status.WindowOverridden(reason).As(status.ActionOf(p.Step)))
	default:
	}
}
