package view

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/status"
)

// Client reads objects with the rights of the caller. An object that does not exist is an error for which
// apierrors.IsNotFound holds. Nothing is retried.
type Client interface {
	Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error
	List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error
}

// List is the machine form of every list.
type List[T any] struct {
	// Items is never nil, so that an empty list is [] and not null.
	Items []T `json:"items"`
}

// Reader reads the read model. Each method makes the requests it needs and keeps nothing. Errors are RequestErrors.
type Reader struct {
	client Client
}

// NewReader returns a Reader over the client.
func NewReader(c Client) Reader { return Reader{client: c} }

// Releases lists the releases of the namespace, of all namespaces when it is empty, sorted by namespace and name. The
// options choose among them, as a selector does.
func (r Reader) Releases(
	ctx context.Context, namespace string, options ...client.ListOption,
) (List[ReleaseRow], error) {
	out := List[ReleaseRow]{Items: []ReleaseRow{}}
	var list v1beta1.HelmReleaseList
	if err := r.list(ctx, v1beta1.HelmReleaseKind, namespace, &list, options...); err != nil {
		return out, err
	}

	for i := range list.Items {
		out.Items = append(out.Items, NewReleaseRow(&list.Items[i]))
	}

	slices.SortFunc(out.Items, func(a, b ReleaseRow) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// Sources lists the sources of the kinds in the namespace, in all namespaces when it is empty, sorted by namespace,
// kind and name. The options choose among them, as a selector does. It is all or nothing: a list with a kind missing
// would look complete.
func (r Reader) Sources(
	ctx context.Context, kinds []string, namespace string, options ...client.ListOption,
) (List[SourceRow], error) {
	out := List[SourceRow]{Items: []SourceRow{}}
	for _, kind := range kinds {
		list := NewList(kind)
		if err := r.list(ctx, kind, namespace, list, options...); err != nil {
			return List[SourceRow]{Items: []SourceRow{}}, err
		}

		err := meta.EachListItem(list, sourceRows(&out.Items))
		if err != nil {
			return List[SourceRow]{Items: []SourceRow{}}, fmt.Errorf("read the list of %s: %w", kind, err)
		}
	}

	slices.SortFunc(out.Items, func(a, b SourceRow) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Kind, b.Kind),
			strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// Release reads one release, its source and its dependencies. Only the release has to be readable: what cannot be read
// of the rest is reported in its place.
func (r Reader) Release(ctx context.Context, key types.NamespacedName) (ReleaseStatus, error) {
	var hr v1beta1.HelmRelease
	if err := r.get(ctx, v1beta1.HelmReleaseKind, key, &hr); err != nil {
		return ReleaseStatus{}, err
	}
	dependencies := make([]Related, 0, len(hr.Spec.DependsOn))
	for _, d := range hr.Spec.DependsOn {
		dependencies = append(dependencies, r.dependency(ctx, v1beta1.HelmReleaseKind, hr.Namespace, d))
	}
	return NewReleaseStatus(&hr, r.sourceOf(ctx, &hr), dependencies), nil
}

// History reads the revisions of one release.
func (r Reader) History(ctx context.Context, key types.NamespacedName) (History, error) {
	var hr v1beta1.HelmRelease
	if err := r.get(ctx, v1beta1.HelmReleaseKind, key, &hr); err != nil {
		return History{}, err
	}
	return NewHistory(&hr), nil
}

// Object reads one object of the kind.
func (r Reader) Object(ctx context.Context, kind string, key types.NamespacedName) (Object, error) {
	object := NewObject(kind)
	if object == nil {
		return nil, fmt.Errorf("kind %s is not of this API", kind)
	}
	return object, r.get(ctx, kind, key, object)
}

// Objects lists the objects of the kind in the namespace, in all namespaces when it is empty, sorted by namespace
// and name. The options choose among them, as a selector does.
func (r Reader) Objects(
	ctx context.Context, kind, namespace string, options ...client.ListOption,
) ([]Object, error) {
	list := NewList(kind)
	if list == nil {
		return nil, fmt.Errorf("kind %s is not of this API", kind)
	}
	if err := r.list(ctx, kind, namespace, list, options...); err != nil {
		return nil, err
	}

	var out []Object
	err := meta.EachListItem(list, func(item runtime.Object) error {
		if object, ok := item.(Object); ok {
			out = append(out, object)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the list of %s: %w", kind, err)
	}

	slices.SortFunc(out, func(a, b Object) int {
		return cmp.Or(strings.Compare(a.GetNamespace(), b.GetNamespace()), strings.Compare(a.GetName(), b.GetName()))
	})
	return out, nil
}

// Names lists the names of the objects of the kind in the namespace, sorted. Only metadata is transferred.
func (r Reader) Names(ctx context.Context, kind, namespace string) ([]string, error) {
	list := metadataList(kind)
	if err := r.list(ctx, kind, namespace, list); err != nil {
		return nil, err
	}

	names := make([]string, 0, len(list.Items))
	for _, item := range list.Items {
		names = append(names, item.Name)
	}

	slices.Sort(names)
	return names, nil
}

// Namespaces lists the namespaces that have an object of the kind and name, sorted.
func (r Reader) Namespaces(ctx context.Context, kind, name string) ([]string, error) {
	list := metadataList(kind)
	if err := r.list(ctx, kind, "", list, client.MatchingFields{"metadata.name": name}); err != nil {
		return nil, err
	}

	namespaces := make([]string, 0, len(list.Items))
	for _, item := range list.Items {
		namespaces = append(namespaces, item.Namespace)
	}

	slices.Sort(namespaces)
	return namespaces, nil
}

func (r Reader) related(ctx context.Context, ref Reference) Related {
	object, err := r.Object(ctx, ref.Kind, types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name})
	return relatedOf(ref, object, err)
}

// relatedOf says how an object is, or why it could not be read.
func relatedOf(ref Reference, object Object, err error) Related {
	out := Related{Reference: ref, Phase: Unknown}
	switch {
	case apierrors.IsNotFound(err):
		out.Phase = Missing
		out.Message = "does not exist"
		return out
	case apierrors.IsForbidden(err):
		out.Message = "you may not read it"
		return out
	case err != nil:
		out.Message = "could not be read: " + err.Error()
		return out
	}

	out.Phase, out.Message = PhaseOf(object), messageOf(object)
	out.Ready = status.IsReady(object)
	if source, ok := object.(v1beta1.Source); ok {
		if artifact := fetchedOf(source); artifact != nil {
			out.Revision = artifact.Revision
		}
	}

	return out
}

// dependency reads what an object of the kind own in the namespace depends on. What a readyExpr says of it is known to
// the controller only.
func (r Reader) dependency(ctx context.Context, own, namespace string, d v1beta1.DependencyReference) Related {
	reference := Reference{Kind: cmp.Or(d.Kind, own), Namespace: cmp.Or(d.Namespace, namespace), Name: d.Name}
	if d.IsOwn(own) {
		return r.related(ctx, reference)
	}

	out := Related{Reference: reference, Phase: Unknown}
	kind, err := d.GetGroupVersionKind(own)
	if err != nil {
		out.Message = err.Error()
		return out
	}

	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	err = r.client.Get(ctx, types.NamespacedName{Namespace: reference.Namespace, Name: reference.Name}, object)
	switch {
	case apierrors.IsNotFound(err) || meta.IsNoMatchError(err):
		out.Phase = Missing
		out.Message = "does not exist"
	case apierrors.IsForbidden(err):
		out.Message = "you may not read it"
	case err != nil:
		out.Message = "could not be read: " + err.Error()
	default:
		report := health.Assess(object, true)
		out.Message, out.Ready = report.Full(), report.State == health.Current
		out.Phase = map[health.State]Phase{
			health.Current: Ready, health.InProgress: Progressing, health.Failed: Failed,
		}[report.State]
	}

	return out
}

func (r Reader) get(ctx context.Context, kind string, key types.NamespacedName, object client.Object) error {
	if err := r.client.Get(ctx, key, object); err != nil {
		return &RequestError{Verb: "get", Resource: ResourceOf(kind), Namespace: key.Namespace, Name: key.Name, Err: err}
	}
	return nil
}

func (r Reader) list(
	ctx context.Context, kind, namespace string, list client.ObjectList, opts ...client.ListOption,
) error {
	if err := r.client.List(ctx, list, append(slices.Clone(opts), client.InNamespace(namespace))...); err != nil {
		return &RequestError{Verb: "list", Resource: ResourceOf(kind), Namespace: namespace, Err: err}
	}
	return nil
}

func metadataList(kind string) *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(kind + "List"))
	return list
}
