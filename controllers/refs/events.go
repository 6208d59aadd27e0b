package refs

import (
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Freed lets the events of an object of the own kind through after which its dependents may start, or wait for another
// cause than before: it came or went, what it depends on changed, or it is not ready for another cause. That an attempt
// begins is no cause: dependents of an object that fails again and again would report it twice for each attempt.
func Freed() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before := cause(e.ObjectOld)
		after := cause(e.ObjectNew)
		another := before != after && after != inProgress
		return another || !slices.Equal(dependsOn(e.ObjectOld), dependsOn(e.ObjectNew))
	}}
}

// cause is why dependents of an object wait for it, empty when it is ready.
func cause(object client.Object) string {
	if conditioned, is := object.(v1beta1.Conditioned); is {
		return causeOf(conditioned, true)
	}
	return ""
}

func dependsOn(object client.Object) []v1beta1.DependencyReference {
	if dependent, is := object.(Dependent); is {
		return dependent.GetDependsOn()
	}
	return nil
}

// CameOrWent lets the events through after which an object exists or no longer does.
func CameOrWent() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(event.UpdateEvent) bool { return false }}
}
