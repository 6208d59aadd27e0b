package tracker

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Scope is which objects of a cluster a tracker follows, and whose they are.
type Scope struct {
	// label and value select the objects; an empty value stands for any.
	label, value string
	// manager applies them. legacy managers wrote them before they were applied: their fields have to be taken over, or
	// what is dropped stays.
	manager string
	legacy  []string
	// owner returns what the metadata of an object says of whose it is.
	owner func(labels, annotations map[string]string) (namespace, name string)
}

// Helm follows what Helm manages; the owner of an object is its Helm release.
func Helm() Scope {
	return Scope{
		label: managedByLabel, value: managedByHelm, manager: fieldManager, legacy: legacyManagers,
		owner: func(_, annotations map[string]string) (namespace, name string) {
			return annotations[releaseNamespaceAnnotation], annotations[releaseAnnotation]
		},
	}
}

// Kustomizations follows what Kustomizations apply; the owner of an object is its Kustomization.
func Kustomizations() Scope {
	return Scope{
		label: v1beta1.KustomizationNameLabel, manager: v1beta1.KustomizationFieldManager,
		owner: func(labels, _ map[string]string) (namespace, name string) {
			return labels[v1beta1.KustomizationNamespaceLabel], labels[v1beta1.KustomizationNameLabel]
		},
	}
}

func (s Scope) selector() string {
	if s.value == "" {
		return s.label
	}
	return s.label + "=" + s.value
}

// selects reports whether an object with these labels is followed.
func (s Scope) selects(labels map[string]string) bool {
	value, is := labels[s.label]
	return is && (s.value == "" || value == s.value)
}

// Reduce returns what is kept of an object. It is pure; Applied and Payload stay zero.
func (s Scope) Reduce(object *unstructured.Unstructured) Entry { return s.reduce(object) }

// OwnershipText is a digest of owned fields as an inventory has it.
func OwnershipText(ownership uint64) string { return fmt.Sprintf("%016x", ownership) }
