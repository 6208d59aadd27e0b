package view

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/process/guard"
)

const (
	// readsAtOnce bounds the requests that are under way together.
	readsAtOnce = 8
	// maxObjects bounds the objects of a release that are looked at.
	maxObjects = 1000
	// maxListed bounds what is listed of a kind in a namespace.
	maxListed = 500
	// maxDepth bounds how far owner references are followed.
	maxDepth = 6
)

// States of a Node, besides those of helmops/kube/health.
const (
	// StateMissing: the object does not exist.
	StateMissing = "Missing"
	// StateUnknown: the object could not be read.
	StateUnknown = "Unknown"
)

// Node is an object of a release or a Kustomization, or one that belongs to such an object.
type Node struct {
	Kind      string `json:"kind"`
	Group     string `json:"group,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// State is Current, InProgress, Failed, Missing or Unknown.
	State string `json:"state"`
	// Message says what is missing, and for a pod why it does not run.
	Message string `json:"message,omitempty"`
	// Children name the object as their owner, sorted by kind and name.
	Children []Node `json:"children,omitempty"`

	crashes []Crash
}

// Tree is the objects of a release or a Kustomization with what belongs to them.
type Tree struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Healthy and Total count the objects of the inventory, not what belongs to them.
	Healthy int `json:"healthy"`
	Total   int `json:"total"`
	// Objects in the order of the inventory.
	Objects []Node `json:"objects"`
	// Notes say what could not be looked at.
	Notes []string `json:"notes"`
}

// child is a kind whose objects belong to others.
type child struct {
	kind schema.GroupVersionKind
	// custom is set for kinds that only custom resources own.
	custom bool
}

var childKinds = []child{
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, true},
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}, true},
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "DaemonSet"}, true},
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}, false},
	{schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}, false},
	{schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, false},
}

// inventoried is an object with an inventory.
type inventoried struct {
	refs []v1beta1.ResourceRef
	// remote is set when the objects are in another cluster.
	remote bool
	exprs  []v1beta1.HealthCheckExpr
	// asHelm is set when the objects are judged by the rules of Helm 3.
	asHelm bool
}

func inventoriedOf(o Object) inventoried {
	var inventory *v1beta1.ResourceInventory
	var out inventoried
	switch v := o.(type) {
	case *v1beta1.HelmRelease:
		inventory = v.Status.Inventory
		out.remote = v.Spec.KubeConfig != nil
		out.exprs = v.Spec.HealthCheckExprs
		out.asHelm = v.WaitsAsHelm()
	case *v1beta1.Kustomization:
		inventory = v.Status.Inventory
		out.remote = v.Spec.KubeConfig != nil
		out.exprs = v.Spec.HealthCheckExprs
	}

	if inventory != nil {
		out.refs = inventory.Entries
	}

	return out
}

// IsRemote reports whether the objects of a release or a Kustomization are in another cluster.
func IsRemote(o Object) bool { return inventoriedOf(o).remote }

// Tree reads the objects of a release or a Kustomization and what belongs to them, with the rights of the client,
// which has to know all kinds of the cluster. What may not be read is reported in its place; any other failure is a
// *RequestError. Values of Secrets are not read. Objects in another cluster cannot be looked at, and are not in it.
func (r Reader) Tree(ctx context.Context, owner Object) (Tree, error) {
	out := Tree{Namespace: owner.GetNamespace(), Name: owner.GetName(), Objects: []Node{}, Notes: []string{}}
	of := inventoriedOf(owner)
	refs := of.refs
	out.Total = len(refs)
	if of.remote {
		out.Notes = append(out.Notes, "the objects are in another cluster (spec.kubeConfig) and were not looked at")
		return out, nil
	}

	if len(refs) > maxObjects {
		out.Notes = append(out.Notes, fmt.Sprintf("only the first %d of %d objects were looked at", maxObjects, len(refs)))
		refs = refs[:maxObjects]
	}

	rules, err := health.NewRules(of.exprs)
	if err != nil {
		out.Notes = append(out.Notes, "spec.healthCheckExprs cannot be understood and were left out: "+err.Error())
	}
	if of.asHelm {
		rules = rules.AsHelm()
	}

	l := looker{client: r.client, rules: rules}
	found, err := l.objects(ctx, refs)
	if err != nil {
		return out, err
	}

	owned, notes, err := l.owned(ctx, found)
	if err != nil {
		return out, err
	}

	out.Notes = append(out.Notes, notes...)
	for _, f := range found {
		node := f.node
		if f.object != nil {
			node.Children = l.children(f.object.GetUID(), owned, maxDepth) //nolint:contextcheck // judging sends no request
		}
		if node.State == string(health.Current) {
			out.Healthy++
		}

		out.Objects = append(out.Objects, node)
	}

	return out, nil
}

// looker reads live objects and judges them.
type looker struct {
	client Client
	rules  *health.Rules
}

// seen is an object of the release; its object is nil where there is none, or its content does not matter.
type seen struct {
	node   Node
	object *unstructured.Unstructured
}

func (l looker) objects(ctx context.Context, refs []v1beta1.ResourceRef) ([]seen, error) {
	out := make([]seen, len(refs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for i, ref := range refs {
		group.Go(func() error {
			return guard.Do("reading an object", func() (err error) {
				out[i], err = l.object(ctx, ref)
				return err
			})
		})
	}

	return out, group.Wait()
}

func (l looker) object(ctx context.Context, ref v1beta1.ResourceRef) (seen, error) {
	namespace, name, group, kind, ok := ref.Split()
	if !ok {
		return seen{
			node: Node{Name: ref.ID, State: StateUnknown, Message: "the inventory does not say which object it is"},
		}, nil
	}

	gvk := schema.GroupVersionKind{Group: group, Version: ref.Version, Kind: kind}
	out := seen{node: Node{Kind: kind, Group: group, Namespace: namespace, Name: name}}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	var into client.Object = object
	if health.MetadataOnly(gvk.GroupKind()) && !l.rules.Judges(gvk.GroupKind()) {
		metadata := &metav1.PartialObjectMetadata{}
		metadata.SetGroupVersionKind(gvk)
		into = metadata
		object = nil
	}

	err := l.client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, into)
	resource, _ := meta.UnsafeGuessKindToResource(gvk)
	switch {
	case apierrors.IsNotFound(err):
		out.node.State = StateMissing
		out.node.Message = "does not exist"
	case meta.IsNoMatchError(err):
		out.node.State = StateUnknown
		out.node.Message = "the cluster does not serve its kind"
	case apierrors.IsForbidden(err):
		out.node.State, out.node.Message = StateUnknown, "you may not get "+resource.GroupResource().String()+
			within(namespace)
	case err != nil:
		return out, &RequestError{
			Verb: "get", Resource: resource.GroupResource().String(), Namespace: namespace, Name: name, Err: err,
		}
	case object == nil:
		out.node.State = string(health.Current)
	default:
		out.object, out.node = object, l.judged(object) //nolint:contextcheck // judging sends no request
	}

	return out, nil
}

func within(namespace string) string {
	if namespace == "" {
		return ""
	}
	return " in namespace " + namespace
}

// judged makes a node of a live object, without its children.
func (l looker) judged(object *unstructured.Unstructured) Node {
	report := l.rules.Assess(object, true)
	node := Node{
		Kind: object.GetKind(), Group: object.GroupVersionKind().Group, Namespace: object.GetNamespace(),
		Name:  object.GetName(),
		State: string(report.State), Message: report.Full(),
	}
	if object.GetDeletionTimestamp() != nil {
		node.Message = "is being deleted"
	}

	if pod := podOf(object); pod != nil {
		if cause := health.PodCause(pod); cause != "" {
			node.Message = cause
		}
		node.crashes = crashesOf(pod)
	}

	return node
}

// owned lists what belongs to others in the namespaces of the objects, by the owner.
func (l looker) owned(ctx context.Context, found []seen) (map[types.UID][]*unstructured.Unstructured, []string, error) {
	out := map[types.UID][]*unstructured.Unstructured{}
	var notes []string
	for namespace, custom := range owners(found) {
		for _, c := range childKinds {
			if c.custom && !custom {
				continue
			}

			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(c.kind.GroupVersion().WithKind(c.kind.Kind + "List"))
			err := l.client.List(ctx, list, client.InNamespace(namespace), client.Limit(maxListed))
			resource, _ := meta.UnsafeGuessKindToResource(c.kind)
			name := resource.GroupResource().String()
			switch {
			case apierrors.IsForbidden(err):
				notes = append(notes,
					"you may not list "+name+within(namespace)+"; the objects that belong to others are not shown there")
				continue
			case err != nil:
				return nil, nil, &RequestError{Verb: "list", Resource: name, Namespace: namespace, Err: err}
			case list.GetContinue() != "":
				notes = append(notes, fmt.Sprintf("only the first %d %s%s were looked at", maxListed, name, within(namespace)))
			}

			for i := range list.Items {
				for _, owner := range list.Items[i].GetOwnerReferences() {
					out[owner.UID] = append(out[owner.UID], &list.Items[i])
				}
			}
		}
	}

	slices.Sort(notes)
	return out, notes, nil
}

// owners are the namespaces with objects that others can belong to, and whether custom resources are among these.
func owners(found []seen) map[string]bool {
	out := map[string]bool{}
	for _, f := range found {
		if f.object == nil || f.node.Namespace == "" {
			continue
		}
		switch group := f.node.Group; {
		case group == "apps" || group == "batch" || f.node.Kind == "ReplicationController":
			out[f.node.Namespace] = out[f.node.Namespace] || false
		case strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io"):
			out[f.node.Namespace] = true
		}
	}

	return out
}

// children are what belongs to the owner. ReplicaSets that are only kept to be gone back to are left out.
func (l looker) children(owner types.UID, owned map[types.UID][]*unstructured.Unstructured, depth int) []Node {
	if owner == "" || depth == 0 {
		return nil
	}

	var out []Node
	for _, object := range owned[owner] {
		node := l.judged(object)
		node.Children = l.children(object.GetUID(), owned, depth-1)
		if node.Kind == "ReplicaSet" && len(node.Children) == 0 {
			if replicas, has, _ := unstructured.NestedInt64(object.Object, "spec", "replicas"); has && replicas == 0 {
				continue
			}
		}

		out = append(out, node)
	}

	slices.SortFunc(out, func(a, b Node) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	return out
}
