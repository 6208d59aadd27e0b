package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BucketSTS names a Security Token Service, which gives temporary credentials for a bucket.
type BucketSTS struct {
	// Provider is the kind of the service.
	// +kubebuilder:validation:Enum=aws;ldap
	// +required
	Provider string `json:"provider"`
	// Endpoint is the address of the service.
	// +kubebuilder:validation:Pattern=`^(http|https)://.*$`
	// +kubebuilder:validation:MaxLength=2048
	// +required
	Endpoint string `json:"endpoint"`
	// SecretRef names a Secret in the same namespace with the credentials for the service.
	// +optional
	SecretRef *LocalObjectReference `json:"secretRef,omitempty"`
	// CertSecretRef names a Secret in the same namespace with the certificates for the service.
	// +optional
	CertSecretRef *LocalObjectReference `json:"certSecretRef,omitempty"`
}

// BucketSpec says where a bucket is and which of its objects are wanted.
type BucketSpec struct {
	// BucketName is the name of the bucket.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +required
	BucketName string `json:"bucketName"`
	// Endpoint of the server, as host or host:port.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +required
	Endpoint string `json:"endpoint"`
	// Provider is how the controller authenticates: generic, the default, with what SecretRef names. The controller
	// does not support aws, azure and gcp yet: it does nothing for an object that asks for one of them.
	// +kubebuilder:validation:Enum=generic;aws;gcp;azure
	// +optional
	Provider string `json:"provider,omitempty"`
	// Insecure speaks plain HTTP to the endpoint.
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// Region of the bucket. Left out, it is read from the endpoint, else us-east-1.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Region string `json:"region,omitempty"`
	// Prefix is how the keys of the objects begin that count; it stays part of their paths.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Prefix string `json:"prefix,omitempty"`
	// Ignore holds patterns, in the format of .gitignore, of objects that are left out. They count instead of the bucket's
	// files named .sourceignore and of the default patterns.
	// +kubebuilder:validation:MaxLength=65536
	// +optional
	Ignore *string `json:"ignore,omitempty"`
	// SecretRef names a Secret in the same namespace with accesskey and secretkey. Requests are not signed without.
	// +optional
	SecretRef *LocalObjectReference `json:"secretRef,omitempty"`
	// CertSecretRef names a Secret in the same namespace with ca.crt, which is trusted instead of the system's
	// certificates, and with tls.crt and tls.key, which are shown to a server that asks for a certificate; one of both is
	// enough.
	// +optional
	CertSecretRef *LocalObjectReference `json:"certSecretRef,omitempty"`
	// ProxySecretRef names a Secret in the same namespace with the address of a proxy, and username and password for
	// it.
	// +optional
	ProxySecretRef *LocalObjectReference `json:"proxySecretRef,omitempty"`
	// ServiceAccountName names a ServiceAccount in the same namespace for the authentication with a cloud provider. The
	// controller does not support it yet: it does nothing for an object that sets it.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// STS names a Security Token Service. The controller does not support it yet: it does nothing for an object that
	// sets it.
	// +optional
	STS *BucketSTS `json:"sts,omitempty"`
	// Interval at which the bucket is listed, with a jitter of up to 10 %.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +kubebuilder:default="5m"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
	// Timeout of one listing with the download of what changed, 60s when left out.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// Suspend stops asking upstream; what is in the cache stays in use.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// BucketStatus is what the source controller knows about the bucket.
type BucketStatus struct {
	ReconcileRequest `json:",inline"`
	// ObservedGeneration is the last generation that was handled.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions of the source: Ready, Reconciling, Stalled, ArtifactInStorage.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Artifact is the archive of the objects in the cache; its revision is sha256: and a digest over their names and
	// ETags.
	// +optional
	Artifact *Artifact `json:"artifact,omitempty"`
}

// Bucket is a bucket of a server that speaks the S3 protocol.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=flbucket,categories=fairlead
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Endpoint",type="string",JSONPath=".spec.endpoint",priority=1
// +kubebuilder:printcolumn:name="Bucket",type="string",JSONPath=".spec.bucketName",priority=1
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message",priority=1
type Bucket struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec BucketSpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status BucketStatus `json:"status,omitempty"`
}

// Address is the endpoint and the name of the bucket as one URL.
func (in *Bucket) Address() string {
	scheme := "https"
	if in.Spec.Insecure {
		scheme = "http"
	}
	return scheme + "://" + in.Spec.Endpoint + "/" + in.Spec.BucketName
}

// BucketList is a list of Bucket.
// +kubebuilder:object:root=true
type BucketList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Bucket `json:"items"`
}
