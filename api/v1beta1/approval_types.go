package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ApprovalSpec says what is approved, and by whom. It never changes.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an approval cannot be changed; delete it and make another one"
type ApprovalSpec struct {
	// Kind of the object whose plan is approved, in the namespace of the approval.
	// +kubebuilder:validation:Enum=HelmRelease;Kustomization
	// +required
	Kind string `json:"kind"`
	// Name of the object whose plan is approved.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Digest of the plan, as status.plan.digest of the object has it. The approval counts for no other plan.
	// +kubebuilder:validation:Pattern=`^sha256:[a-f0-9]{64}$`
	// +required
	Digest string `json:"digest"`
	// User who decides. The ValidatingAdmissionPolicy of Fairlead refuses any name but that of the user who makes
	// the request.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +required
	User string `json:"user"`
	// Groups of the user that spec.sync.approval.groups of the object asks for. The ValidatingAdmissionPolicy of
	// Fairlead refuses a group that the user is not in.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +listType=set
	// +optional
	Groups []string `json:"groups,omitempty"`
	// Decision is Approve, the default, or Reject: the plan does not run, also when other users approve it. A rejection does not
	// expire; it ends when the object is deleted.
	// +kubebuilder:validation:Enum=Approve;Reject
	// +kubebuilder:default=Approve
	// +optional
	Decision string `json:"decision,omitempty"`
	// Comment says why.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Comment string `json:"comment,omitempty"`
}

// Approval is one user's decision about one plan of one object.
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=flplanapproval,categories=fairlead
// +kubebuilder:printcolumn:name="Kind",type="string",JSONPath=".spec.kind"
// +kubebuilder:printcolumn:name="For",type="string",JSONPath=".spec.name"
// +kubebuilder:printcolumn:name="Decision",type="string",JSONPath=".spec.decision"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="User",type="string",JSONPath=".spec.user",priority=1
// +kubebuilder:printcolumn:name="Digest",type="string",JSONPath=".spec.digest",priority=1
// +kubebuilder:printcolumn:name="Comment",type="string",JSONPath=".spec.comment",priority=1
type Approval struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ApprovalSpec `json:"spec,omitempty"`
}

// ApprovalList is a list of Approval.
// +kubebuilder:object:root=true
type ApprovalList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Approval `json:"items"`
}
