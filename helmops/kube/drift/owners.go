package drift

import (
	"bytes"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"fairlead.dev/fairlead/api/v1beta1"
)

// own are the managers that write the objects of releases and Kustomizations: those of this project and of the helm
// command, and the one of Flux, from which releases are taken over.
var own = []string{applier, "helm-controller", v1beta1.KustomizationFieldManager}

// applier is the manager under which objects are applied.
const applier = "helm"

// autoscaler writes the replicas of what a HorizontalPodAutoscaler scales.
const autoscaler = "kube-controller-manager"

var replicas = fieldpath.MakePathOrDie("spec", "replicas")

// owner is one entry of an object's managedFields.
type owner struct {
	manager, subresource, version string
	apply                         bool
	since                         time.Time
	fields                        *fieldpath.Set
}

// ours reports whether the release owns the fields.
func (o owner) ours() bool { return o.subresource == "" && slices.Contains(own, o.manager) }

// ownersOf reads the managedFields of an object; entries that cannot be read are left out.
func ownersOf(object *unstructured.Unstructured) []owner {
	entries := object.GetManagedFields()
	out := make([]owner, 0, len(entries))
	for _, entry := range entries {
		if entry.FieldsV1 == nil {
			continue
		}

		fields := &fieldpath.Set{}
		if fields.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())) != nil {
			continue
		}

		read := owner{
			manager: entry.Manager, subresource: entry.Subresource, version: entry.APIVersion,
			apply: entry.Operation == metav1.ManagedFieldsOperationApply, fields: fields,
		}
		if entry.Time != nil {
			read.since = entry.Time.Time
		}

		out = append(out, read)
	}

	return out
}

// union is what those owners own together that are chosen.
func union(owners []owner, chosen func(owner) bool) *fieldpath.Set {
	out := fieldpath.NewSet()
	for _, o := range owners {
		if chosen(o) {
			out = out.Union(o.fields)
		}
	}
	return out
}

// holds reports whether a set has a field, something below it, or something above it that is owned as a whole.
func holds(set *fieldpath.Set, path fieldpath.Path) bool {
	for _, element := range path {
		next := below(set, element)
		if set.Members.Has(element) && next.Empty() {
			return true
		}
		set = next
	}
	return !set.Empty()
}

// owns reports whether a set has a field, or something below it.
func owns(set *fieldpath.Set, path fieldpath.Path) bool {
	for _, element := range path[:len(path)-1] {
		set = below(set, element)
	}
	last := path[len(path)-1]
	return set.Members.Has(last) || !below(set, last).Empty()
}

// below is the part of a set below an element; empty when there is none.
func below(set *fieldpath.Set, element fieldpath.PathElement) *fieldpath.Set {
	if found, ok := set.Children.Get(element); ok {
		return found
	}
	return fieldpath.NewSet()
}

// otherManager returns the manager, other than our applies, that owns a field; the one that wrote last when there are
// several. Helm clients that update come last: one that has lost the fields of a map still owns the map.
func otherManager(owners []owner, path fieldpath.Path) (manager string, since time.Time) {
	ours := false
	for _, o := range owners {
		if o.apply && o.ours() || !holds(o.fields, path) {
			continue
		}
		if manager == "" || ours && !o.ours() || ours == o.ours() && o.since.After(since) {
			manager, since, ours = o.manager, o.since, o.ours()
		}
	}

	return manager, since
}

// Managed reports whether the release owns any field of an object.
func Managed(object *unstructured.Unstructured) bool {
	return slices.ContainsFunc(ownersOf(object), owner.ours)
}

// Autoscaled reports whether a HorizontalPodAutoscaler sets the replicas of an object.
func Autoscaled(live *unstructured.Unstructured) bool {
	return slices.ContainsFunc(ownersOf(live), func(o owner) bool {
		return o.manager == autoscaler && o.subresource == "scale" && o.fields.Has(replicas)
	})
}

// Exempt reports whether the annotation fairlead.dev/drift of an object leaves it out of drift detection.
func Exempt(object *unstructured.Unstructured) bool {
	return object.GetAnnotations()[v1beta1.DriftIgnoreAnnotation] == v1beta1.Ignored
}
