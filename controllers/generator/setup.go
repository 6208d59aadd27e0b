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
	"fairlead.dev/fairlead/helmops/process/fair"
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

// How many generators have the directories of their sources read at the same time, and how many of those a namespace can
// have.
const (
	readings             = 8
	readingsPerNamespace = 6
)

// Setup adds the controller to the manager. ctx is the life of the readings of directories.
func Setup(ctx context.Context, manager ctrl.Manager, charts *catalog.Catalog, o Options) error {
	cached := manager.GetClient()
	waker := loop.NewWaker()
	h := &handler{
		cached: cached, writer: client.WithFieldValidation(client.WithFieldOwner(cached, fieldOwner), "Strict"),
		declared: charts,
		readings: loop.NewTasks[error](ctx, waker.Wake, o.Now).Within(fair.New(readings, readingsPerNamespace)),
		events:   manager.GetEventRecorder("fairlead"), now: o.Now, jitter: loop.Random,
	}
	watches := make([]loop.Watch, 0, 1+len(catalog.ComposableKinds))
	watches = append(watches, loop.Watch{Object: &v1beta1.ExternalArtifact{}, When: says(), Affects: h.generatorsOf})
	for _, kind := range catalog.ComposableKinds {
		watches = append(watches, loop.Watch{
			Object: catalog.NewSource(kind), When: catalog.HasNews(), Affects: patternsOf(cached, kind),
		})
	}

	return loop.Setup(manager, loop.Controller[*v1beta1.ArtifactGenerator]{
		Name: v1beta1.ArtifactGeneratorKind, Empty: func() *v1beta1.ArtifactGenerator {
			return &v1beta1.ArtifactGenerator{}
		}, Handler: h, Waker: waker, Concurrency: o.Concurrency, Watches: watches,
	})
}

// patternsOf finds the generators that make artifacts for directories of a source.
func patternsOf(reader client.Reader, kind string) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, object client.Object) []reconcile.Request {
		source := catalog.ChartRef{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName()}
		keys := catalog.PatternsOf(ctx, reader, source)
		found := make([]reconcile.Request, 0, len(keys))
		for _, key := range keys {
			found = append(found, reconcile.Request{NamespacedName: key})
		}

		return found
	}
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
		if metav1.IsControlledBy(object, g) || h.declared.Declares(g, object.GetName()) {
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
