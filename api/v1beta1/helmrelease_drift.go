package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Modes of spec.driftDetection.
const (
	// DriftEnabled corrects drift at once.
	DriftEnabled = "enabled"
	// DriftWarn reports drift and leaves it.
	DriftWarn = "warn"
	// DriftDisabled does not look for drift.
	DriftDisabled = "disabled"
)

// DriftIgnoreAnnotation on an object of a release, with the value "ignore", leaves the object out of drift detection.
const DriftIgnoreAnnotation = "fairlead.dev/drift"

// HealthIgnoreAnnotation on an object of a release, with the value "ignore", leaves the object out of the health of the
// release once it has been rolled out.
const HealthIgnoreAnnotation = "fairlead.dev/health"

// Ignored is the value of DriftIgnoreAnnotation and HealthIgnoreAnnotation.
const Ignored = "ignore"

// DriftDetection says what happens to objects that another client has changed.
type DriftDetection struct {
	// Mode is enabled, which corrects drift as it is seen, warn, which reports it only, or disabled. It is enabled when
	// left out.
	// +kubebuilder:validation:Enum=enabled;warn;disabled
	// +optional
	Mode string `json:"mode,omitempty"`
	// Ignore lists what may differ.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Ignore []DriftIgnoreRule `json:"ignore,omitempty"`
}

// DriftIgnoreRule names fields that may differ.
// +kubebuilder:validation:XValidation:rule="has(self.paths) || has(self.managers)",message="a rule needs paths or managers"
type DriftIgnoreRule struct {
	// Paths of fields, as JSON pointers (RFC 6901); an empty one is the whole object.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=atomic
	// +optional
	Paths []string `json:"paths,omitempty"`
	// Managers are names of field managers whose changes are left as they are, whatever the field.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=1024
	// +listType=atomic
	// +optional
	Managers []string `json:"managers,omitempty"`
	// Target selects the objects; all when left out.
	// +optional
	Target *Selector `json:"target,omitempty"`
}

// GetDriftMode is the mode of drift detection.
func (in *HelmRelease) GetDriftMode() string {
	if in.Spec.DriftDetection == nil || in.Spec.DriftDetection.Mode == "" {
		return DriftEnabled
	}
	return in.Spec.DriftDetection.Mode
}

// GetDriftIgnore returns the rules about what may differ.
func (in *HelmRelease) GetDriftIgnore() []DriftIgnoreRule {
	if in.Spec.DriftDetection == nil {
		return nil
	}
	return in.Spec.DriftDetection.Ignore
}

// Kinds of difference between an object and the manifest of its release.
const (
	// DriftChanged: a field of the release has another value.
	DriftChanged = "changed"
	// DriftRemoved: a field of the release is gone.
	DriftRemoved = "removed"
	// DriftAdded: a field that the release does not have was added. It is reported and never corrected.
	DriftAdded = "added"
	// DriftMissing: the object as a whole is gone.
	DriftMissing = "missing"
)

// ObjectDrift is how one object differs from the manifest of its release.
type ObjectDrift struct {
	// Kind of the object.
	// +kubebuilder:validation:MaxLength=253
	// +required
	Kind string `json:"kind"`
	// Group of its API.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Group string `json:"group,omitempty"`
	// Namespace of the object, empty when its kind has none.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Name of the object.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Name string `json:"name"`
	// Missing is set when the object is gone.
	// +optional
	Missing bool `json:"missing,omitempty"`
	// Fields that differ, at most 10. Values are never kept.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	Fields []FieldDrift `json:"fields,omitempty"`
	// More is how many further fields differ.
	// +optional
	More int32 `json:"more,omitempty"`
	// Note says why the difference is left as it is; empty when it is corrected, or only reported by the mode.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	Note string `json:"note,omitempty"`
}

// FieldDrift is one field that differs.
type FieldDrift struct {
	// Path of the field, as kubectl prints it: .spec.template.spec.containers[name="web"].image.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Path string `json:"path"`
	// Change is what was done to it: changed, removed or added.
	// +kubebuilder:validation:Enum=changed;removed;added
	// +required
	Change string `json:"change"`
	// Manager that owns the field now, empty when none does.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Manager string `json:"manager,omitempty"`
	// Since is when that manager last wrote the object.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
}
