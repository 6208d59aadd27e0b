package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/wait"

	"fairlead.dev/fairlead/helmops/kube/definition"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// served is the pause before an object is tried again that the API server judges by a schema of before. A
// definition that is established already has no event for the moment from which on a changed schema is served, and
// each API server has its own.
const served = 250 * time.Millisecond

// shapes notes which objects are of kinds that the set changes, because their definition is to be written.
func (r *run) shapes(written []*item) {
	changing := map[schema.GroupKind]bool{}
	for _, i := range written {
		if i.GroupVersionKind().GroupKind() != definitionKind {
			continue
		}
		for kind, d := range r.crdsInSet {
			changing[kind] = changing[kind] || d.Name == i.GetName()
		}
	}

	for _, i := range r.items {
		if kind := i.GroupVersionKind(); changing[kind.GroupKind()] || i.pending {
			i.shape = r.crdsInSet[kind.GroupKind()].Versions[kind.Version]
		}
	}
}

// byShape splits the objects to check: those of kinds that the set changes come after the definitions, which the
// API server has accepted by then. Those that are not written are among them, because the new schema must not be
// against them either.
func (r *run) byShape() (settled, shaped []*item) {
	for _, i := range r.open {
		if i.shape == nil {
			settled = append(settled, i)
		}
	}

	for _, i := range r.items {
		if i.shape != nil {
			shaped = append(shaped, i)
		}
	}

	return settled, shaped
}

// unshape leaves the judgement of objects to the API server.
func unshape(items []*item) {
	for _, i := range items {
		i.shape = nil
	}
}

// checkShaped tries an object of a kind that the set changes.
func (r *run) checkShaped(ctx context.Context, i *item, namespaces sets.Set[string]) error {
	if slices.Contains(r.open, i) {
		return r.check(ctx, i, namespaces)
	}

	live, err := r.get(ctx, i)
	if err != nil {
		return fmt.Errorf("reading %s: %w", i, err)
	}
	if live == nil {
		return nil // it stays away, as it was left
	}

	return r.fits(ctx, i, definition.Overlaid(live.Object, i.Object.Object), live.Object)
}

// seePending looks for an object of a version that is not served yet in a version that is: it can have an owner
// already.
func (r *run) seePending(ctx context.Context, i *item) error {
	mapping, err := r.site.cluster.Mapper().RESTMapping(i.GroupVersionKind().GroupKind())
	if meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking which kinds the cluster knows: %w", err)
	}

	former := *i
	former.kind.GVK = mapping.GroupVersionKind
	former.kind.Resource = mapping.Resource.Resource
	live, err := r.get(ctx, &former)
	if err != nil {
		return fmt.Errorf("reading %s: %w", i, err)
	}
	if live != nil {
		i.entry, i.there, i.trial = tracker.Kustomizations().Reduce(live), true, live
	}

	return nil
}

// reshaped judges an object by the schema that the set brings, whatever the API server says by the one that it has.
// cause is its answer to the trial. known is set when the object has been judged; otherwise the cause is to be
// looked at as that of any other object.
func (r *run) reshaped(ctx context.Context, i *item, cause error) (known bool, err error) {
	if cause != nil && !ofSchema(cause) {
		return false, nil
	}

	live, err := r.get(ctx, i)
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", i, err)
	}

	object := i.Object.Object
	former := map[string]any(nil)
	switch {
	case cause == nil:
		object = i.trial.Object
	case live != nil:
		object = definition.Overlaid(live.Object, i.Object.Object)
	}

	if live != nil {
		former = live.Object
	}

	err = r.fits(ctx, i, object, former)
	if err != nil && ssa.IsImmutable(cause) && r.fits(ctx, i, i.Object.Object, nil) == nil {
		return false, nil // the object is right, only the change is not
	}
	if err != nil {
		return true, err
	}
	if cause == nil {
		return false, nil
	}

	i.late = true
	i.trial = live
	if live == nil {
		return true, nil
	}

	return true, r.ofHelm(i)
}

// fits compares an object with the schema that comes with it.
func (r *run) fits(ctx context.Context, i *item, object, former map[string]any) error {
	wrong := i.shape.Invalid(ctx, object, former)
	for _, path := range i.shape.Unknown(i.Object.Object) {
		wrong = append(wrong, field.Forbidden(field.NewPath(path), "the kind has no such field"))
	}
	if len(wrong) > 0 {
		cause := apierrors.NewInvalid(i.GroupVersionKind().GroupKind(), i.GetName(), wrong)
		return &ssa.ObjectError{Object: i.place(), Cause: cause, Hint: "by the definition that comes with it"}
	}
	return nil
}

// ofSchema reports whether the API server refuses an object because of the schema that it has.
func ofSchema(err error) bool {
	switch {
	case ssa.IsMismatched(err), ssa.IsUnknownField(err):
		return true
	default:
		return apierrors.IsInvalid(err) && namesField(err)
	}
}

// namesField tells a schema, which names what is wrong, from a policy, which does not.
func namesField(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	named := func(cause metav1.StatusCause) bool { return cause.Field != "" }
	return slices.ContainsFunc(status.Status().Details.Causes, named)
}

// patchServed applies an object. One of a kind that the set has just changed is tried again for a while: the API
// server serves a new schema, or a new version, some time after it has accepted the definition.
func (r *run) patchServed(ctx context.Context, i *item, body []byte) (*unstructured.Unstructured, error) {
	answer, err := r.patch(ctx, i, body, false)
	if err == nil || i.shape == nil || !unserved(i, err) {
		return answer, refusedOrNil(i, err)
	}

	_ = wait.PollUntilContextTimeout(ctx, served, establish, false, func(ctx context.Context) (bool, error) {
		answer, err = r.patch(ctx, i, body, false)
		return err == nil || !unserved(i, err), nil
	})
	if err != nil && unserved(i, err) {
		return nil, fmt.Errorf("its definition was applied, but the API server does not serve it yet: %w", refused(i, err))
	}

	return answer, refusedOrNil(i, err)
}

// unserved reports whether the API server may not serve the definition yet that an object needs.
func unserved(i *item, err error) bool {
	if apierrors.IsInvalid(err) {
		return i.late // it was refused before, and the schema that comes with it takes it
	}
	return ofSchema(err) || apierrors.IsNotFound(err)
}

func refusedOrNil(i *item, err error) error {
	if err == nil {
		return nil
	}
	return refused(i, err)
}
