package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StageApproval says which candidates of a stage need approvals, and which approvals count.
type StageApproval struct {
	// When is Always, the default: every candidate needs approvals; OnMajor: one of another major version than the stage
	// has; or OnMinor: one of another major or minor version. The first candidate of a stage needs none with the last
	// two.
	// +kubebuilder:validation:Enum=Always;OnMajor;OnMinor
	// +optional
	When string `json:"when,omitempty"`
	// Count is how many users have to approve, 1 when left out. More than one needs the ValidatingAdmissionPolicy of
	// Fairlead that checks who approves.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	// +optional
	Count int32 `json:"count,omitempty"`
	// Groups are those whose users approve and reject; one of them is enough. Any user does when left out. They need the
	// ValidatingAdmissionPolicy of Fairlead that checks who approves.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +listType=set
	// +optional
	Groups []string `json:"groups,omitempty"`
	// Expires is how long after its creation an approval counts, for ever when left out. A promotion that began stays.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(s|m|h))+$"
	// +optional
	Expires *metav1.Duration `json:"expires,omitempty"`
}

// Values of spec.decision of a PromotionApproval.
const (
	DecisionApprove = "Approve"
	DecisionReject  = "Reject"
)
