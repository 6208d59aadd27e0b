package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/refusal"
)

// Helm's marks on the objects of releases.
const (
	managedByLabel    = "app.kubernetes.io/managed-by"
	releaseAnnotation = "meta.helm.sh/release-name"
	releaseNamespace  = "meta.helm.sh/release-namespace"
)

// validate finds out what is wrong with any object before one is written: by a trial in the API server, or, where that cannot be
// because the namespace or the kind comes with the set, by what is known here.
func (r *run) validate(ctx context.Context) error {
	namespaces := sets.New[string]()
	for _, i := range r.items {
		if i.GroupVersionKind().GroupKind() == namespaceKind {
			namespaces.Insert(i.GetName())
		}
	}
	rejected := &refusal.RejectedError{Of: len(r.items)}
	failed := make([]error, 0, len(r.open))
	err := r.each(ctx, r.open, func(ctx context.Context, i *item) error {
		err := r.check(ctx, i, namespaces)
		var refused *refusal.Error
		if errors.As(err, &refused) && refused.Decided() {
			r.mu.Lock()
			defer r.mu.Unlock()
			rejected.Final = rejected.Final || refused.Final()
			rejected.Add(refused)
			return nil
		}
		return err
	})
	if failed = append(failed, err); joined(failed) != nil {
		return joined(failed)
	}
	if len(rejected.Objects) > 0 {
		return rejected
	}
	return r.foreign(ctx)
}

// check tries one object.
func (r *run) check(ctx context.Context, i *item, namespaces sets.Set[string]) error {
	if i.pending {
		return r.local(i)
	}
	err := r.try(ctx, i)
	switch {
	case err == nil:
		return r.ofHelm(i)
	case apierrors.IsNotFound(err) && i.kind.Namespaced && namespaces.Has(i.GetNamespace()):
		return r.local(i)
	case apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "does not support dry run"):
		return r.local(i)
	case isImmutable(err) && r.Force && !protected(i):
		i.anew = true
		return nil
	case isImmutable(err) && !protected(i):
		return &refusal.Error{Object: i.place(), Secret: i.isSecret(), Cause: err, Hint: "spec.force would delete the object and create it anew"}
	case isUntyped(err):
		return untyped(i, err)
	default:
		return refused(i, err)
	}
}

// isUntyped tells whether an object does not fit the schema of its kind, which the API server says in the words of a fault of its own.
func isUntyped(err error) bool {
	return strings.Contains(err.Error(), "failed to create typed patch object") || len(refusal.FaultsOf(err, nil)) > 0
}

// untyped is the refusal of an object that does not fit the schema of its kind, with the fields and their types.
func untyped(i *item, err error) error {
	if mistyped := refusal.Mistyped(i.place(), i.isSecret(), i.Object.Object, err); mistyped != nil {
		return mistyped
	}
	return invalid(i, refusal.Reworded(err, i.isSecret()).Error())
}

// protected tells whether an object is never deleted to be created anew, because what others have in it would go with it.
func protected(i *item) bool {
	switch i.GroupVersionKind().GroupKind() {
	case namespaceKind, definitionKind, claimKind:
		return true
	}
	return false
}

// ofHelm fails when an object is part of a Helm release, whose objects have one owner too. A manifest that only looks like one of Helm's,
// because it was exported from a release, is nobody else's: nobody but us has written the name of a release into it.
func (r *run) ofHelm(i *item) error {
	annotations := i.trial.GetAnnotations()
	if i.trial.GetLabels()[managedByLabel] != "Helm" || annotations[releaseAnnotation] == "" || !writtenByOthers(i.trial, releaseAnnotation) {
		return nil
	}
	return &OwnedError{Object: i.place(), Owner: fmt.Sprintf("the Helm release %s/%s", annotations[releaseNamespace], annotations[releaseAnnotation])}
}

// writtenByOthers tells whether somebody else has set an annotation.
func writtenByOthers(live *unstructured.Unstructured, annotation string) bool {
	path := fieldpath.MakePathOrDie("metadata", "annotations", annotation)
	return slices.ContainsFunc(live.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		if entry.Manager == v1beta1.KustomizationFieldManager || entry.FieldsV1 == nil {
			return false
		}
		var set fieldpath.Set
		return set.FromJSON(entry.FieldsV1.GetRawReader()) == nil && set.Has(path)
	})
}

// local checks what can be checked without the API server: names, and the fields of kinds that are known here.
func (r *run) local(i *item) error {
	for _, problem := range validation.NameIsDNSSubdomain(i.GetName(), false) {
		if i.stage != referents { // roles and the like have names of their own kind
			return invalid(i, "metadata.name: "+problem)
		}
	}
	if i.pending {
		return r.localCustom(i)
	}
	typed, err := scheme.Scheme.New(i.GroupVersionKind())
	if err != nil {
		return nil //nolint:nilerr // a kind that is not built in is checked by the API server when it is written
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(i.Object.Object, typed, true); err != nil {
		return invalid(i, withoutValues(err.Error(), i.isSecret()))
	}
	return nil
}

// localCustom checks an object against the definition that comes with it.
func (r *run) localCustom(i *item) error {
	schema := r.brought[i.GroupVersionKind().GroupKind()].versions[i.GroupVersionKind().Version]
	if problems := misfits(i.Object.Object, schema); len(problems) > 0 {
		return invalid(i, firstOf(problems))
	}
	return nil
}

// withoutValues leaves out what an error about a Secret may quote.
func withoutValues(text string, secret bool) string {
	if secret {
		return "a field of it does not fit its kind"
	}
	return refusal.Scrub(text)
}

// invalid is an object that can never be written.
func invalid(i *item, text string) error {
	status := apierrors.NewInvalid(i.GroupVersionKind().GroupKind(), i.GetName(), nil)
	status.ErrStatus.Message = text
	return &refusal.Error{Object: i.place(), Secret: i.isSecret(), Words: text, Cause: status}
}

// misfits compares an object with a structural schema: types, required fields, unknown fields, enumerations. What only the API server
// can judge, it judges when the object is written.
func misfits(object map[string]any, schema map[string]any) []string {
	if schema == nil {
		return nil
	}
	body := map[string]any{}
	for key, value := range object {
		if key != "apiVersion" && key != "kind" && key != "metadata" {
			body[key] = value
		}
	}
	root := runtime.DeepCopyJSON(schema)
	if properties, is := root["properties"].(map[string]any); is {
		for _, key := range []string{"apiVersion", "kind", "metadata"} {
			delete(properties, key)
		}
	}
	if required, is, _ := unstructured.NestedStringSlice(root, "required"); is {
		kept := make([]any, 0, len(required))
		for _, name := range required {
			if name != "apiVersion" && name != "kind" && name != "metadata" {
				kept = append(kept, name)
			}
		}
		root["required"] = kept
	}
	var found []string
	misfit("", body, root, &found)
	return found
}

func misfit(path string, value any, schema map[string]any, found *[]string) {
	if value == nil || schema["x-kubernetes-int-or-string"] == true {
		return
	}
	kind, _ := schema["type"].(string)
	if !fits(value, kind) {
		*found = append(*found, fmt.Sprintf("%s: it has to be of type %s", orRoot(path), kind))
		return
	}
	if allowed, is := schema["enum"].([]any); is && !contains(allowed, value) {
		*found = append(*found, orRoot(path)+": it is none of the values that are allowed")
	}
	switch value := value.(type) {
	case map[string]any:
		fields(path, value, schema, found)
	case []any:
		items, _ := schema["items"].(map[string]any)
		for at, item := range value {
			misfit(fmt.Sprintf("%s[%d]", path, at), item, items, found)
		}
	}
}

func fields(path string, value, schema map[string]any, found *[]string) {
	properties, _ := schema["properties"].(map[string]any)
	additional, _ := schema["additionalProperties"].(map[string]any)
	open := schema["x-kubernetes-preserve-unknown-fields"] == true || schema["additionalProperties"] == true || len(properties) == 0 && additional == nil
	for key, field := range value {
		if own, is := properties[key].(map[string]any); is {
			misfit(path+"."+key, field, own, found)
		} else if additional != nil {
			misfit(path+"."+key, field, additional, found)
		} else if !open {
			*found = append(*found, path+"."+key+": the kind has no such field")
		}
	}
	required, _, _ := unstructured.NestedStringSlice(schema, "required")
	for _, key := range required {
		if _, has := value[key]; !has {
			if own, _ := properties[key].(map[string]any); own["default"] == nil {
				*found = append(*found, path+"."+key+": it is required")
			}
		}
	}
}

func orRoot(path string) string {
	if path == "" {
		return "the object"
	}
	return path
}

func contains(allowed []any, value any) bool {
	for _, one := range allowed {
		if fmt.Sprint(one) == fmt.Sprint(value) {
			return true
		}
	}
	return false
}

// fits tells whether a value is of a type of a schema, empty for any.
func fits(value any, kind string) bool {
	if kind == "" {
		return true
	}
	switch value := value.(type) {
	case map[string]any:
		return kind == "object"
	case []any:
		return kind == "array"
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case int64:
		return kind == "integer" || kind == "number"
	case float64:
		return kind == "number" || kind == "integer" && value == float64(int64(value))
	default:
		return true
	}
}
