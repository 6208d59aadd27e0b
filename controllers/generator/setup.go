package generator

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/status"
)

// +kubebuilder:rbac:groups=fairlead.dev,resources=artifactgenerators,verbs=get;list;watch
// +kubebuilder:rbac:groups=fairlead.dev,resources=artifactgenerators/status,verbs=patch
// +kubebuilder:rbac:groups=fairlead.dev,resources=externalartifacts,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="";events.k8s.io,resources=events,verbs=create;patch

// Options of the controller.
type Options struct {
	// Concurrency is the number of workers. Making artifacts does not hold one.
	Concurrency int
	// Now is the clock.
	Now func() time.Time
}

// Setup adds the controller to the manager.
func Setup(manager ctrl.Manager, charts *catalog.Catalog, o Options) error {
	cached := manager.GetClient()
	h := &handler{
		cached: cached, writer: client.WithFieldValidation(client.WithFieldOwner(cached, fieldOwner), "Strict"),
		admit: charts.AdmitGenerator, events: manager.GetEventRecorder("fairlead"), now: o.Now, jitter: loop.Random,
	}
	return loop.Setup(manager, loop.Controller[*v1beta1.ArtifactGenerator]{
		Name: v1beta1.ArtifactGeneratorKind, Empty: func() *v1beta1.ArtifactGenerator {
			return &v1beta1.ArtifactGenerator{}
		}, Handler: h, Waker: loop.NewWaker(), Concurrency: o.Concurrency,
		Watches: []loop.Watch{{Object: &v1beta1.ExternalArtifact{}, When: says(), Affects: h.generatorsOf}},
	})
}

// generatorsOf finds the generators that an ExternalArtifact is of, and those that declare its name.
func (h *handler) generatorsOf(ctx context.Context, object client.Object) []reconcile.Request {
	list := &v1beta1.ArtifactGeneratorList{}
	err := h.cached.List(ctx, list, client.InNamespace(object.GetNamespace()), client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil // the cache answers; it fails only while the process stops
	}

	var requests []reconcile.Request
	for i := range list.Items {
		g := &list.Items[i]
		if metav1.IsControlledBy(object, g) || g.GetOutput(object.GetName()) != nil {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(g)})
		}
	}

	return requests
}

// says lets the events through that a generator reports, or has to undo.
func says() predicate.Predicate {
	return predicate.Or(catalog.HasNews(), predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*v1beta1.ExternalArtifact)
			after, also := e.ObjectNew.(*v1beta1.ExternalArtifact)
			return ok && also && (before.Generation != after.Generation ||
				before.Status.ObservedRules != after.Status.ObservedRules ||
				status.Message(before) != status.Message(after) ||
				!includes(after.Labels, before.Labels) || !includes(after.Annotations, before.Annotations))
		},
		GenericFunc: func(event.GenericEvent) bool { return false },
	})
}
