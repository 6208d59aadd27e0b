package source

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/process/fair"
)

// +kubebuilder:rbac:groups=fairlead.dev,resources=buckets;gitrepositories;helmrepositories;ocirepositories;helmcharts,verbs=get;list;watch
// +kubebuilder:rbac:groups=fairlead.dev,resources=buckets/status;gitrepositories/status;helmrepositories/status;ocirepositories/status;helmcharts/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups="";events.k8s.io,resources=events,verbs=create;patch

// Names of the field indexes. The first finds which sources name a Secret.
const (
	secretIndex  = "fairlead.secret"
	includeIndex = "fairlead.include" // which GitRepositories include one
)

// Options of the source controllers.
type Options struct {
	// Concurrency is the number of workers per kind. Polls do not hold a worker.
	Concurrency int
	// Now is the clock.
	Now func() time.Time
	// NoCrossNamespaceRefs has the choices of releases in other namespaces ignored. The release controller refuses them;
	// here it means that nothing is fetched for them either.
	NoCrossNamespaceRefs bool
}

// Setup adds the source controllers to the manager. ctx is the life of the polls.
func Setup(ctx context.Context, manager ctrl.Manager, charts *catalog.Catalog, o Options) error {
	if err := catalog.Index(ctx, manager.GetFieldIndexer(), o.NoCrossNamespaceRefs); err != nil {
		return err
	}
	if err := index(ctx, manager.GetFieldIndexer()); err != nil {
		return err
	}

	if o.NoCrossNamespaceRefs {
		charts.RefuseOtherNamespaces()
	}

	s := &setup{ctx: ctx, manager: manager, catalog: charts, options: o, shares: fair.New(polls, pollsPerNamespace)}
	return firstError(
		func() error {
			return addSource(s, v1beta1.BucketKind, newOf[v1beta1.Bucket])
		},
		func() error {
			return addSource(s, v1beta1.GitRepositoryKind, newOf[v1beta1.GitRepository])
		},
		func() error {
			return addSource(s, v1beta1.HelmRepositoryKind, newOf[v1beta1.HelmRepository])
		},
		func() error {
			return addSource(s, v1beta1.OCIRepositoryKind, newOf[v1beta1.OCIRepository])
		},
		func() error {
			return addSource(s, v1beta1.HelmChartKind, newOf[v1beta1.HelmChart])
		},
		func() error {
			return addSource(s, v1beta1.ExternalArtifactKind, newOf[v1beta1.ExternalArtifact])
		},
	)
}

// How many polls of all kinds run at the same time, and how many of those a namespace can have: polls hold connections
// and what is being unpacked.
const (
	polls             = 48
	pollsPerNamespace = 32
)

type setup struct {
	ctx     context.Context //nolint:containedctx // the life of the polls
	manager ctrl.Manager
	catalog *catalog.Catalog
	options Options
	shares  *fair.Shares // of all kinds
}

func newOf[T any]() *T { return new(T) }

func addSource[T catalog.Object](s *setup, kind string, empty func() T) error {
	waker := loop.NewWaker()
	h := &handler[T]{
		kind: kind, catalog: s.catalog, poll: s.catalog.Poll, choices: catalog.ChoicesOf(s.manager.GetClient()),
		pace:   catalog.PacesOf(s.manager.GetClient()),
		tasks:  loop.NewTasks[polled](s.ctx, waker.Wake, s.options.Now).Within(s.shares),
		events: s.manager.GetEventRecorder("fairlead"),
		now:    s.options.Now, jitter: loop.Random, visits: map[types.NamespacedName]visit{},
	}
	s.catalog.OnWake(kind, func(source catalog.ChartRef) {
		waker.Wake(types.NamespacedName{Namespace: source.Namespace, Name: source.Name})
	})
	controller := loop.Controller[T]{
		Name: kind, Empty: empty, Handler: h, Waker: waker, Concurrency: s.options.Concurrency,
	}
	if kind == v1beta1.HelmChartKind {
		// A HelmChart asks upstream for nothing itself: it looks again when the answer to its choice changes.
		s.catalog.Subscribe(wakeCharts(s.manager.GetClient(), h, waker))
		controller.Watches = catalog.Watches(func(ctx context.Context, source catalog.ChartRef) []types.NamespacedName {
			keys := catalog.ChartsOf(ctx, s.manager.GetClient(), source)
			for _, key := range keys {
				h.expire(key)
			}

			return keys
		})
	} else {
		controller.Watches = []loop.Watch{
			{Object: &corev1.Secret{}, MetadataOnly: true, Affects: bySecret(s.manager.GetClient(), kind)},
		}
	}

	if kind == v1beta1.ExternalArtifactKind {
		controller.Watches = artifactWatches(s.manager.GetClient(), h.expire)
	}
	if kind == v1beta1.HelmRepositoryKind {
		controller.Watches = append(controller.Watches, skipWatch())
	}
	if kind == v1beta1.HelmRepositoryKind || v1beta1.HoldsDirectories(kind) {
		controller.Watches = append(controller.Watches, paceWatch(kind))
	}
	if kind == v1beta1.GitRepositoryKind {
		controller.Watches = append(controller.Watches,
			loop.Watch{Object: &v1beta1.GitRepository{}, When: catalog.HasNews(), Affects: s.including(h.expire)})
	}

	return loop.Setup(s.manager, controller)
}

// including finds the GitRepositories that include one. Their next poll is due at once.
func (s *setup) including(expire func(types.NamespacedName)) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, included client.Object) []reconcile.Request {
		list := &v1beta1.GitRepositoryList{}
		err := s.manager.GetClient().List(ctx, list, client.InNamespace(included.GetNamespace()),
			client.MatchingFields{includeIndex: included.GetName()})
		if err != nil {
			return nil // the cache answers; it fails only while the process stops
		}

		found := requests(list)
		for _, request := range found {
			expire(request.NamespacedName)
		}

		return found
	}
}

// wakeCharts has the HelmCharts look again that made a choice.
func wakeCharts[T catalog.Object](
	reader client.Reader, h *handler[T], waker *loop.Waker,
) func(context.Context, catalog.ChartRef) {
	return func(ctx context.Context, choice catalog.ChartRef) {
		for _, key := range catalog.ChartsOf(ctx, reader, choice) {
			h.expire(key)
			waker.Wake(key)
		}
	}
}

// expire makes the next poll of a source due at once.
func (h *handler[T]) expire(key types.NamespacedName) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.visits, key)
}

// bySecret finds the sources of a kind that name a Secret.
func bySecret(reader client.Reader, kind string) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, secret client.Object) []reconcile.Request {
		list := catalog.NewList(kind)
		err := reader.List(ctx, list, client.InNamespace(secret.GetNamespace()),
			client.MatchingFields{secretIndex: secret.GetName()})
		if err != nil {
			return nil
		}
		return requests(list)
	}
}

func requests(list client.ObjectList) []reconcile.Request {
	var found []reconcile.Request
	// The function below never fails, and neither does the list of a known kind.
	_ = meta.EachListItem(list, func(item runtime.Object) error {
		found = append(found, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(item.(client.Object))})
		return nil
	})
	return found
}

// index makes sources findable by their Secret, and GitRepositories by what they include.
func index(ctx context.Context, indexer client.FieldIndexer) error {
	bySecret := func(object client.Object) []string {
		var names []string
		for _, ref := range object.(catalog.Object).GetSecretRefs() {
			if ref != nil && !slices.Contains(names, ref.Name) {
				names = append(names, ref.Name)
			}
		}

		return names
	}
	return firstError(
		func() error { return indexer.IndexField(ctx, &v1beta1.Bucket{}, secretIndex, bySecret) },
		func() error { return indexer.IndexField(ctx, &v1beta1.GitRepository{}, secretIndex, bySecret) },
		func() error {
			return indexer.IndexField(ctx, &v1beta1.GitRepository{}, includeIndex, func(o client.Object) []string {
				included := o.(*v1beta1.GitRepository).Spec.Include
				names := make([]string, 0, len(included))
				for _, include := range included {
					names = append(names, include.GitRepositoryRef.Name)
				}

				return names
			})
		},
		func() error { return indexer.IndexField(ctx, &v1beta1.HelmRepository{}, secretIndex, bySecret) },
		func() error { return indexer.IndexField(ctx, &v1beta1.OCIRepository{}, secretIndex, bySecret) },
	)
}

func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
