package v1beta1

// Values of spec.postBuild.substituteStrategy.
const (
	// SubstituteWithVariables leaves objects as they are when there is no variable at all.
	SubstituteWithVariables = "WithVariables"
	// SubstituteAlways puts defaults and empty texts in place even then.
	SubstituteAlways = "Always"
)

// SubstituteAnnotation on an object, as annotation or label, with the value "disabled", keeps variables of the object
// as they are.
const SubstituteAnnotation = "fairlead.dev/substitute"

// PostBuild substitutes variables, written ${name}, in what was built.
type PostBuild struct {
	// Substitute are variables and their values. They win over SubstituteFrom.
	// +kubebuilder:validation:MaxProperties=256
	// +optional
	Substitute map[string]string `json:"substitute,omitempty"`
	// SubstituteFrom names ConfigMaps and Secrets whose keys are variables; later ones win.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	SubstituteFrom []SubstituteReference `json:"substituteFrom,omitempty"`
	// SubstituteStrategy is WithVariables, the default, which leaves everything as it is when there is no variable at all,
	// or Always.
	// +kubebuilder:validation:Enum=WithVariables;Always
	// +optional
	SubstituteStrategy string `json:"substituteStrategy,omitempty"`
}

// SubstituteReference names a ConfigMap or Secret in the namespace of the object.
type SubstituteReference struct {
	// Kind of the referent.
	// +kubebuilder:validation:Enum=Secret;ConfigMap
	// +required
	Kind string `json:"kind"`
	// Name of the referent.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Optional leaves the variables out while the object does not exist.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// Decryption says how encrypted files are decrypted.
type Decryption struct {
	// Provider of the encryption.
	// +kubebuilder:validation:Enum=sops
	// +required
	Provider string `json:"provider"`
	// SecretRef names a Secret in the same namespace with private keys: age identities in keys that end in .agekey,
	// armored PGP keys in keys that end in .asc.
	// +optional
	SecretRef *LocalObjectReference `json:"secretRef,omitempty"`
	// ServiceAccountName names a ServiceAccount in the same namespace for the authentication with the key service of a
	// cloud provider. The controller does not support it yet: it does nothing for an object that sets it.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
}
