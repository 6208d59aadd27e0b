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
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind of the referent.
	// +kubebuilder:validation:Enum=HelmRepository;GitRepository
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
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind of the referent.
	// +kubebuilder:validation:Enum=HelmRepository;GitRepository
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
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind of the referent.
	// +kubebuilder:validation:Enum=OCIRepository;HelmChart
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

// DependencyReference names an object that has to be Ready first.
type DependencyReference struct {
	// Name of the HelmRelease.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Namespace of the HelmRelease, the namespace of the object when left out.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// ValuesReference names a ConfigMap or Secret, in the namespace of the object, that holds values.
type ValuesReference struct {
	// Kind of the referent.
	// +kubebuilder:validation:Enum=Secret;ConfigMap
	// +required
	Kind string `json:"kind"`
	// Name of the referent.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// ValuesKey is the key that holds a YAML document, values.yaml when left out.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[\-._a-zA-Z0-9]+$`
	// +optional
	ValuesKey string `json:"valuesKey,omitempty"`
	// Optional lets the release go on without these values while the object does not exist. A missing key or broken
	// YAML is an error all the same.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// GetValuesKey returns the key to read, with its default.
func (r ValuesReference) GetValuesKey() string {
	if r.ValuesKey == "" {
		return "values.yaml"
	}
	return r.ValuesKey
}
