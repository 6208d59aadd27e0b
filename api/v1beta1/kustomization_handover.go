package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ReleasedObjects are objects that the source of a Kustomization no longer has and that are not deleted yet, because
// another Kustomization may have them at the same revision. It may take them over.
type ReleasedObjects struct {
	// Revision of the source that no longer has the objects.
	// +kubebuilder:validation:MaxLength=32768
	Revision string `json:"revision"`
	// Objects that were released.
	// +kubebuilder:validation:MaxItems=20000
	// +listType=atomic
	Objects []ReleasedObject `json:"objects"`
	// WaitsFor names the first few Kustomizations that have not applied the revision yet.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=atomic
	// +optional
	WaitsFor []string `json:"waitsFor,omitempty"`
}

// ReleasedObject is an object that another Kustomization may take over.
type ReleasedObject struct {
	// ID of the object in the inventory.
	// +kubebuilder:validation:MaxLength=4096
	ID string `json:"id"`
	// Since is when it was released. It is deleted spec.timeout later at the latest.
	Since metav1.Time `json:"since"`
}

// Has reports whether an object was released at a revision.
func (r *ReleasedObjects) Has(id, revision string) bool {
	return r != nil && r.Revision == revision && r.object(id) != nil
}

// Since is when an object was released; nil when it was not.
func (r *ReleasedObjects) Since(id string) *metav1.Time {
	if found := r.object(id); found != nil {
		return &found.Since
	}
	return nil
}

func (r *ReleasedObjects) object(id string) *ReleasedObject {
	if r == nil {
		return nil
	}
	for i := range r.Objects {
		if r.Objects[i].ID == id {
			return &r.Objects[i]
		}
	}
	return nil
}
