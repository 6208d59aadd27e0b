package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/ssa"
)

// Helm's marks on the objects of releases.
const (
	managedByLabel    = "app.kubernetes.io/managed-by"
	releaseAnnotation = "meta.helm.sh/release-name"
	releaseNamespace  = "meta.helm.sh/release-namespace"
)

// validate finds out what is wrong with any object before one is written: by a trial in the API server, or, where that
// cannot be because the namespace or the kind comes with the set, by what is known here.
func (r *run) validate(ctx context.Context) error {
	namespaces := sets.New[string]()
	for _, i := range r.items {
		if i.GroupVersionKind().GroupKind() == namespaceKind {
			namespaces.Insert(i.GetName())
		}
	}

	settled, shaped := r.byShape()
	if err := r.checkAll(ctx, settled, namespaces, r.check); err != nil {
		return err
	}
	if err := r.checkAll(ctx, shaped, namespaces, r.checkShaped); err != nil {
		return err
	}

	if r.Repair {
		return nil
	}

	return r.foreign(ctx)
}

// check is how one object is tried. namespaces are those of the set.
type check func(ctx context.Context, i *item, namespaces sets.Set[string]) error

// checkAll tries objects. The error names all that are refused.
func (r *run) checkAll(ctx context.Context, items []*item, namespaces sets.Set[string], try check) error {
	rejected := &ssa.InvalidObjectsError{Of: len(r.items)}
	err := r.each(ctx, items, func(ctx context.Context, i *item) error {
		err := try(ctx, i, namespaces)
		var refused *ssa.ObjectError
		if errors.As(err, &refused) && refused.Decided() {
			r.mu.Lock()
			defer r.mu.Unlock()
			rejected.Final = rejected.Final || refused.Final()
			rejected.Add(refused)
			return nil
		}

		return err
	})
	switch {
	case err != nil:
		return err
	case len(rejected.Objects) > 0:
		return rejected
	}

	return nil
}

// check tries one object.
func (r *run) check(ctx context.Context, i *item, namespaces sets.Set[string]) error {
	if i.pending {
		return r.localCustom(ctx, i)
	}
	if i.shape == nil {
		return r.tried(i, r.try(ctx, i), namespaces)
	}

	var err error
	i.trial, err = r.patch(ctx, i, i.body, true)
	if known, shapeErr := r.reshaped(ctx, i, err); known || shapeErr != nil {
		return shapeErr
	}

	return r.tried(i, err, namespaces)
}

// tried says what the answer to the trial of an object means.
func (r *run) tried(i *item, err error, namespaces sets.Set[string]) error {
	switch {
	case err == nil:
		return r.ofHelm(i)
	case apierrors.IsNotFound(err) && i.kind.Namespaced && namespaces.Has(i.GetNamespace()):
		return r.local(i)
	case ssa.IsDryRunUnsupported(err):
		return r.local(i)
	case ssa.IsImmutable(err) && r.recreates(i):
		i.recreate = true
		return nil
	case ssa.IsImmutable(err) && !protected(i):
		return &ssa.ObjectError{
			Object: i.place(), Secret: i.isSecret(), Cause: err, Hint: "spec.force, or " + v1beta1.ForceAnnotation + ": " +
				v1beta1.Enabled + " on the object, would delete the object and recreate it",
		}
	case ssa.IsMismatched(err):
		return untyped(i, err)
	default:
		return refused(i, err)
	}
}

// untyped is the refusal of an object that does not fit the schema of its kind, with the fields and their types.
func untyped(i *item, err error) error {
	if mistyped := ssa.Mistyped(i.place(), i.isSecret(), i.Object.Object, err); mistyped != nil {
		return mistyped
	}
	return invalid(i, ssa.Reworded(err, i.isSecret()).Error())
}

// recreates reports whether an object is deleted and created again where a field cannot be changed.
func (r *run) recreates(i *item) bool { return v1beta1.Forces(i) || r.Force && !protected(i) }

// protected reports whether an object is not recreated unless it says so itself, because what others have in it would go
// with it.
func protected(i *item) bool {
	switch i.GroupVersionKind().GroupKind() {
	case namespaceKind, definitionKind, claimKind:
		return true
	}
	return false
}

// ofHelm fails when an object is part of a Helm release, whose objects have one owner too. A manifest that only looks
// like one of Helm's, because it was exported from a release, has no other owner: only we have written the name of a
// release into it.
func (r *run) ofHelm(i *item) error {
	annotations := i.trial.GetAnnotations()
	if i.trial.GetLabels()[managedByLabel] != "Helm" || annotations[releaseAnnotation] == "" ||
		!writtenByOthers(i.trial, releaseAnnotation) {
		return nil
	}
	return &OwnedError{
		Object: i.place(),
		Owner:  fmt.Sprintf("the Helm release %s/%s", annotations[releaseNamespace], annotations[releaseAnnotation]),
	}
}

// writtenByOthers reports whether another client has set an annotation.
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

// localCustom checks an object of a kind, or of a version, that comes with the set.
func (r *run) localCustom(ctx context.Context, i *item) error {
	if err := properName(i); err != nil {
		return err
	}
	if err := r.fits(ctx, i, i.Object.Object, nil); err != nil || i.trial == nil {
		return err
	}
	return r.ofHelm(i)
}

// local checks what can be checked without the API server: names, and the fields of kinds that are known here.
func (r *run) local(i *item) error {
	if err := properName(i); err != nil {
		return err
	}

	typed, err := scheme.Scheme.New(i.GroupVersionKind())
	if err != nil {
		return nil //nolint:nilerr // a kind that is not built in is checked by the API server when it is written
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(i.Object.Object, typed,
		true); err != nil {
		return invalid(i, withoutValues(err.Error(), i.isSecret()))
	}

	return nil
}

func properName(i *item) error {
	for _, problem := range validation.NameIsDNSSubdomain(i.GetName(), false) {
		if i.stage != referents { // roles and the like have names of their own kind
			return invalid(i, "metadata.name: "+problem)
		}
	}
	return nil
}

// withoutValues leaves out what an error about a Secret may quote.
func withoutValues(text string, secret bool) string {
	if secret {
		return "a field of it does not fit its kind"
	}
	return ssa.Scrub(text)
}

// invalid is an object that can never be written.
func invalid(i *item, text string) error {
	status := apierrors.NewInvalid(i.GroupVersionKind().GroupKind(), i.GetName(), nil)
	status.ErrStatus.Message = text
	return &ssa.ObjectError{Object: i.place(), Secret: i.isSecret(), Words: text, Cause: status}
}
