package v1beta1

// StageCheck is a CEL expression that has to hold for a candidate.
type StageCheck struct {
	// Name of the check.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
	// +required
	Name string `json:"name"`
	// Expr is a CEL expression that gives a bool. It knows candidate, current (null when the stage has nothing), stage,
	// upstream and releases (the HelmReleases of the stages before, and of this one), and now. While it is false, the
	// candidate waits.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +required
	Expr string `json:"expr"`
	// Message says what it means that the expression is false.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Message string `json:"message,omitempty"`
	// OnError is Wait, the default, or Fail: what follows when the expression has no answer.
	// +kubebuilder:validation:Enum=Wait;Fail
	// +optional
	OnError string `json:"onError,omitempty"`
}

// OnErrorFail has a candidate fail when a check has no answer.
const OnErrorFail = "Fail"
