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

// GitRepositoryInclude is the artifact of another GitRepository, to be copied.
type GitRepositoryInclude struct {
	// GitRepositoryRef names it, in the same namespace.
	// +required
	GitRepositoryRef LocalObjectReference `json:"repository"`
	// FromPath is the directory of it that is copied; all of it when left out.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	FromPath string `json:"fromPath,omitempty"`
	// ToPath is the directory to copy to, the name of the GitRepository when left out.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	ToPath string `json:"toPath,omitempty"`
}

// What of a Git repository has to be signed.
const (
	VerifyHead       = "HEAD"
	VerifyTag        = "Tag"
	VerifyTagAndHead = "TagAndHEAD"
)

// GitRepositoryVerification says whose signatures are trusted.
type GitRepositoryVerification struct {
	// Mode tells what has to be signed: the commit (HEAD), the annotated tag that names it (Tag), or both (TagAndHEAD).
	// +kubebuilder:validation:Enum=HEAD;head;Tag;TagAndHEAD
	// +kubebuilder:default=HEAD
	// +optional
	Mode string `json:"mode,omitempty"`
	// SecretRef names a Secret in the same namespace: keys that end in .asc hold public keys of PGP, those that end in
	// .sshpub public keys of SSH, one in a line.
	// +required
	SecretRef LocalObjectReference `json:"secretRef"`
}

// GitRepositorySpec says where a Git repository is and which of its commits is wanted.
type GitRepositorySpec struct {
	// URL of the repository, as http(s)://host/path or ssh://[user@]host[:port]/path.
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(http|https|ssh)://')`,messageExpression=`'spec.url must begin with http://, https:// or ssh://' + (self.matches('^[A-Za-z0-9][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[A-Za-z0-9~._/-]+$') ? '; write ssh://' + self.replace(':/', '/').replace(':', '/') : '')`
	// +kubebuilder:validation:MaxLength=2048
	// +required
	URL string `json:"url"`
	// Reference picks the commit, the branch master when left out.
	// +optional
	Reference *GitRepositoryRef `json:"ref,omitempty"`
	// Provider is how the controller authenticates: generic, the default, with what SecretRef names. The controller
	// does not support aws, azure and github yet: it does nothing for an object that asks for one of them.
	// +kubebuilder:validation:Enum=generic;aws;azure;github
	// +optional
	Provider string `json:"provider,omitempty"`
	// ServiceAccountName names a ServiceAccount in the same namespace for the authentication with a cloud provider. The
	// controller does not support it yet: it does nothing for an object that sets it.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// SecretRef names a Secret in the same namespace. Over http(s) it has username and password, or bearerToken, and may
	// have ca.crt, and tls.crt with tls.key. Over ssh it has identity, a private key, and known_hosts, and password when
	// the key is locked.
	// +optional
	SecretRef *LocalObjectReference `json:"secretRef,omitempty"`
	// ProxySecretRef names a Secret in the same namespace with the address of a proxy, and username and password for it.
	// Not over ssh.
	// +optional
	ProxySecretRef *LocalObjectReference `json:"proxySecretRef,omitempty"`
	// Ignore has patterns in the format of .gitignore for files that are left out of the artifact. It replaces the usual
	// patterns and the .sourceignore files of the repository.
	// +kubebuilder:validation:MaxLength=65536
	// +optional
	Ignore *string `json:"ignore,omitempty"`
	// SparseCheckout has the directories that the artifact consists of; all when left out.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=atomic
	// +optional
	SparseCheckout []string `json:"sparseCheckout,omitempty"`
	// RecurseSubmodules puts the submodules of the repository into the artifact. The credentials are sent to those on the
	// same host.
	// +optional
	RecurseSubmodules bool `json:"recurseSubmodules,omitempty"`
	// Include copies the artifacts of other GitRepositories of the namespace into this one, in order: what is copied later
	// wins.
	// +kubebuilder:validation:MaxItems=20
	// +listType=atomic
	// +optional
	Include []GitRepositoryInclude `json:"include,omitempty"`
	// Verify has the signatures of the commit, or of its tag, checked before anything is taken over.
	// +optional
	Verify *GitRepositoryVerification `json:"verify,omitempty"`
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
	// IncludedArtifacts are those of spec.include that are in the artifact, in the same order.
	// +kubebuilder:validation:MaxItems=20
	// +listType=atomic
	// +optional
	IncludedArtifacts []Artifact `json:"includedArtifacts,omitempty"`
	// ObservedContent identifies by a digest with which settings the artifact was made.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	ObservedContent string `json:"observedContent,omitempty"`
}

// GitRepository is a Git repository at one commit.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=flgitrepo;gitrepo,categories=fairlead
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="URL",type="string",JSONPath=".spec.url",priority=1
// +kubebuilder:printcolumn:name="Revision",type="string",JSONPath=".status.artifact.revision",priority=1
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message",priority=1
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
