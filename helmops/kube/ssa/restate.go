package ssa

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

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
