package source

import (
	"context"
	"reflect"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
)

// skipWatch reconciles a HelmRepository when a release skips other charts of it: that is another choice, which the last
// poll has not answered.
func skipWatch() loop.Watch {
	return loop.Watch{
		Object: &v1beta1.HelmRelease{}, When: skipsOthers(),
		Affects: func(_ context.Context, object client.Object) []reconcile.Request {
			choice := catalog.ChoiceOfRelease(object.(*v1beta1.HelmRelease))
			if !choice.LeavesChoice() {
				return nil
			}

			key := types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}
			return []reconcile.Request{{NamespacedName: key}}
		},
	}
}

// skipsOthers lets the events through after which a release skips other charts than before.
func skipsOthers() predicate.Predicate {
	skipped := func(object client.Object) []v1beta1.SkippedChart {
		hr, ok := object.(*v1beta1.HelmRelease)
		if !ok {
			return nil
		}

		return hr.Status.Skipped
	}
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return len(skipped(e.Object)) > 0 },
		UpdateFunc: func(e event.UpdateEvent) bool {
			after := skipped(e.ObjectNew)
			return len(after) > 0 && !reflect.DeepEqual(skipped(e.ObjectOld), after)
		},
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}
