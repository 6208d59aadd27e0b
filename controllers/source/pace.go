package source

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
)

// paceWatch has a source of a kind looked at when a release asks it for a chart at another interval.
func paceWatch(kind string) loop.Watch {
	return loop.Watch{Object: &v1beta1.HelmRelease{}, When: hasPace(),
		Affects: func(_ context.Context, object client.Object) []reconcile.Request {
			choice := catalog.ChoiceOfRelease(object.(*v1beta1.HelmRelease))
			if choice.Kind != kind {
				return nil
			}
			return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}}}
		}}
}

// hasPace lets the events through after which a source may have to be asked sooner. One that may be asked later finds
// that out by itself, after its next poll.
func hasPace() predicate.Predicate {
	pace := func(object client.Object) time.Duration {
		hr, ok := object.(*v1beta1.HelmRelease)
		if !ok {
			return 0
		}

		return hr.GetChartInterval()
	}
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return pace(e.Object) > 0 },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() && pace(e.ObjectNew) > 0
		},
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// pinnedInterval is how often the source of a stage is looked at, at most.
const pinnedInterval = 5 * time.Minute

// pollInterval is how long after a poll that succeeded a source is polled again. The source of a stage is pinned to a
// digest and has the interval of the subject, which can be seconds; its poll asks upstream for nothing. Changes of its
// spec and of its Secrets wake it, and a poll that fails is tried again as that of any source.
func pollInterval(object catalog.Object) time.Duration {
	if catalog.IsPinnedStage(object) {
		return max(object.GetInterval(), pinnedInterval)
	}
	return object.GetInterval()
}

// dueAt is when a source that was polled is polled again: after its own interval, or after the shortest that a release
// asks for.
func (h *handler[T]) dueAt(ctx context.Context, object T, last visit) time.Time {
	if last.failures > 0 || last.polled.IsZero() || h.pace == nil {
		return last.next
	}

	pace := h.pace(ctx, h.choiceOf(object))
	if pace <= 0 {
		return last.next
	}
	if at := last.polled.Add(pace); at.Before(last.next) {
		return at
	}

	return last.next
}
