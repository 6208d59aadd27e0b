package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OCIRepositoryRef says which manifest of the repository is wanted. Digest wins over SemVer, SemVer over Tag; the tag
// latest is used when all are left out.
type OCIRepositoryRef struct {
	// Digest of the manifest, as sha256:hex.
	// +kubebuilder:validation:Pattern=`^sha256:[a-f0-9]{64}$`
	// +optional
	Digest string `json:"digest,omitempty"`
	// SemVer is the range from which the newest version is taken.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	SemVer string `json:"semver,omitempty"`
	// SemverFilter is a regular expression (RE2) that a tag has to match before SemVer looks at it.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	SemverFilter string `json:"semverFilter,omitempty"`
	// Tag is the name of the manifest.
	// +kubebuilder:validation:MaxLength=128
	// +optional
	Tag string `json:"tag,omitempty"`
}

// LayerCopy is the operation that keeps a layer as the registry has it.
const LayerCopy = "copy"

// OCILayerSelector picks a layer of an artifact.
type OCILayerSelector struct {
	// MediaType of the layer; the artifact has to have exactly one of it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +optional
	MediaType string `json:"mediaType,omitempty"`
	// Operation is what the controller does with the layer: extract, the default, leaves out what Ignore says; copy
	// keeps the layer as the registry has it.
	// +kubebuilder:validation:Enum=extract;copy
	// +optional
	Operation string `json:"operation,omitempty"`
}

// OCIRepositorySpec says where the chart is and which of its versions is wanted.
type OCIRepositorySpec struct {
	// URL of the chart, as oci://host/path/chart, without a tag.
	// +kubebuilder:validation:Pattern=`^oci://.*$`
	// +kubebuilder:validation:MaxLength=2048
	// +required
	URL string `json:"url"`
	// Reference picks the version, the tag latest when left out.
	// +optional
	Reference *OCIRepositoryRef `json:"ref,omitempty"`
	// Provider is how the controller authenticates at the registry: generic, the default, with what SecretRef names.
	// The controller does not support aws, azure and gcp yet: it does nothing for an object that asks for one of them.
	// +kubebuilder:validation:Enum=generic;aws;azure;gcp
	// +optional
	Provider string `json:"provider,omitempty"`
	// SecretRef names a Secret in the same namespace with username and password, or of type
	// kubernetes.io/dockerconfigjson.
	// +optional
	SecretRef *LocalObjectReference `json:"secretRef,omitempty"`
	// ServiceAccountName names a ServiceAccount in the same namespace whose imagePullSecrets are used when there is no
	// SecretRef.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// CertSecretRef names a Secret in the same namespace with ca.crt, or tls.crt and tls.key, or all of them.
	// +optional
	CertSecretRef *LocalObjectReference `json:"certSecretRef,omitempty"`
	// ProxySecretRef names a Secret in the same namespace with the address of a proxy, and username and password for it.
	// +optional
	ProxySecretRef *LocalObjectReference `json:"proxySecretRef,omitempty"`
	// Verify has the signatures of the artifact checked before it is taken over.
	// +optional
	Verify *Verification `json:"verify,omitempty"`
	// Attestations are signed statements that have to be beside the artifact before it is taken over, all of them.
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	// +optional
	Attestations []RequiredAttestation `json:"attestations,omitempty"`
	// LayerSelector picks the layer of an artifact that holds manifests. Without it that is the only one that is a tar.gz.
	// A chart is recognised without it.
	// +optional
	LayerSelector *OCILayerSelector `json:"layerSelector,omitempty"`
	// Ignore has patterns in the format of .gitignore for files that are left out of an artifact that holds manifests.
	// A chart is kept whole.
	// +kubebuilder:validation:MaxLength=65536
	// +optional
	Ignore *string `json:"ignore,omitempty"`
	// Insecure lets the registry be read over plain HTTP.
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// Interval at which upstream is asked for a new digest, with a jitter of up to 10 %.
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

// OCIRepositoryStatus is what the source controller knows about the chart.
type OCIRepositoryStatus struct {
	ReconcileRequest `json:",inline"`
	// ObservedGeneration is the last generation that was handled.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions of the source: Ready, Reconciling, Stalled, ArtifactInStorage.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Artifact is the chart archive in the cache; its revision is tag@digest of the manifest.
	// +optional
	Artifact *Artifact `json:"artifact,omitempty"`
	// Chart is the chart that the artifact holds.
	// +optional
	Chart *ChartRevision `json:"chart,omitempty"`
}

// OCIRepository is one chart in an OCI registry.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=flocirepo;ocirepo,categories=fairlead
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="URL",type="string",JSONPath=".spec.url",priority=1
// +kubebuilder:printcolumn:name="Revision",type="string",JSONPath=".status.artifact.revision",priority=1
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message",priority=1
type OCIRepository struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec OCIRepositorySpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status OCIRepositoryStatus `json:"status,omitempty"`
}

// OCIRepositoryList is a list of OCIRepository.
// +kubebuilder:object:root=true
type OCIRepositoryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OCIRepository `json:"items"`
}
