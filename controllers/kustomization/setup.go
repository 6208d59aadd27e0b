package kustomization

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/referent"
	"fairlead.dev/fairlead/controllers/source"
	"fairlead.dev/fairlead/helmops/tracker"
)

// +kubebuilder:rbac:groups=fairlead.dev,resources=kustomizations,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=fairlead.dev,resources=kustomizations/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets;configmaps,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get;list;watch;impersonate
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=list;watch

// Names of the field indexes: Kustomizations by their source, by the ConfigMaps and Secrets they name, by the ServiceAccount they act
// as, by the Kustomizations they depend on, and by those whose readiness they judge by an expression.
const (
	sourceIndex     = "fairlead.source"
	documentIndex   = "fairlead.documents"
	accountIndex    = "fairlead.serviceAccount"
	dependencyIndex = "fairlead.dependsOn"
	expressionIndex = "fairlead.dependsOn.readyExpr"
)

// Options of the controller.
type Options struct {
	// Concurrency is the number of workers. Building and applying do not hold one.
	Concurrency int
	// Engine brings objects into clusters. Moved is what it calls for Kustomizations whose objects changed.
	Engine Engine
	Moved  *Moved
	// Now is the clock.
	Now func() time.Time
	// Connect reaches objects that Kustomizations depend on, or whose health they wait for.
	Connect referent.Connect
	// DefaultServiceAccount is whom Kustomizations act as that name no ServiceAccount, in the namespace of each; empty is the
	// controller itself.
	DefaultServiceAccount string
	// NoCrossNamespaceRefs refuses references to sources and dependencies in other namespaces.
	NoCrossNamespaceRefs bool
}

// Moved passes on whose objects changed, from an engine that is made before the controller.
type Moved struct{ waker *loop.Waker }

// NewMoved returns one that nobody listens to yet.
func NewMoved() *Moved { return &Moved{waker: loop.NewWaker()} }

// Tell has the Kustomization looked at.
func (m *Moved) Tell(owner types.NamespacedName) { m.waker.Wake(owner) }

// Exists tells whether there is a Kustomization, by the cache.
func Exists(objects client.Reader) func(context.Context, types.NamespacedName) bool {
	return func(ctx context.Context, owner types.NamespacedName) bool {
		return !apierrors.IsNotFound(objects.Get(ctx, owner, &v1beta1.Kustomization{}))
	}
}

// Setup adds the controller to the manager. ctx is the life of what it does.
func Setup(ctx context.Context, manager ctrl.Manager, catalog *source.Catalog, o Options) error {
	if err := index(ctx, manager.GetFieldIndexer(), o.DefaultServiceAccount); err != nil {
		return fmt.Errorf("indexing Kustomizations: %w", err)
	}
	expressions, err := referent.NewExpressions()
	if err != nil {
		return err
	}
	waker := o.Moved.waker
	cached, live := manager.GetClient(), manager.GetAPIReader()
	documents := referent.NewDocuments(cached, live, referent.MaxDocuments)
	lookout := referent.NewLookout(ctx, referent.Connected{Connect: o.Connect, Watch: tracker.Follow}, waker.Wake, o.Now)
	h := &handler{
		gatherer: &gatherer{
			catalog: catalog, trees: newTrees(catalog), documents: documents, lookout: lookout,
			identities: referent.Identities{Objects: cached, Live: live, Documents: documents},
			dependencies: &referent.Dependencies{
				Kind: v1beta1.KustomizationKind, Empty: func() referent.Dependent { return &v1beta1.Kustomization{} },
				Objects: cached, Lookout: lookout, Expressions: expressions, OwnNamespace: o.NoCrossNamespaceRefs,
			},
			defaultServiceAccount: o.DefaultServiceAccount,
		},
		engine: o.Engine, tasks: loop.NewTasks[landed](ctx, waker.Wake, o.Now),
		events: manager.GetEventRecorder("fairlead"), now: o.Now, jitter: rand.Float64,
		awaited: map[types.NamespacedName]bool{}, audited: map[types.NamespacedName]time.Time{}, truces: map[types.NamespacedName]time.Time{},
	}
	definition := &metav1.PartialObjectMetadata{}
	definition.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	return loop.Setup(manager, loop.Controller[*v1beta1.Kustomization]{
		Name: v1beta1.KustomizationKind, Empty: func() *v1beta1.Kustomization { return &v1beta1.Kustomization{} },
		Handler: h, Finalizer: v1beta1.Finalizer, Waker: waker, Concurrency: o.Concurrency,
		Watches: append(source.WatchArtifacts(usersOf(cached)), []loop.Watch{
			{Object: &corev1.ConfigMap{}, MetadataOnly: true, Affects: byIndex(cached, documentIndex, "ConfigMap/")},
			{Object: &corev1.Secret{}, MetadataOnly: true, Affects: byIndex(cached, documentIndex, "Secret/")},
			{Object: &corev1.ServiceAccount{}, MetadataOnly: true, Affects: byIndex(cached, accountIndex, ""), When: referent.CameOrWent()},
			{Object: &v1beta1.Kustomization{}, Affects: dependents(cached, dependencyIndex), When: moved()},
			{Object: &v1beta1.Kustomization{}, Affects: dependents(cached, expressionIndex)},
			{Object: definition, Affects: h.lackingKinds(cached)},
		}...),
	})
}

// moved lets the events through that can set dependents free: a Kustomization becomes ready, or applies another revision.
func moved() predicate.Predicate {
	applied := predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		DeleteFunc: func(event.DeleteEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, ok := e.ObjectOld.(*v1beta1.Kustomization)
			is, alsoOK := e.ObjectNew.(*v1beta1.Kustomization)
			return ok && alsoOK && was.Status.LastAppliedRevision != is.Status.LastAppliedRevision
		},
	}
	return predicate.Or(referent.BecameReady(), applied)
}

// lackingKinds finds the Kustomizations whose last attempt lacked a kind, which may be there now.
func (h *handler) lackingKinds(reader client.Reader) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, _ client.Object) []reconcile.Request {
		list := &v1beta1.KustomizationList{}
		if err := reader.List(ctx, list); err != nil {
			return nil // the cache answers; it fails only while the process stops
		}
		var requests []reconcile.Request
		for i := range list.Items {
			k := &list.Items[i]
			if ready := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ReadyCondition); ready == nil || ready.Reason != v1beta1.KindUnknownReason {
				continue
			}
			key := client.ObjectKeyFromObject(k)
			h.mu.Lock()
			h.awaited[key] = true
			h.mu.Unlock()
			requests = append(requests, reconcile.Request{NamespacedName: key})
		}
		return requests
	}
}

func index(ctx context.Context, indexer client.FieldIndexer, defaultServiceAccount string) error {
	for name, values := range map[string]func(*v1beta1.Kustomization) []string{
		sourceIndex: func(k *v1beta1.Kustomization) []string { return []string{sourceKey(choiceOf(k))} },
		documentIndex: func(k *v1beta1.Kustomization) []string {
			keys := documentsOf(k)
			names := make([]string, 0, len(keys))
			for _, key := range keys {
				names = append(names, key.Kind+"/"+key.Name)
			}
			return names
		},
		accountIndex: func(k *v1beta1.Kustomization) []string {
			if name := k.GetServiceAccountName(defaultServiceAccount); name != "" {
				return []string{name}
			}
			return nil
		},
		dependencyIndex: func(k *v1beta1.Kustomization) []string {
			keys := referent.Below(k, v1beta1.KustomizationKind)
			names := make([]string, 0, len(keys))
			for _, key := range keys {
				names = append(names, key.String())
			}
			return names
		},
		expressionIndex: func(k *v1beta1.Kustomization) []string {
			var names []string
			for _, reference := range k.Spec.DependsOn {
				if reference.ReadyExpr != "" && reference.IsOwn(v1beta1.KustomizationKind) {
					names = append(names, reference.GetKey(k.Namespace).String())
				}
			}
			return names
		},
	} {
		err := indexer.IndexField(ctx, &v1beta1.Kustomization{}, name, func(o client.Object) []string {
			return values(o.(*v1beta1.Kustomization))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func sourceKey(choice source.Choice) string {
	return choice.Kind + "/" + choice.Namespace + "/" + choice.Name
}

// usersOf lists the Kustomizations of a source.
func usersOf(reader client.Reader) source.Users {
	return func(ctx context.Context, choice source.Choice) []types.NamespacedName {
		requests := find(ctx, reader, client.MatchingFields{sourceIndex: sourceKey(choice)})
		keys := make([]types.NamespacedName, len(requests))
		for i, request := range requests {
			keys[i] = request.NamespacedName
		}
		return keys
	}
}

// byIndex finds the Kustomizations in the namespace of an object that name it.
func byIndex(reader client.Reader, index, prefix string) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, object client.Object) []reconcile.Request {
		return find(ctx, reader, client.InNamespace(object.GetNamespace()), client.MatchingFields{index: prefix + object.GetName()})
	}
}

// dependents finds the Kustomizations that depend on one.
func dependents(reader client.Reader, index string) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, object client.Object) []reconcile.Request {
		return find(ctx, reader, client.MatchingFields{index: client.ObjectKeyFromObject(object).String()})
	}
}

func find(ctx context.Context, reader client.Reader, options ...client.ListOption) []reconcile.Request {
	list := &v1beta1.KustomizationList{}
	if err := reader.List(ctx, list, options...); err != nil {
		return nil // the cache answers; it fails only while the process stops
	}
	requests := make([]reconcile.Request, len(list.Items))
	for i := range list.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&list.Items[i])
	}
	return requests
}
