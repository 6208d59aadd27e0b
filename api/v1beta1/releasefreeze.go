package v1beta1

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Covers reports whether a freeze is about an object, by its namespace and its labels. A selector that cannot be read
// covers everything in the namespaces: a freeze that is too wide does less harm than none.
func (in *ReleaseFreeze) Covers(object metav1.Object) bool {
	if len(in.Spec.Namespaces) > 0 && !slices.Contains(in.Spec.Namespaces, object.GetNamespace()) {
		return false
	}
	if in.Spec.Selector == nil {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(in.Spec.Selector)
	return err != nil || selector.Matches(labels.Set(object.GetLabels()))
}
