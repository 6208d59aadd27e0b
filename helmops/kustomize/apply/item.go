package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/definition"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// Object is an object with the file that it comes from, empty when that is not known.
type Object struct {
	*unstructured.Unstructured
	Origin string
}

// item is one object on its way into the cluster.
type item struct {
	Object
	kind tracker.Kind
	// pending is set while the cluster does not know the kind, which a definition in the set brings.
	pending bool
	// shape is the schema of the kind where the set changes it, nil where it does not. late is set when the API
	// server does not take the object before it serves that schema.
	shape *definition.Schema
	late  bool
	stage int
	id    string
	body  []byte
	sum   string
	// before is the object in the inventory, nil when it is new. entry is what the tracker knows of it, tracked whether
	// that can be relied on, there whether it exists.
	before         *v1beta1.ResourceRef
	entry          tracker.Entry
	tracked, there bool
	// trial is the answer to the dry run; nil when there was none.
	trial *unstructured.Unstructured
	// recreate is set when the object has to be deleted and created again.
	recreate bool
	// ownership of the object after the write, empty when it was not written.
	ownership string
	// sent is the object as the API server took it last; nil when it was not written. warnings came with that answer.
	sent     *unstructured.Unstructured
	warnings []string
}

// named names an object for people.
func named(kind, namespace, name string) string {
	if namespace == "" {
		return kind + " " + name
	}
	return kind + " " + namespace + "/" + name
}

func (i *item) String() string { return named(i.GetKind(), i.GetNamespace(), i.GetName()) }

// place names the object and its file.
func (i *item) place() string {
	if i.Origin == "" {
		return i.String()
	}
	return i.String() + " (" + i.Origin + ")"
}

func (i *item) ref() tracker.Ref {
	return tracker.Ref{GVK: i.GroupVersionKind(), Namespace: i.GetNamespace(), Name: i.GetName()}
}

func (i *item) isSecret() bool {
	return i.GroupVersionKind().GroupKind() == schema.GroupKind{Kind: "Secret"}
}

// unchanged reports whether what was sent last is what is wanted now.
func (i *item) unchanged() bool { return i.before != nil && i.before.Payload == i.sum }

// inPlace reports whether the object is as it was left.
func (i *item) inPlace() bool {
	return i.there && !i.entry.Deleting && tracker.OwnershipText(i.entry.Ownership) == i.before.Ownership
}

// state tells one state of the object from another, as far as it matters.
func (i *item) state() string {
	if !i.there {
		return "-"
	}
	return tracker.OwnershipText(i.entry.Ownership)
}

// inventory is the entry of the object once it is in the cluster.
func (i *item) inventory() v1beta1.ResourceRef {
	ref := v1beta1.NewResourceRef(i.GetNamespace(), i.GetName(), i.GroupVersionKind().Group, i.GetKind(),
		i.GroupVersionKind().Version)
	ref.Payload = i.sum
	if ref.Ownership = i.ownership; ref.Ownership == "" && i.before != nil {
		ref.Ownership = i.before.Ownership
	}
	return ref
}

// Stages of a rollout, in order.
const (
	definitions = iota
	classes
	referents
	others
	stages
)

var referentKinds = []string{
	"ServiceAccount", "Secret", "ConfigMap", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "LimitRange",
	"ResourceQuota",
	"PersistentVolume", "PersistentVolumeClaim", "Service", "NetworkPolicy",
}

func stageOf(kind schema.GroupKind) int {
	switch {
	case kind == namespaceKind, kind == definitionKind:
		return definitions
	case strings.HasSuffix(kind.Kind, "Class"):
		return classes
	case slices.Contains(referentKinds, kind.Kind):
		return referents
	default:
		return others
	}
}

var (
	namespaceKind  = schema.GroupKind{Kind: "Namespace"}
	definitionKind = definition.GroupKind
	claimKind      = schema.GroupKind{Kind: "PersistentVolumeClaim"}
	// kustomizationKind is that of owners.
	kustomizationKind = schema.GroupKind{Group: v1beta1.GroupVersion.Group, Kind: v1beta1.KustomizationKind}
)

// brought are the definitions in a set, by the kinds that they define.
type crdsInSet map[schema.GroupKind]*definition.Definition

// broughtBy reads the definitions of a set.
func broughtBy(objects []Object) crdsInSet {
	out := crdsInSet{}
	for _, o := range objects {
		if o.GroupVersionKind().GroupKind() == definitionKind {
			d := definition.Read(o.Unstructured)
			out[d.Kind] = d
		}
	}
	return out
}

// newItem prepares an object. The error is a *KindError when its kind is unknown.
func newItem(o Object, mapper meta.RESTMapper, b crdsInSet, ownNamespace string) (*item, error) {
	i := &item{Object: Object{o.DeepCopy(), o.Origin}, stage: stageOf(o.GroupVersionKind().GroupKind())}
	gvk := o.GroupVersionKind()
	i.kind.GVK = gvk
	mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	switch {
	case err == nil:
		i.kind.Resource, i.kind.Namespaced = mapping.Resource.Resource, mapping.Scope.Name() == meta.RESTScopeNameNamespace
	case !meta.IsNoMatchError(err):
		return nil, fmt.Errorf("asking which kinds the cluster knows: %w", err)
	default:
		d := b[gvk.GroupKind()]
		if d == nil || d.Versions[gvk.Version] == nil {
			return nil, &KindError{Object: i.place(), Kind: gvk}
		}

		i.pending = true
		i.kind.Resource = d.Plural
		i.kind.Namespaced = d.Namespaced
	}

	switch {
	case !i.kind.Namespaced:
		i.SetNamespace("")
	case i.GetNamespace() == "":
		i.SetNamespace(ownNamespace)
	}

	if i.body, err = ssa.ApplyBody(i.Unstructured); err != nil {
		return nil, fmt.Errorf("encoding %s: %w", i.place(), err)
	}

	sum := sha256.Sum256(i.body)
	i.sum = hex.EncodeToString(sum[:8])
	i.id = v1beta1.NewResourceRef(i.GetNamespace(), i.GetName(), gvk.Group, gvk.Kind, "").ID
	return i, nil
}
