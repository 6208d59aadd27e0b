package refs

import (
	"context"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/controllers/loop"
)

// Names of the field indexes: objects by the ConfigMaps and Secrets they name, by the ServiceAccount they act as, by
// the objects of their kind they depend on, and by those whose readiness they judge by an expression.
const (
	documentIndex   = "fairlead.documents"
	accountIndex    = "fairlead.serviceAccount"
	dependencyIndex = "fairlead.dependsOn"
	expressionIndex = "fairlead.dependsOn.readyExpr"
)

// Index finds the objects of one kind by what they refer to.
type Index[T Dependent] struct {
	// Kind of the objects. Empty makes one, and List a list of them.
	Kind  string
	Empty func() T
	List  func() client.ObjectList
	// Documents are the ConfigMaps and Secrets that an object names, all in its namespace; Account is the ServiceAccount
	// that it acts as, empty for none.
	Documents func(T) []Document
	Account   func(T) string
	// More are indexes of the kind's own by their names.
	More map[string]func(T) []string
	// Reader is the cache.
	Reader client.Reader
}

// AddTo has the cache keep the indexes.
func (x Index[T]) AddTo(ctx context.Context, indexer client.FieldIndexer) error {
	all := map[string]func(T) []string{
		documentIndex: func(o T) []string {
			keys := x.Documents(o)
			names := make([]string, len(keys))
			for i, key := range keys {
				names[i] = key.Kind + "/" + key.Name
			}

			return names
		},
		accountIndex: func(o T) []string {
			if name := x.Account(o); name != "" {
				return []string{name}
			}
			return nil
		},
		dependencyIndex: func(o T) []string { return textsOf(Below(o, x.Kind)) },
		expressionIndex: func(o T) []string {
			var names []string
			for _, reference := range o.GetDependsOn() {
				if reference.ReadyExpr != "" && reference.IsOwn(x.Kind) {
					names = append(names, reference.GetKey(o.GetNamespace()).String())
				}
			}

			return names
		},
	}
	maps.Copy(all, x.More)
	for name, values := range all {
		if err := indexer.IndexField(ctx, x.Empty(), name, func(o client.Object) []string {
			return values(o.(T))
		}); err != nil {
			return err
		}
	}

	return nil
}

// Watches are those that have objects looked at again when something they refer to changes. freed lets the events of
// objects of the kind through that can set dependents free.
func (x Index[T]) Watches(freed predicate.Predicate) []loop.Watch {
	return []loop.Watch{
		{Object: &corev1.ConfigMap{}, MetadataOnly: true, Affects: x.naming(documentIndex, "ConfigMap/")},
		{Object: &corev1.Secret{}, MetadataOnly: true, Affects: x.naming(documentIndex, "Secret/")},
		{Object: &corev1.ServiceAccount{}, MetadataOnly: true, Affects: x.naming(accountIndex, ""), When: CameOrWent()},
		{Object: x.Empty(), Affects: x.dependents(dependencyIndex), When: freed},
		{Object: x.Empty(), Affects: x.dependents(expressionIndex)},
	}
}

// naming finds the objects in the namespace of another that name it.
func (x Index[T]) naming(index, prefix string) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, object client.Object) []reconcile.Request {
		return requestsOf(
			x.Find(ctx, client.InNamespace(object.GetNamespace()), client.MatchingFields{index: prefix + object.GetName()}))
	}
}

// dependents finds the objects that depend on one of their kind.
func (x Index[T]) dependents(index string) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, object client.Object) []reconcile.Request {
		return requestsOf(x.Find(ctx, client.MatchingFields{index: client.ObjectKeyFromObject(object).String()}))
	}
}

// Find lists the objects that are meant.
func (x Index[T]) Find(ctx context.Context, options ...client.ListOption) []types.NamespacedName {
	list := x.List()
	if err := x.Reader.List(ctx, list, options...); err != nil {
		return nil // the cache answers; it fails only while the process stops
	}

	var keys []types.NamespacedName
	_ = meta.EachListItem(list, func(o runtime.Object) error {
		keys = append(keys, client.ObjectKeyFromObject(o.(client.Object)))
		return nil
	})
	return keys
}

func requestsOf(keys []types.NamespacedName) []reconcile.Request {
	requests := make([]reconcile.Request, len(keys))
	for i, key := range keys {
		requests[i].NamespacedName = key
	}
	return requests
}

func textsOf(keys []types.NamespacedName) []string {
	texts := make([]string, len(keys))
	for i, key := range keys {
		texts[i] = key.String()
	}
	return texts
}
