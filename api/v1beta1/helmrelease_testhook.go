package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TestHook is one test of a chart.
type TestHook struct {
	// LastStarted is when the test last started.
	// +optional
	LastStarted *metav1.Time `json:"lastStarted,omitempty"`
	// LastCompleted is when the test last ended.
	// +optional
	LastCompleted *metav1.Time `json:"lastCompleted,omitempty"`
	// Phase of the last run, in Helm's words: Succeeded, Failed, Running, Unknown.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Phase string `json:"phase,omitempty"`
}
