package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Annotations that cancel the step of a HelmRelease or Kustomization that is running.
const (
	// CancelRequestAnnotation asks to end the step that is running. It counts while it equals the request annotation,
	// which then asks for nothing else; it is echoed as status.lastHandledCancelAt, also when no step was running.
	CancelRequestAnnotation = "fairlead.dev/cancelAt"
	// CancelReasonAnnotation is why a user cancels the step, in the words of the user.
	CancelReasonAnnotation = "fairlead.dev/cancelReason"
)

// maxCancelReason bounds the reason of a user, which conditions and events repeat.
const maxCancelReason = 256

// CancelRequest returns the token and the reason of a request to cancel the step that is running; the token is empty
// when there is none that was not handled yet. A reason is cut at 256 bytes.
func CancelRequest(object metav1.Object, handled string) (token, reason string) {
	token = SpecialRequest(object, CancelRequestAnnotation, handled)
	if token == "" {
		return "", ""
	}
	reason = object.GetAnnotations()[CancelReasonAnnotation]
	return token, reason[:min(len(reason), maxCancelReason)]
}

// OnlyCancels reports whether the newest request of a user is to cancel a step, and not to reconcile the object.
func OnlyCancels(object metav1.Object) bool {
	token := object.GetAnnotations()[CancelRequestAnnotation]
	return token != "" && token == object.GetAnnotations()[ReconcileRequestAnnotation]
}

// CancelledStep is a step of a HelmRelease that a user cancelled. The controller does not try its input again until the
// input or the settings change, or the user asks for it.
type CancelledStep struct {
	// RequestedAt is the value of the annotation fairlead.dev/cancelAt that cancelled the step.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	RequestedAt string `json:"requestedAt,omitempty"`
	// Reason of the user.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Reason string `json:"reason,omitempty"`
	// Action that was cancelled: install, upgrade, rollback or test.
	// +kubebuilder:validation:MaxLength=32
	// +required
	Action string `json:"action"`
	// Revision that a rollback was to go back to at the request of a user; 0 for anything else.
	// +optional
	Revision int32 `json:"revision,omitempty"`
	// ChartVersion that was wanted.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	ChartVersion string `json:"chartVersion"`
	// ChartDigest, ConfigDigest and RenderDigest are the input that was wanted, SettingsDigest the settings.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ChartDigest string `json:"chartDigest,omitempty"`
	// ConfigDigest is the digest of the values.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ConfigDigest string `json:"configDigest,omitempty"`
	// RenderDigest is the digest of the post renderers and the common metadata; empty when there are none.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	RenderDigest string `json:"renderDigest,omitempty"`
	// SettingsDigest is the digest of the timeout, wait, test, health and remediation settings.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	SettingsDigest string `json:"settingsDigest,omitempty"`
	// At is when the step ended.
	// +required
	At metav1.Time `json:"at"`
}

// CancelledAttempt is an attempt of a Kustomization, or its wait for health, that a user cancelled. The controller does
// not try the same set of manifests and settings again until the user asks for it.
type CancelledAttempt struct {
	// RequestedAt is the value of the annotation fairlead.dev/cancelAt that cancelled the attempt.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	RequestedAt string `json:"requestedAt,omitempty"`
	// Reason of the user.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Reason string `json:"reason,omitempty"`
	// Action that was cancelled: apply, or wait for the wait for health.
	// +kubebuilder:validation:MaxLength=32
	// +required
	Action string `json:"action"`
	// Revision of the source.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	Revision string `json:"revision"`
	// Digest of the set of manifests and settings.
	// +kubebuilder:validation:MaxLength=256
	// +required
	Digest string `json:"digest"`
	// At is when the attempt or the wait ended.
	// +required
	At metav1.Time `json:"at"`
}

// Actions of a CancelledAttempt.
const (
	// CancelledApply: the attempt was cancelled before everything was applied.
	CancelledApply = "apply"
	// CancelledWait: everything was applied, and the wait for health was cancelled.
	CancelledWait = "wait"
)
