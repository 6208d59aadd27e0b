package ssa

import (
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// unconvertible are the parts of what the API server says when it cannot bring an object into the version of an
// entry of metadata.managedFields.
var unconvertible = []string{
	"failed to convert merged object", "failed to convert pruned object",
	"failed to convert old object", "failed to convert new object",
}

// IsUnconvertible reports whether an object cannot be applied because a manager owns fields of it in another version of
// its kind, one that cannot express the object: it lacks a field that the version which is applied sets, or has a
// default for. Nothing is wrong with the object.
func IsUnconvertible(err error) bool {
	if err == nil {
		return false
	}

	text := err.Error()
	for _, part := range unconvertible {
		if strings.Contains(text, part) {
			return true
		}
	}

	return false
}

// RestatePatch is the JSON patch that has all who own fields of an object own them in its own version. What that
// version does not have, the API server drops from their entries. It is nil when there is nothing to change; it
// fails with a conflict when the object has changed.
func RestatePatch(live *unstructured.Unstructured) ([]byte, error) {
	version := live.GroupVersionKind().GroupVersion()
	entries := live.GetManagedFields()
	changed := false
	for at := range entries {
		of, err := schema.ParseGroupVersion(entries[at].APIVersion)
		if err != nil || of == version {
			continue
		}

		entries[at].APIVersion, changed = version.String(), true
	}

	if !changed {
		return nil, nil
	}

	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	return json.Marshal([]operation{
		{Op: "replace", Path: "/metadata/managedFields", Value: entries},
		{Op: "replace", Path: "/metadata/resourceVersion", Value: live.GetResourceVersion()},
	})
}
