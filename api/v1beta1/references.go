package v1beta1

// LocalObjectReference names an object of a fixed kind in the same namespace.
type LocalObjectReference struct {
	// Name of the referent.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}

// LocalSourceReference names a source in the same namespace.
type LocalSourceReference struct {
	// APIVersion of the referent, fairlead.dev/v1beta1 when left out.
	// +kubebuilder:validation:MaxLength=317
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind of the referent.
	// +kubebuilder:validation:Enum=HelmRepository;GitRepository;Bucket
	// +required
	Kind string `json:"kind"`
	// Name of the referent.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}

// SourceReference names a source, in the namespace of the object unless Namespace says otherwise.
type SourceReference struct {
	// APIVersion of the referent, fairlead.dev/v1beta1 when left out.
	// +kubebuilder:validation:MaxLength=317
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind of the referent.
	// +kubebuilder:validation:Enum=HelmRepository;GitRepository;Bucket
	// +required
	Kind string `json:"kind"`
	// Name of the referent.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Namespace of the referent, the namespace of the object when left out.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// ChartSourceReference names an object that stands for one chart revision.
type ChartSourceReference struct {
	// APIVersion of the referent, fairlead.dev/v1beta1 when left out.
	// +kubebuilder:validation:MaxLength=317
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind of the referent.
	// +kubebuilder:validation:Enum=OCIRepository;HelmChart;ExternalArtifact
	// +required
	Kind string `json:"kind"`
	// Name of the referent.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Namespace of the referent, the namespace of the object when left out.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// DependencyReference names an object that has to be ready first.
type DependencyReference struct {
	// APIVersion of the referent, fairlead.dev/v1beta1 when left out.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind of the referent, that of the object when left out.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Kind string `json:"kind,omitempty"`
	// Name of the referent.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Namespace of the referent, the namespace of the object when left out.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// ReadyExpr is a CEL expression that reports whether the referent is ready, instead of its own status. It knows the
	// referent as dep and the object as self.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	ReadyExpr string `json:"readyExpr,omitempty"`
}

// KubeConfigReference names, in the namespace of the object, what the controller reaches another cluster with.
// +kubebuilder:validation:XValidation:rule="has(self.configMapRef) != has(self.secretRef)",message="exactly one of secretRef and configMapRef must be set"
type KubeConfigReference struct {
	// SecretRef names a Secret that holds a kubeconfig.
	// +optional
	SecretRef *SecretKeyReference `json:"secretRef,omitempty"`
	// ConfigMapRef names a ConfigMap with the address of the cluster, and the ServiceAccount whose tokens are sent to
	// it, under the keys provider, address, ca.crt, audiences and serviceAccountName. The provider has to be generic;
	// an object with another one is Stalled.
	// +optional
	ConfigMapRef *LocalObjectReference `json:"configMapRef,omitempty"`
}

// Describe names the Secret or the ConfigMap in the namespace of the object, as messages do.
func (r *KubeConfigReference) Describe(namespace string) string {
	if r != nil && r.ConfigMapRef != nil {
		return "ConfigMap " + namespace + "/" + r.ConfigMapRef.Name
	}
	return "Secret " + namespace + "/" + r.GetSecret().Name
}

// Same reports whether two references in one namespace name the same thing.
func (r *KubeConfigReference) Same(other *KubeConfigReference) bool {
	if r == nil || other == nil {
		return r == other
	}
	return r.GetSecret() == other.GetSecret() && r.GetConfigMap() == other.GetConfigMap()
}

// GetConfigMap returns the name of the ConfigMap, empty when there is none.
func (r *KubeConfigReference) GetConfigMap() string {
	if r == nil || r.ConfigMapRef == nil {
		return ""
	}
	return r.ConfigMapRef.Name
}

// GetSecret returns the reference to the Secret, the zero value when there is none.
func (r *KubeConfigReference) GetSecret() SecretKeyReference {
	if r == nil || r.SecretRef == nil {
		return SecretKeyReference{}
	}
	return *r.SecretRef
}

// SecretKeyReference names a key of a Secret in the namespace of the object.
type SecretKeyReference struct {
	// Name of the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Key of the Secret. Left out, it is value, or value.yaml when there is no such key.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[\-._a-zA-Z0-9]+$`
	// +optional
	Key string `json:"key,omitempty"`
}
