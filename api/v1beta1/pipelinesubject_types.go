package v1beta1

// VersionFilter bounds versions by their text. A regular expression is as in Go, and matches any part of the text.
type VersionFilter struct {
	// Include is a regular expression that a version has to match.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Include string `json:"include,omitempty"`
	// Exclude is a regular expression that a version must not match.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Exclude string `json:"exclude,omitempty"`
}
