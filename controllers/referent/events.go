package referent

import (
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// BecameReady lets the events through that can set dependents free.
func BecameReady() predicate.Predicate {
	isReady := func(object client.Object) bool {
		conditioned, ok := object.(v1beta1.Conditioned)
		return ok && status.IsReady(conditioned)
	}
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return isReady(e.Object) },
		UpdateFunc: func(e event.UpdateEvent) bool { return !isReady(e.ObjectOld) && isReady(e.ObjectNew) },
		DeleteFunc: func(event.DeleteEvent) bool { return false },
	}
}

// CameOrWent lets the events through after which an object exists or no longer does.
func CameOrWent() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(event.UpdateEvent) bool { return false }}
}
