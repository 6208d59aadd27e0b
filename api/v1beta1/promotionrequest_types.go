package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Causes of Promotions that users make.
const (
	ManualCause   = "Manual"
	RollbackCause = "Rollback"
)

// Phases of a Promotion that a user made, beside those of the records of the controller.
const (
	PromotionWaiting = "Waiting"
	PromotionFailed  = "Failed"
)

// StageRequest is what became of a Promotion that a user made.
type StageRequest struct {
	// Name of the Promotion.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Name string `json:"name"`
	// Phase is Waiting, Promoted, Failed or Superseded.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Phase string `json:"phase"`
	// Message says why.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	Message string `json:"message,omitempty"`
}

// DeliveryRequest is the Promotion of a user that a delivery carries out.
type DeliveryRequest struct {
	// Name of the Promotion.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Name string `json:"name"`
	// RequestedBy is the user.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	RequestedBy string `json:"requestedBy,omitempty"`
	// Reason that the user gave.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Reason string `json:"reason,omitempty"`
	// Bypass are the gates that did not have to pass.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=atomic
	// +optional
	Bypass []string `json:"bypass,omitempty"`
}

// IsRequest reports whether a user made the Promotion: it belongs to no pipeline. What belongs to one is a record.
func (in *Promotion) IsRequest() bool {
	owner := metav1.GetControllerOf(in)
	return owner == nil || owner.Kind != ReleasePipelineKind
}

// IsFinal reports whether the phase is one that a request waits for.
func (in *Promotion) IsFinal() bool {
	switch in.Status.Phase {
	case PromotionVerified, PromotionRejected, PromotionSuperseded, PromotionFailed:
		return true
	}
	return false
}
