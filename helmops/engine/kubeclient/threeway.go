package kubeclient

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// mergePatch is a patch and what kind of patch it is.
type mergePatch struct {
	kind types.PatchType
	body []byte
}

// empty reports whether the patch changes nothing.
func (p mergePatch) empty() bool { return len(p.body) == 0 || string(p.body) == "{}" }

// errNoComparison replaces errors that quote the objects, which may hold secrets.
var errNoComparison = errors.New("the manifest does not fit its kind; " +
	"an item of a list may lack the field by which items are matched")

// threeWay returns the patch that removes from a live object what the former manifest had and the new one has not, and
// sets what the new one has and the live object has not. Lists of kinds that Kubernetes itself defines are merged item
// by item where the kind says so; those of other kinds are replaced. No argument is changed.
func threeWay(kind schema.GroupVersionKind, former, wanted, live map[string]any) (mergePatch, error) {
	documents := make([][]byte, 0, 3)
	for _, object := range []map[string]any{former, wanted, live} {
		document, err := json.Marshal(object)
		if err != nil {
			return mergePatch{}, err
		}

		documents = append(documents, document)
	}

	typed, err := scheme.Scheme.New(kind)
	if err != nil { // a kind of a CustomResourceDefinition or of an aggregated API
		body, err := jsonmergepatch.CreateThreeWayJSONMergePatch(documents[0], documents[1], documents[2])
		if err != nil {
			return mergePatch{}, errNoComparison
		}

		return mergePatch{kind: types.MergePatchType, body: body}, nil
	}

	fields, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return mergePatch{}, err
	}

	body, err := strategicpatch.CreateThreeWayMergePatch(documents[0], documents[1], documents[2], fields, true)
	if err != nil {
		return mergePatch{}, errNoComparison
	}

	return mergePatch{kind: types.StrategicMergePatchType, body: body}, nil
}

// updatesPatch is the JSON patch that makes the fields that Helm clients have applied fields that "helm" has updated,
// nil when they have applied none. It fails with a conflict when the object has changed since it was read.
func updatesPatch(live *unstructured.Unstructured) ([]byte, error) {
	if !slices.ContainsFunc(live.GetManagedFields(), isApplied) {
		return nil, nil
	}

	others := []metav1.ManagedFieldsEntry{}
	updated := map[string]metav1.ManagedFieldsEntry{} // by the version of the API
	for _, entry := range live.GetManagedFields() {
		if !isApplied(entry) && !isUpdatedByHelm(entry) {
			others = append(others, entry)
			continue
		}

		entry.Manager = FieldManager
		entry.Operation = metav1.ManagedFieldsOperationUpdate
		if had, ok := updated[entry.APIVersion]; ok {
			var err error
			if entry, err = joinedFields(had, entry); err != nil {
				return nil, err
			}
		}

		updated[entry.APIVersion] = entry
	}

	for _, version := range slices.Sorted(maps.Keys(updated)) {
		others = append(others, updated[version])
	}

	return json.Marshal([]struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}{
		{Op: "replace", Path: "/metadata/managedFields", Value: others},
		{Op: "replace", Path: "/metadata/resourceVersion", Value: live.GetResourceVersion()},
	})
}

// isApplied reports whether an entry is of a Helm client that applied the object.
func isApplied(entry metav1.ManagedFieldsEntry) bool {
	return entry.Subresource == "" && formerManagers.Has(entry.Manager) &&
		entry.Operation == metav1.ManagedFieldsOperationApply
}

func isUpdatedByHelm(entry metav1.ManagedFieldsEntry) bool {
	return entry.Subresource == "" && entry.Manager == FieldManager &&
		entry.Operation == metav1.ManagedFieldsOperationUpdate
}

// joinedFields returns an entry with the fields of both, and the later of their times.
func joinedFields(a, b metav1.ManagedFieldsEntry) (metav1.ManagedFieldsEntry, error) {
	all := fieldpath.NewSet()
	for _, entry := range []metav1.ManagedFieldsEntry{a, b} {
		if entry.FieldsV1 == nil {
			continue
		}

		set := fieldpath.NewSet()
		if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			return a, errors.New("reading its managedFields: they are no set of fields")
		}

		all = all.Union(set)
	}

	text, err := all.ToJSON()
	if err != nil {
		return a, err
	}

	b.FieldsV1 = &metav1.FieldsV1{}
	b.FieldsV1.SetRawBytes(text)
	if b.Time = cmp.Or(b.Time, a.Time); a.Time != nil && b.Time.Before(a.Time) {
		b.Time = a.Time
	}

	return b, nil
}
