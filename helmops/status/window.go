package status

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// isHeldByWindow reports whether the status says that a window holds a release.
func isHeldByWindow(hr *v1beta1.HelmRelease) bool {
	return hr.Status.Held != nil && hr.Status.Held.Reason == v1beta1.HeldByWindow
}

// windowHolds records what a window holds, or that it holds nothing any more. A chart that is held for another reason
// stays in the status; the message of Ready names the window, too.
func windowHolds(hr *v1beta1.HelmRelease, p plan.Plan) {
	switch {
	case p.Held == nil:
		ReleaseUnheld(hr)
		return
	case hr.Status.Held != nil && !isHeldByWindow(hr):
		return
	}

	held := &v1beta1.HeldChart{
		ChartVersion: p.Held.Chart.Version, ChartDigest: p.Held.Chart.Digest, Reason: v1beta1.HeldByWindow,
		Message: p.Held.Message,
	}
	if !p.Held.Until.IsZero() {
		until := metav1.NewTime(p.Held.Until)
		held.Until = &until
	}

	hr.Status.Held = held
}

// ReleaseUnheld records that no window holds a release.
func ReleaseUnheld(hr *v1beta1.HelmRelease) {
	if isHeldByWindow(hr) {
		hr.Status.Held = nil
	}
}

// ReleaseOverridden records that a request to override the windows was handled.
func ReleaseOverridden(hr *v1beta1.HelmRelease, token string) {
	hr.Status.LastHandledOverrideAt = token
}

// WindowHeld is the event about something new that a window begins to hold.
func WindowHeld(message string) Event {
	return Event{Reason: v1beta1.SyncWindowClosedReason, Message: message}
}

// WindowOverridden is the event about an attempt that a user asked for in spite of the windows, with the reason.
func WindowOverridden(reason string) Event {
	return Event{
		Reason:  v1beta1.SyncWindowOverriddenReason,
		Message: fmt.Sprintf("the windows of spec.sync are overridden for one attempt: %s", reason),
	}
}

// waitsForWindow records a release of which no revision is good, or whose last attempt failed, and that a window keeps
// from another attempt. A failure stays the reason for not being Ready.
func waitsForWindow(hr *v1beta1.HelmRelease, p plan.Plan, w writer) {
	if hr.Status.Failures == 0 {
		w.awaiting(p.Reason, p.Message)
		return
	}

	ready := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.ReadyCondition)
	reason, message := readyFailure(hr, p)
	isReported := ready != nil && ready.Reason == reason && ready.Message == message
	if isReported && !strings.Contains(message, p.Message) {
		message = joined(message, p.Message)
	}

	w.retrying(reason, message)
}
