package v1beta1

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MaxPlanContent is how many bytes the content of a ReleasePlan has at most, compressed.
const MaxPlanContent = 512 << 10

// ReleasePlanSpec is a plan as the controller computed it.
type ReleasePlanSpec struct {
	// Kind of the object that the plan is of, in the namespace of the plan.
	// +kubebuilder:validation:Enum=HelmRelease
	// +required
	Kind string `json:"kind"`
	// Name of the object that the plan is of.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Digest of the plan.
	// +kubebuilder:validation:MaxLength=71
	// +required
	Digest string `json:"digest"`
	// Risk is the highest class of risk among the objects.
	// +kubebuilder:validation:MaxLength=32
	// +required
	Risk string `json:"risk"`
	// Summary counts the objects that would be created, changed, deleted and kept, in words.
	// +kubebuilder:validation:MaxLength=256
	// +required
	Summary string `json:"summary"`
	// Content is the whole plan, JSON as "fairlead plan release NAME -o json" prints it, compressed by gzip. Values of
	// Secrets are masked.
	// +kubebuilder:validation:MaxLength=700000
	// +required
	Content []byte `json:"content"`
	// Truncated is how many objects the content leaves out, the least risky ones, because the plan is too large.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Truncated int32 `json:"truncated,omitempty"`
}

// ReleasePlan is the plan of the next install or upgrade of an object that waits for approvals. The controller writes
// it; the object whose plan it is owns it.
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=flplan,categories=fairlead
// +kubebuilder:printcolumn:name="Risk",type="string",JSONPath=".spec.risk"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Kind",type="string",JSONPath=".spec.kind",priority=1
// +kubebuilder:printcolumn:name="For",type="string",JSONPath=".spec.name",priority=1
// +kubebuilder:printcolumn:name="Summary",type="string",JSONPath=".spec.summary",priority=1
// +kubebuilder:printcolumn:name="Digest",type="string",JSONPath=".spec.digest",priority=1
type ReleasePlan struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ReleasePlanSpec `json:"spec,omitempty"`
}

// ReleasePlanList is a list of ReleasePlan.
// +kubebuilder:object:root=true
type ReleasePlanList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ReleasePlan `json:"items"`
}

// PlanName is the name of the ReleasePlan of an object. One that would be longer than names may be ends with a digest.
func PlanName(kind, name string) string {
	const longest = 253

	full := strings.ToLower(kind) + "-" + name
	if len(full) <= longest {
		return full
	}

	sum := sha256.Sum256([]byte(full))
	tail := "-" + hex.EncodeToString(sum[:8])
	return strings.TrimRight(full[:longest-len(tail)], ".-") + tail
}
