package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KustomizationPlanStatus is the plan of what a Kustomization applies next.
type KustomizationPlanStatus struct {
	// Digest identifies the plan. It is the same as long as the same objects are built and the same are deleted, on top
	// of what is applied. Neither the name of the revision nor drift is in it.
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
	// Replaces is the digest of the plan that waited, or was approved, before this one took its place; empty when this
	// one took the place of none.
	// +kubebuilder:validation:MaxLength=71
	// +optional
	Replaces string `json:"replaces,omitempty"`
	// Moved says in words what is different from the plan that this one replaces; empty when it replaces none.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Moved string `json:"moved,omitempty"`
	// Objects are the riskiest objects, at most 10.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	Objects []PlannedObject `json:"objects,omitempty"`
	// Unchanged is set when the manifests are those that are applied. Such a plan does not wait.
	// +optional
	Unchanged bool `json:"unchanged,omitempty"`
	// Revision of the source that the plan was made of.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	Revision string `json:"revision"`
	// FromRevision is the revision of the source that is applied; empty for none.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	FromRevision string `json:"fromRevision,omitempty"`
	// InputDigest is the digest of the set of manifests and settings, FromDigest that of the set that is applied, empty
	// for none.
	// +kubebuilder:validation:MaxLength=256
	// +required
	InputDigest string `json:"inputDigest"`
	// FromDigest is the digest of the set of manifests and settings that is applied; empty for none.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	FromDigest string `json:"fromDigest,omitempty"`
	// BuildDigest is the digest of the objects that were built.
	// +kubebuilder:validation:MaxLength=71
	// +required
	BuildDigest string `json:"buildDigest"`
	// PruneDigest is the digest of the names of the objects that are no longer wanted; empty when there are none.
	// +kubebuilder:validation:MaxLength=71
	// +optional
	PruneDigest string `json:"pruneDigest,omitempty"`
	// KubeVersion is the version of the API server.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	KubeVersion string `json:"kubeVersion,omitempty"`
	// ObservedGeneration is the generation of the object that the plan was made for.
	// +required
	ObservedGeneration int64 `json:"observedGeneration"`
	// ExpiresAt is when the controller computes the plan again, if it waits for so long.
	// +required
	ExpiresAt metav1.Time `json:"expiresAt"`
}
