package source

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
)

// +kubebuilder:rbac:groups=fairlead.dev,resources=artifactgenerators;externalartifacts,verbs=get;list;watch
// +kubebuilder:rbac:groups=fairlead.dev,resources=externalartifacts/status,verbs=patch

// artifactWatches have the ExternalArtifacts made again whose generator or sources changed. expire makes the next poll
// due.
func artifactWatches(reader client.Reader, expire func(types.NamespacedName)) []loop.Watch {
	due := func(keys []types.NamespacedName) []reconcile.Request {
		found := make([]reconcile.Request, 0, len(keys))
		for _, key := range keys {
			expire(key)
			found = append(found, reconcile.Request{NamespacedName: key})
		}

		return found
	}

	watches := make([]loop.Watch, 0, 1+len(catalog.ComposableKinds))
	watches = append(watches, loop.Watch{
		Object: &v1beta1.ArtifactGenerator{}, When: declaresOthers(),
		Affects: func(ctx context.Context, object client.Object) []reconcile.Request {
			return due(catalog.DeclaredBy(ctx, reader, object.(*v1beta1.ArtifactGenerator)))
		},
	})
	for _, kind := range catalog.ComposableKinds {
		watches = append(watches, loop.Watch{
			Object: catalog.NewSource(kind), When: catalog.HasNews(),
			Affects: func(ctx context.Context, object client.Object) []reconcile.Request {
				source := catalog.ChartRef{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName()}
				return due(catalog.ArtifactsOf(ctx, reader, source))
			},
		})
	}

	return watches
}

// declaresOthers lets the events through after which a generator may declare other artifacts.
func declaresOthers() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration()
		},
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}
