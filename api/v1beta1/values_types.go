package v1beta1

import "cmp"

// ValuesReference names a ConfigMap or Secret in the namespace of the object, or files of a source, that hold values.
// +kubebuilder:validation:XValidation:rule="(self.kind in ['Secret', 'ConfigMap']) != has(self.path)",message="path goes with the kinds GitRepository, OCIRepository and Bucket, which need it"
// +kubebuilder:validation:XValidation:rule="!has(self.__namespace__) || has(self.path)",message="namespace goes with the kinds GitRepository, OCIRepository and Bucket; a ConfigMap or Secret is in the namespace of the object"
// +kubebuilder:validation:XValidation:rule="!has(self.path) || !has(self.valuesKey) && !has(self.targetPath) && (!has(self.literal) || !self.literal)",message="valuesKey, targetPath and literal go with the kinds Secret and ConfigMap; the files of a source are YAML documents"
type ValuesReference struct {
	// Kind of the referent.
	// +kubebuilder:validation:Enum=Secret;ConfigMap;GitRepository;OCIRepository;Bucket
	// +required
	Kind string `json:"kind"`
	// Name of the referent.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Namespace of a source, the namespace of the object when left out. A ConfigMap or Secret is always in the namespace
	// of the object.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Path of a YAML file in the artifact of a source, or a pattern with *, ? and [a-z], none of which matches a slash.
	// The files that match are merged in lexical order, up to 50.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Path string `json:"path,omitempty"`
	// ValuesKey is the key of a ConfigMap or Secret that holds a YAML document, values.yaml when left out.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[\-._a-zA-Z0-9]+$`
	// +optional
	ValuesKey string `json:"valuesKey,omitempty"`
	// TargetPath puts the content of the key, as one value, at this path, in the syntax of the helm command's --set. It
	// wins over the values that come before it in the list, and over spec.values.
	// +kubebuilder:validation:MaxLength=250
	// +kubebuilder:validation:Pattern=`^([a-zA-Z0-9_\-.\\\/]|\[[0-9]{1,5}\])+$`
	// +optional
	TargetPath string `json:"targetPath,omitempty"`
	// Literal takes the content for TargetPath as it is, like the helm command's --set-literal.
	// +optional
	Literal bool `json:"literal,omitempty"`
	// Optional leaves these values out while the object does not exist, or while no file of a source matches Path. A
	// missing key, broken YAML and a source that is not ready are errors all the same.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// GetValuesKey returns the key to read, with its default; empty for a source.
func (r ValuesReference) GetValuesKey() string {
	if r.IsSource() {
		return ""
	}
	return cmp.Or(r.ValuesKey, "values.yaml")
}

// IsSource reports whether the values are in files of a source.
func (r ValuesReference) IsSource() bool {
	switch r.Kind {
	case GitRepositoryKind, OCIRepositoryKind, BucketKind:
		return true
	default:
		return false
	}
}
