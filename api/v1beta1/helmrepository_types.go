package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Types of HelmRepository.
const (
	// HelmRepositoryTypeDefault is a repository with an index.yaml over HTTP or HTTPS.
	HelmRepositoryTypeDefault = "default"
	// HelmRepositoryTypeOCI is a registry path below which every chart is a repository of its own.
	HelmRepositoryTypeOCI = "oci"
)

// AccessFrom lists who may refer to a source from other namespaces.
type AccessFrom struct {
	// NamespaceSelectors select namespaces; one that matches is enough.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +required
	NamespaceSelectors []NamespaceSelector `json:"namespaceSelectors"`
}

// NamespaceSelector selects namespaces by their labels.
type NamespaceSelector struct {
	// MatchLabels are labels that a namespace has to have.
	// +optional
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
}

// HelmRepositorySpec says where a Helm repository is and how to read it.
// +kubebuilder:validation:XValidation:rule="self.url.startsWith('oci://') == (has(self.type) && self.type == 'oci')",message="spec.type must be 'oci' exactly when spec.url starts with oci://"
// +kubebuilder:validation:XValidation:rule="!has(self.insecure) || !self.insecure || (has(self.type) && self.type == 'oci')",message="spec.insecure is for type oci; write an http:// URL instead"
type HelmRepositorySpec struct {
	// URL of the repository: http(s)://host/path for an index, oci://host/path for a registry.
	// +kubebuilder:validation:Pattern=`^(http|https|oci)://.*$`
	// +kubebuilder:validation:MaxLength=2048
	// +required
	URL string `json:"url"`
	// Type of the repository: default (an index.yaml over HTTP) or oci.
	// +kubebuilder:validation:Enum=default;oci
	// +kubebuilder:default=default
	// +optional
	Type string `json:"type,omitempty"`
	// Provider is how the controller authenticates at a registry: generic, the default, with what SecretRef names. The
	// controller does not support aws, azure and gcp yet: for the type oci it does nothing for an object that asks for
	// one of them.
	// +kubebuilder:validation:Enum=generic;aws;azure;gcp
	// +optional
	Provider string `json:"provider,omitempty"`
	// SecretRef names a Secret in the same namespace with username and password, or of type
	// kubernetes.io/dockerconfigjson for a registry.
	// +optional
	SecretRef *LocalObjectReference `json:"secretRef,omitempty"`
	// CertSecretRef names a Secret in the same namespace with ca.crt, or tls.crt and tls.key, or all of them.
	// +optional
	CertSecretRef *LocalObjectReference `json:"certSecretRef,omitempty"`
	// PassCredentials sends the credentials to other hosts too, when the index names archives there. Off by default:
	// credentials stay with the host of the URL.
	// +optional
	PassCredentials bool `json:"passCredentials,omitempty"`
	// Insecure lets a registry be read over plain HTTP.
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// Interval at which upstream is asked for new versions, with a jitter of up to 10 %.
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
	// AccessFrom has no effect, as in Flux. The flag --no-cross-namespace-refs of the controller refuses references
	// from other namespaces.
	// +optional
	AccessFrom *AccessFrom `json:"accessFrom,omitempty"`
	// Suspend stops asking upstream; what is in the cache stays in use.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// HelmRepositoryStatus is what the source controller knows about the repository.
type HelmRepositoryStatus struct {
	ReconcileRequest `json:",inline"`
	// ObservedGeneration is the last generation that was handled.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions of the repository: Ready, Reconciling, Stalled, ArtifactInStorage.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Artifact is the index in the cache: the index.yaml of an HTTP repository, the catalogue of the charts in use of a
	// registry.
	// +optional
	Artifact *Artifact `json:"artifact,omitempty"`
}

// HelmRepository is a place where charts are published.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=flhelmrepo;helmrepo,categories=fairlead
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="URL",type="string",JSONPath=".spec.url",priority=1
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message",priority=1
type HelmRepository struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec HelmRepositorySpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status HelmRepositoryStatus `json:"status,omitempty"`
}

// HelmRepositoryList is a list of HelmRepository.
// +kubebuilder:object:root=true
type HelmRepositoryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []HelmRepository `json:"items"`
}

// IsOCI reports whether the repository is a registry.
func (in *HelmRepository) IsOCI() bool { return in.Spec.Type == HelmRepositoryTypeOCI }
