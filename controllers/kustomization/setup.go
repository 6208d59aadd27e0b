package kustomization

import (
	"context"
	"fmt"
	"slices"
	"time"

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
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/process/fair"
)

// +kubebuilder:rbac:groups=fairlead.dev,resources=kustomizations,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=fairlead.dev,resources=releasefreezes,verbs=get;list;watch
// +kubebuilder:rbac:groups=fairlead.dev,resources=kustomizations/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets;configmaps,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get;list;watch;impersonate
// +kubebuilder:rbac:groups="",resources=serviceaccounts/token,verbs=create
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=list;watch

// sourceIndex is the field index of Kustomizations by their source.
const sourceIndex = "fairlead.source"

// How many Kustomizations are built at the same time, and how many of those a namespace can have: a build holds the
// files of its source and the objects that it makes.
const (
	builds             = 8
	buildsPerNamespace = 6
)

// Options of the controller.
type Options struct {
	// Concurrency is the number of workers. Building and applying do not hold one.
	Concurrency int
	// Engine brings objects into clusters. Moved is what it calls for Kustomizations whose objects changed.
	Engine Engine
	Moved  *ObjectChanges
	// Builder makes objects of the files of a source. It works on what tenants write.
	Builder Builder
	// Now is the clock.
	Now func() time.Time
	// Connect reaches objects that Kustomizations depend on, or whose health they wait for.
	Connect refs.Connect
	// DefaultServiceAccount is whom Kustomizations act as that name no ServiceAccount, in the namespace of each; empty is
	// the controller itself.
	DefaultServiceAccount string
	// NoCrossNamespaceRefs refuses references to sources and dependencies in other namespaces.
	NoCrossNamespaceRefs bool
	// Approvers says whether the API server checks who approves a plan.
	Approvers *refs.Approvers
	// NoFreezes leaves ReleaseFreezes out: a controller of some namespaces has no right to objects of the whole
	// cluster.
	NoFreezes bool
}

// ObjectChanges passes on whose objects changed, from an engine that is made before the controller.
type ObjectChanges struct{ waker *loop.Waker }

// NewMoved returns one without listeners.
func NewMoved() *ObjectChanges { return &ObjectChanges{waker: loop.NewWaker()} }

// Tell has the Kustomization looked at.
func (m *ObjectChanges) Tell(owner types.NamespacedName) { m.waker.Wake(owner) }

// Exists reports whether there is a Kustomization, by the cache.
func Exists(objects client.Reader) func(context.Context, types.NamespacedName) bool {
	return func(ctx context.Context, owner types.NamespacedName) bool {
		return !apierrors.IsNotFound(objects.Get(ctx, owner, &v1beta1.Kustomization{}))
	}
}

// Setup adds the controller to the manager. ctx is the life of what it does.
func Setup(ctx context.Context, manager ctrl.Manager, c *catalog.Catalog, o Options) error {
	cached := manager.GetClient()
	live := manager.GetAPIReader()
	index := indexOf(cached, o.DefaultServiceAccount)
	if err := index.AddTo(ctx, manager.GetFieldIndexer()); err != nil {
		return fmt.Errorf("indexing Kustomizations: %w", err)
	}

	expressions, err := refs.NewExpressions()
	if err != nil {
		return err
	}

	waker := o.Moved.waker
	documents := refs.NewDocuments(cached, live, refs.MaxDocuments)
	lookout := refs.NewDependencyWatcher(ctx, refs.Connected{Connect: o.Connect, Watch: tracker.Follow}, waker.Wake, o.Now)
	h := &handler{
		gatherer: &gatherer{
			catalog: c, trees: newTrees(c), builder: o.Builder, documents: documents, dependencyWatcher: lookout,
			identities: refs.Identities{
				Objects: cached, Live: live, Documents: documents, Tokens: refs.TokensOf(cached),
			},
			dependencies: &refs.Dependencies{
				Kind: v1beta1.KustomizationKind, Empty: func() refs.Dependent { return &v1beta1.Kustomization{} },
				Objects: cached, Watcher: lookout, Expressions: expressions, OwnNamespace: o.NoCrossNamespaceRefs,
			},
			approvals:             refs.PlanApprovals{Objects: cached, Approvers: o.Approvers},
			defaultServiceAccount: o.DefaultServiceAccount, noFreezes: o.NoFreezes,
		},
		engine: o.Engine, tasks: loop.NewTasks[actionResult](ctx, waker.WakeFirst, o.Now),
		builds: fair.New(builds, buildsPerNamespace), remoteBuilds: fair.New(builds, builds/2),
		events: manager.GetEventRecorder("fairlead"), now: o.Now, jitter: loop.Random,
		awaited: map[types.NamespacedName]bool{}, audited: map[types.NamespacedName]time.Time{},
		fightBackoff: map[types.NamespacedName]time.Time{}, repairable: map[types.NamespacedName]time.Time{},
		replans: map[types.NamespacedName]time.Time{},
	}
	loop.CountWaiting(h.waiting)
	definition := &metav1.PartialObjectMetadata{}
	definition.SetGroupVersionKind(
		schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	return loop.Setup(manager, loop.Controller[*v1beta1.Kustomization]{
		Name: v1beta1.KustomizationKind, Empty: func() *v1beta1.Kustomization { return &v1beta1.Kustomization{} },
		Handler: h, Finalizer: v1beta1.Finalizer, FormerFinalizer: v1beta1.FormerFinalizer, Waker: waker,
		Concurrency: o.Concurrency,
		Watches: slices.Concat(catalog.WatchArtifacts(usersOf(index)), index.Watches(moved()), h.freezeWatches(),
			[]loop.Watch{
				refs.WatchApprovals(v1beta1.KustomizationKind),
				{Object: definition, Affects: h.lackingKinds(cached)},
				{Object: &v1beta1.Kustomization{}, Affects: h.handsOver, When: releasedOrApplied()},
			}),
	})
}

// moved lets the events through that can set dependents free: a Kustomization becomes ready, or applies another
// revision.
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
	return predicate.Or(refs.Freed(), applied)
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
			if ready := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ReadyCondition); ready == nil ||
				ready.Reason != v1beta1.KindUnknownReason {
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

// indexOf finds Kustomizations by what they refer to.
func indexOf(reader client.Reader, defaultServiceAccount string) refs.Index[*v1beta1.Kustomization] {
	return refs.Index[*v1beta1.Kustomization]{
		Kind: v1beta1.KustomizationKind, Empty: func() *v1beta1.Kustomization { return &v1beta1.Kustomization{} },
		List: func() client.ObjectList { return &v1beta1.KustomizationList{} }, Documents: documentsOf,
		Account: func(k *v1beta1.Kustomization) string { return k.GetServiceAccountName(defaultServiceAccount) },
		More: map[string]func(*v1beta1.Kustomization) []string{
			sourceIndex: func(k *v1beta1.Kustomization) []string { return []string{sourceKey(choiceOf(k))} },
		},
		Reader: reader,
	}
}

func sourceKey(choice catalog.ChartRef) string {
	return choice.Kind + "/" + choice.Namespace + "/" + choice.Name
}

// usersOf lists the Kustomizations of a source.
func usersOf(index refs.Index[*v1beta1.Kustomization]) catalog.Users {
	return func(ctx context.Context, choice catalog.ChartRef) []types.NamespacedName {
		return index.Find(ctx, client.MatchingFields{sourceIndex: sourceKey(choice)})
	}
}
