package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HeldRevision is a revision that the source of a Kustomization has, and that the controller does not apply for now.
type HeldRevision struct {
	// Revision of the source.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	Revision string `json:"revision"`
	// Reason is SyncWindow or Frozen.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Reason string `json:"reason"`
	// Message says what the Kustomization waits for.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	Message string `json:"message"`
	// Until is when the controller looks again without an event; absent when only an event helps.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}
