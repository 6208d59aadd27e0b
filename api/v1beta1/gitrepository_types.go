package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GitRepositoryRef says which commit is wanted. Commit wins over Name, Name over SemVer, SemVer over Tag, Tag over
// Branch; the branch master is used when all are left out.
type GitRepositoryRef struct {
	// Branch whose newest commit is wanted. With Commit, the branch that has to contain it.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Branch string `json:"branch,omitempty"`
	// Tag whose commit is wanted.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Tag string `json:"tag,omitempty"`
	// SemVer is the range from which the newest tag is taken.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	SemVer string `json:"semver,omitempty"`
	// Name is a full reference name, for example refs/pull/420/head.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Name string `json:"name,omitempty"`
	// Commit is a full SHA-1.
	// +kubebuilder:validation:Pattern=`^[a-f0-9]{40}$`
	// +optional
	Commit string `json:"commit,omitempty"`
}

// GitRepositorySpec says where a Git repository is and which of its commits is wanted.
type GitRepositorySpec struct {
	// URL of the repository, as http(s)://host/path.
	// +kubebuilder:validation:Pattern=`^(http|https)://.*$`
	// +kubebuilder:validation:MaxLength=2048
	// +required
	URL string `json:"url"`
	// Reference picks the commit, the branch master when left out.
	// +optional
	Reference *GitRepositoryRef `json:"ref,omitempty"`
	// SecretRef names a Secret in the same namespace with username and password.
	// +optional
	SecretRef *LocalObjectReference `json:"secretRef,omitempty"`
	// Interval at which upstream is asked for a new commit, with a jitter of up to 10 %.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +kubebuilder:default="5m"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
	// Timeout of one exchange with upstream, 60s when left out.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// Suspend stops asking upstream; what is in the cache stays in use.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// GitRepositoryStatus is what the source controller knows about the repository.
type GitRepositoryStatus struct {
	ReconcileRequest `json:",inline"`
	// ObservedGeneration is the last generation that was handled.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions of the source: Ready, Reconciling, Stalled, ArtifactInStorage.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Artifact is the work tree in the cache; its revision is reference@sha1:commit.
	// +optional
	Artifact *Artifact `json:"artifact,omitempty"`
}

// GitRepository is a Git repository at one commit.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=flgitrepo;gitrepo,categories=fairlead
// +kubebuilder:printcolumn:name="URL",type="string",JSONPath=".spec.url"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
type GitRepository struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec GitRepositorySpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status GitRepositoryStatus `json:"status,omitempty"`
}

// GitRepositoryList is a list of GitRepository.
// +kubebuilder:object:root=true
type GitRepositoryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []GitRepository `json:"items"`
}
