package catalog

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
)

// Watches returns the watches of a controller whose objects refer to sources. A
// new chart from a HelmRepository, GitRepository or Bucket is reported by the catalog, to those whose choice it is; the
// watches are for what the status of a source says.
func Watches(users Users) []loop.Watch { return watches(kinds, saysNews(), users) }

// Users lists the objects that refer to a source.
type Users func(context.Context, ChartRef) []types.NamespacedName

func watches(kinds []string, when predicate.Predicate, users Users) []loop.Watch {
	watches := make([]loop.Watch, 0, len(kinds))
	for _, kind := range kinds {
		watches = append(watches,
			loop.Watch{Object: NewSource(kind), When: when,
				Affects: func(ctx context.Context, o client.Object) []reconcile.Request {
					keys := users(ctx, ChartRef{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()})
					requests := make([]reconcile.Request, len(keys))
					for i, key := range keys {
						requests[i].NamespacedName = key
					}

					return requests
				}})
	}

	return watches
}

// saysNews lets the events through after which who refers to a source may decide otherwise: it came or went, is ready
// or not for another reason, or stands for another chart.
func saysNews() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(Object)
		after, also := e.ObjectNew.(Object)
		if !ok || !also {
			return false
		}
		return readiness(before) != readiness(after) || before.IsSuspended() != after.IsSuspended() ||
			!equality.Semantic.DeepEqual(chartOf(before), chartOf(after))
	}, GenericFunc: func(event.GenericEvent) bool { return false }}
}

func readiness(source Object) string {
	ready := meta.FindStatusCondition(source.GetConditions(), v1beta1.ReadyCondition)
	if ready == nil {
		return ""
	}
	return string(ready.Status) + " " + ready.Reason
}

// chartOf is the chart that a source stands for; nil when it does not stand for one.
func chartOf(source Object) *v1beta1.ChartRevision {
	switch object := source.(type) {
	case *v1beta1.OCIRepository:
		return object.Status.Chart
	case *v1beta1.HelmChart:
		return object.Status.Chart
	case *v1beta1.ExternalArtifact:
		return object.Status.Chart
	}
	return nil
}
