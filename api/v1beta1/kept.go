package v1beta1

// KeptObject is an object that its owner no longer wants and that was not deleted: because data would be lost with it,
// or because no user has confirmed it yet.
type KeptObject struct {
	// Group of its API.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Group string `json:"group,omitempty"`
	// Kind of the object.
	// +kubebuilder:validation:MaxLength=63
	// +required
	Kind string `json:"kind"`
	// Namespace of the object, empty when it has none.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Name of the object.
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Reason says why it was kept.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Reason string `json:"reason,omitempty"`
}

// String names the object for people.
func (in KeptObject) String() string {
	if in.Namespace == "" {
		return in.Kind + " " + in.Name
	}
	return in.Kind + " " + in.Namespace + "/" + in.Name
}

// SameObject reports whether both are the same object.
func (in KeptObject) SameObject(other KeptObject) bool {
	return in.Group == other.Group && in.Kind == other.Kind && in.Namespace == other.Namespace && in.Name == other.Name
}

// UnconfirmedPrune are objects that the source of a Kustomization no longer has, and that the controller does not delete
// before a user confirms it.
type UnconfirmedPrune struct {
	// Digest identifies the objects by their names. An Approval with this digest confirms that they are deleted.
	// +kubebuilder:validation:MaxLength=71
	// +required
	Digest string `json:"digest"`
	// Count is how many objects there are.
	// +required
	Count int32 `json:"count"`
	// Objects, at most 32 of them.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Objects []KeptObject `json:"objects,omitempty"`
}
