package kubeclient

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestFieldsPatchMergesTheEntriesOfFormerManagers(t *testing.T) {
	entry := func(manager string, op metav1.ManagedFieldsOperationType, field,
		subresource string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{
			Manager: manager, Operation: op, APIVersion: "v1", FieldsType: "FieldsV1", Subresource: subresource,
			FieldsV1: metav1.NewFieldsV1(`{"f:data":{"f:` + field + `":{}}}`),
		}
	}
	const update, apply = metav1.ManagedFieldsOperationUpdate, metav1.ManagedFieldsOperationApply
	meant := entry("helm", apply, "meant", "")
	tests := []struct {
		name    string
		entries []metav1.ManagedFieldsEntry
		meant   *metav1.ManagedFieldsEntry
		// managers that are left, with their operation, and what ours owns.
		managers []string
		ours     string
	}{
		{name: "somebody else's and the status stay",
			entries: []metav1.ManagedFieldsEntry{
				entry("helm", update, "a", ""), entry("kubectl", update, "b", ""), entry("helm", update, "c", "status"),
			},
			managers: []string{"helm Apply", "kubectl Update", "helm Update"}, ours: `{"f:data":{"f:a":{}}}`},
		{name: "what admission added is not taken",
			entries: []metav1.ManagedFieldsEntry{entry("helm", update, "defaulted", "")}, meant: &meant,
			managers: []string{"helm Apply"}, ours: `{"f:data":{"f:meant":{}}}`},
		{name: "what Flux applied is taken as a whole",
			entries:  []metav1.ManagedFieldsEntry{entry("helm-controller", apply, "a", ""), entry("helm", apply, "old", "")},
			meant:    &meant,
			managers: []string{"helm Apply"}, ours: `{"f:data":{"f:a":{},"f:meant":{}}}`},
		{name: "the helm command installed it", entries: []metav1.ManagedFieldsEntry{entry("helm", update, "a", "")},
			managers: []string{"helm Apply"}, ours: `{"f:data":{"f:a":{}}}`},
		{name: "the helm command upgraded what we applied",
			entries:  []metav1.ManagedFieldsEntry{entry("helm", apply, "a", ""), entry("helm", update, "b", "")},
			managers: []string{"helm Apply"}, ours: `{"f:data":{"f:a":{},"f:b":{}}}`},
		{name: "Flux applied it",
			entries:  []metav1.ManagedFieldsEntry{entry("helm-controller", apply, "a", ""), entry("kubectl", update, "b", "")},
			managers: []string{"helm Apply", "kubectl Update"}, ours: `{"f:data":{"f:a":{}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			live := &unstructured.Unstructured{Object: map[string]any{}}
			live.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"})
			live.SetResourceVersion("7")
			live.SetManagedFields(tt.entries)
			patch, err := fieldsPatch(live, tt.meant)
			if err != nil {
				t.Fatal(err)
			}
			var operations []struct {
				Path  string
				Value json.RawMessage
			}
			if err := json.Unmarshal(patch, &operations); err != nil || len(operations) != 2 ||
				string(operations[1].Value) != `"7"` {
				t.Fatalf("patch %s: %v", patch, err)
			}
			var fields []metav1.ManagedFieldsEntry
			if err := json.Unmarshal(operations[0].Value, &fields); err != nil {
				t.Fatal(err)
			}
			var managers []string
			for _, f := range fields {
				managers = append(managers, f.Manager+" "+string(f.Operation))
				if f.Manager == FieldManager && f.Subresource == "" && f.FieldsV1.GetRawString() != tt.ours {
					t.Errorf("ours owns %s, want %s", f.FieldsV1.GetRawString(), tt.ours)
				}
			}
			if diff := cmp.Diff(tt.managers, managers); diff != "" {
				t.Errorf("managers (-want +got):\n%s", diff)
			}
		})
	}
}
