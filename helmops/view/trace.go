package view

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Roles of a Step.
const (
	// RoleOwner: the step before names it as its owner.
	RoleOwner = "owner"
	// RoleRelease: the HelmRelease that has installed the object.
	RoleRelease = "release"
	// RoleChart: where the chart comes from.
	RoleChart = "chart"
	// RoleKustomization: the Kustomization that has applied the step before.
	RoleKustomization = "kustomization"
	// RoleSource: where the manifests of a Kustomization come from.
	RoleSource = "source"
)

// The annotations by which an object names its Helm release.
const (
	helmNameAnnotation      = "meta.helm.sh/release-name"
	helmNamespaceAnnotation = "meta.helm.sh/release-namespace"
)

// Step is one object on the way from an object to what it is made from.
type Step struct {
	// Role is one of the Role constants.
	Role      string `json:"role"`
	Kind      string `json:"kind"`
	Group     string `json:"group,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Phase and Message are how an object of this API is; Message is empty while it is Ready.
	Phase   Phase  `json:"phase,omitempty"`
	Message string `json:"message,omitempty"`
	// HelmRevision and Chart are what a release runs.
	HelmRevision int                    `json:"helmRevision,omitempty"`
	Chart        *v1beta1.ChartRevision `json:"chart,omitempty"`
	// Revision is what a Kustomization applied last, or the artifact of a source.
	Revision string `json:"revision,omitempty"`
	// Path is that of a Kustomization in its source.
	Path string `json:"path,omitempty"`
	// URL is that of a source.
	URL string `json:"url,omitempty"`
}

// Trace is the way from an object to what it is made from.
type Trace struct {
	Kind      string `json:"kind"`
	Group     string `json:"group,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Managed is set when a HelmRelease or a Kustomization has made the object, or an owner of it.
	Managed bool `json:"managed"`
	// Steps begin at the object; it is not one of them.
	Steps []Step `json:"steps"`
	// Notes say what could not be found out.
	Notes []string `json:"notes"`
}

// Trace finds out what an object is made from. The other client reads objects of every kind, of which only the
// metadata is read; both read with the rights of the caller. Only the object itself has to be readable.
func (r Reader) Trace(
	ctx context.Context, other Client, kind schema.GroupVersionKind, key types.NamespacedName,
) (Trace, error) {
	first, err := metadataOf(ctx, other, kind, key)
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	if err != nil {
		return Trace{}, &RequestError{
			Verb: "get", Resource: resource.GroupResource().String(),
			Namespace: key.Namespace, Name: key.Name, Err: err,
		}
	}

	t := tracer{Reader: r, other: other, seen: map[Reference]bool{}, out: Trace{
		Kind: kind.Kind, Group: kind.Group, Namespace: first.Namespace, Name: first.Name,
		Steps: []Step{}, Notes: []string{},
	}}
	if kind.Group == v1beta1.GroupVersion.Group && NewObject(kind.Kind) != nil {
		t.ofOwnKind(ctx, Reference{kind.Kind, first.Namespace, first.Name})
		return t.out, nil
	}

	for _, object := range slices.Backward(t.owners(ctx, first)) {
		if t.maker(ctx, object, object.GroupVersionKind().GroupKind()) {
			t.out.Managed = true
			break
		}
	}

	return t.out, nil
}

// metadataOf reads what an object says of itself, without its content.
func metadataOf(
	ctx context.Context, from Client, kind schema.GroupVersionKind, key types.NamespacedName,
) (*metav1.PartialObjectMetadata, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)
	if err := from.Get(ctx, key, object); err != nil {
		return nil, err
	}
	object.SetGroupVersionKind(kind)
	return object, nil
}

// tracer collects the steps of a Trace.
type tracer struct {
	Reader
	other Client
	// seen are the Kustomizations of the way: one can apply itself.
	seen map[Reference]bool
	out  Trace
}

func (t *tracer) note(format string, args ...any) {
	t.out.Notes = append(t.out.Notes, fmt.Sprintf(format, args...))
}

// owners follows owner references upwards and returns the object and its owners.
func (t *tracer) owners(ctx context.Context, object *metav1.PartialObjectMetadata) []*metav1.PartialObjectMetadata {
	chain := []*metav1.PartialObjectMetadata{object}
	for range maxDepth {
		reference := ownerOf(object)
		if reference == nil {
			return chain
		}

		kind := schema.FromAPIVersionAndKind(reference.APIVersion, reference.Kind)
		key := types.NamespacedName{Namespace: object.Namespace, Name: reference.Name}
		owner, err := metadataOf(ctx, t.other, kind, key)
		switch {
		case apierrors.IsNotFound(err):
			t.note("the owner %s %s does not exist", kind.Kind, reference.Name)
			return chain
		case err != nil:
			why := readFailure(err, kind, object.Namespace)
			t.note("the owner %s %s cannot be read: %s", kind.Kind, reference.Name, why)
			return chain
		case owner.UID != reference.UID:
			t.note("the owner %s %s was replaced by another object of that name", kind.Kind, reference.Name)
			return chain
		}

		t.out.Steps = append(t.out.Steps, Step{
			Role: RoleOwner, Kind: kind.Kind, Group: kind.Group, Namespace: owner.Namespace, Name: owner.Name,
		})
		chain = append(chain, owner)
		object = owner
	}

	return chain
}

// ownerOf is the owner that controls an object, else the first one.
func ownerOf(object *metav1.PartialObjectMetadata) *metav1.OwnerReference {
	if controller := metav1.GetControllerOfNoCopy(object); controller != nil {
		return controller
	}
	if len(object.OwnerReferences) == 0 {
		return nil
	}
	return &object.OwnerReferences[0]
}

// readFailure says why an object cannot be read.
func readFailure(err error, kind schema.GroupVersionKind, namespace string) string {
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	switch {
	case apierrors.IsForbidden(err):
		return "you may not get " + resource.GroupResource().String() + within(namespace)
	case meta.IsNoMatchError(err):
		return "the cluster does not serve its kind"
	default:
		return err.Error()
	}
}

// maker adds what has made an object, and what that is made from. It reports whether there is such a thing.
func (t *tracer) maker(ctx context.Context, object client.Object, kind schema.GroupKind) bool {
	if name := object.GetAnnotations()[helmNameAnnotation]; name != "" {
		namespace := cmp.Or(object.GetAnnotations()[helmNamespaceAnnotation], object.GetNamespace())
		hr := t.releaseOf(ctx, namespace, name)
		if hr == nil {
			return false
		}

		t.inventory(hr.Status.Inventory, object, kind, "HelmRelease "+hr.Namespace+"/"+hr.Name)
		t.add(ctx, RoleRelease, Reference{v1beta1.HelmReleaseKind, hr.Namespace, hr.Name})
		return true
	}

	labels := object.GetLabels()
	ref := Reference{
		Kind: v1beta1.KustomizationKind, Namespace: labels[v1beta1.KustomizationNamespaceLabel],
		Name: labels[v1beta1.KustomizationNameLabel],
	}
	if ref.Name == "" || ref.Namespace == "" {
		return false
	}
	if ks, ok := t.add(ctx, RoleKustomization, ref).(*v1beta1.Kustomization); ok {
		t.inventory(ks.Status.Inventory, object, kind, ref.String())
	}

	return true
}

// inventory notes an object that its maker does not have, or no longer.
func (t *tracer) inventory(
	inventory *v1beta1.ResourceInventory, object client.Object, kind schema.GroupKind, maker string,
) {
	if inventory != nil {
		for _, entry := range inventory.Entries {
			namespace, name, group, of, ok := entry.Split()
			sameKind := group == kind.Group && of == kind.Kind
			if ok && sameKind && name == object.GetName() && namespace == object.GetNamespace() {
				return
			}
		}
	}
	t.note("%s %s is not in the inventory of %s: it is a hook, is not applied yet, or was left behind",
		kind.Kind, object.GetName(), maker)
}

// releaseOf finds the HelmRelease of a Helm release, nil when there is none.
func (t *tracer) releaseOf(ctx context.Context, namespace, name string) *v1beta1.HelmRelease {
	var list v1beta1.HelmReleaseList
	err := t.list(ctx, v1beta1.HelmReleaseKind, "", &list)
	if apierrors.IsForbidden(err) {
		t.note("you may not list helmreleases in all namespaces; only those in namespace %s were looked at", namespace)
		err = t.list(ctx, v1beta1.HelmReleaseKind, namespace, &list)
	}
	if err != nil {
		t.note("the HelmRelease of Helm release %s/%s cannot be looked for: %s", namespace, name, err)
		return nil
	}

	for i := range list.Items {
		hr := &list.Items[i]
		if hr.Spec.KubeConfig == nil && hr.GetReleaseName() == name && hr.GetReleaseNamespace() == namespace {
			return hr
		}
	}

	t.note("no HelmRelease installs Helm release %s/%s; another Helm client has made it", namespace, name)
	return nil
}

// ofOwnKind adds what an object of this API is made from, and what has made it.
func (t *tracer) ofOwnKind(ctx context.Context, ref Reference) {
	t.seen[ref] = true
	object, err := t.Object(ctx, ref.Kind, types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name})
	if err != nil {
		t.note("%s cannot be read: %s", ref, err)
		return
	}
	t.out.Managed = t.madeFrom(ctx, object, ref.Kind)
}

// add adds the step of an object of this API, then those of what it is made from and of what has made it. It
// returns the object, nil where it cannot be read or is on the way already.
func (t *tracer) add(ctx context.Context, role string, ref Reference) Object {
	if t.seen[ref] {
		return nil
	}

	t.seen[ref] = true
	object, err := t.step(ctx, role, ref)
	if err != nil {
		return nil
	}

	t.madeFrom(ctx, object, ref.Kind)
	return object
}

// madeFrom adds the sources of an object of this API, and what has made it. It reports whether something has.
func (t *tracer) madeFrom(ctx context.Context, object Object, kind string) bool {
	role := RoleChart
	if kind == v1beta1.KustomizationKind {
		role = RoleSource
	}

	source := object
	for ref, has := SourceOf(source); has; ref, has = SourceOf(source) {
		var err error
		if source, err = t.step(ctx, role, ref); err != nil {
			break
		}
	}

	return t.maker(ctx, object, schema.GroupKind{Group: v1beta1.GroupVersion.Group, Kind: kind})
}

// step reads an object of this API and adds its step. The error says that it could not be read; the step says why.
func (t *tracer) step(ctx context.Context, role string, ref Reference) (Object, error) {
	object, err := t.Object(ctx, ref.Kind, types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name})
	related := relatedOf(ref, object, err)
	step := Step{
		Role: role, Kind: ref.Kind, Group: v1beta1.GroupVersion.Group, Namespace: ref.Namespace, Name: ref.Name,
		Phase: related.Phase, Revision: related.Revision,
	}
	if related.Phase != Ready {
		step.Message = related.Message
	}
	if err == nil {
		step.describe(object)
	}

	t.out.Steps = append(t.out.Steps, step)
	return object, err
}

// describe says what an object runs, has applied, or has fetched.
func (s *Step) describe(object Object) {
	switch v := object.(type) {
	case *v1beta1.HelmRelease:
		row := NewReleaseRow(v)
		s.HelmRevision = row.Revision
		s.Chart = row.Chart
	case *v1beta1.Kustomization:
		s.Revision = v.Status.LastAppliedRevision
		s.Path = v.Spec.Path
	case v1beta1.Source:
		s.URL = NewSourceRow(v).URL
	}
}
