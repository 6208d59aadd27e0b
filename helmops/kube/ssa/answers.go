package ssa

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Expires reports whether an object is a Job that the cluster deletes some time after it has ended.
func Expires(object *unstructured.Unstructured) bool {
	if object.GroupVersionKind().GroupKind() != (schema.GroupKind{Group: "batch", Kind: "Job"}) {
		return false
	}
	ttl, ok, err := unstructured.NestedFieldNoCopy(object.Object, "spec", "ttlSecondsAfterFinished")
	return ok && err == nil && ttl != nil
}

// Join is the error of the only object that failed, or one that names the first few and unwraps to all; nil when none
// failed.
func Join(failures []error) error {
	var failed []error
	for _, err := range failures {
		if err != nil {
			failed = append(failed, err)
		}
	}

	switch len(failed) {
	case 0:
		return nil
	case 1:
		return failed[0]
	}

	texts := make([]string, 0, maxNamed+1)
	for _, err := range failed[:min(len(failed), maxNamed)] {
		texts = append(texts, err.Error())
	}
	if len(failed) > maxNamed {
		texts = append(texts, fmt.Sprintf("and %d more", len(failed)-maxNamed))
	}

	return &joinedError{text: strings.Join(texts, "; "), all: failed}
}

// joinedError is several failures.
type joinedError struct {
	text string
	all  []error
}

// Error implements error.
func (e *joinedError) Error() string { return e.text }

// Unwrap returns all failures, also those that the text does not name.
func (e *joinedError) Unwrap() []error { return e.all }
