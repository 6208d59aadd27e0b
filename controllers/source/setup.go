package source

import (
	"context"
	"fmt"
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
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/fair"
)

// +kubebuilder:rbac:groups=fairlead.dev,resources=buckets;gitrepositories;helmrepositories;ocirepositories;helmcharts,verbs=get;list;watch
// +kubebuilder:rbac:groups=fairlead.dev,resources=buckets/status;gitrepositories/status;helmrepositories/status;ocirepositories/status;helmcharts/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups="";events.k8s.io,resources=events,verbs=create;patch

// Names of the field indexes. The first finds who made a choice of a source, the second which sources name a Secret.
const (
	choiceIndex  = "fairlead.choice"
	secretIndex  = "fairlead.secret"
	includeIndex = "fairlead.include" // which GitRepositories include one
)

// Options of the source controllers.
type Options struct {
	// Concurrency is the number of workers per kind. Polls do not hold a worker.
	Concurrency int
	// Now is the clock.
	Now func() time.Time
	// NoCrossNamespaceRefs has the choices of releases in other namespaces ignored. The release controller refuses them; here
	// it means that nothing is fetched for them either.
	NoCrossNamespaceRefs bool
}

// Setup adds the source controllers to the manager. ctx is the life of the polls.
func Setup(ctx context.Context, manager ctrl.Manager, catalog *Catalog, o Options) error {
	if err := index(ctx, manager.GetFieldIndexer(), o.NoCrossNamespaceRefs); err != nil {
		return err
	}
	s := &setup{ctx: ctx, manager: manager, catalog: catalog, options: o, shares: fair.New(polls, pollsPerNamespace)}
	return firstError(
		func() error {
			return addSource(s, v1beta1.BucketKind, catalog.pollBucket, newOf[v1beta1.Bucket])
		},
		func() error {
			return addSource(s, v1beta1.GitRepositoryKind, catalog.pollGitRepository, newOf[v1beta1.GitRepository])
		},
		func() error {
			return addSource(s, v1beta1.HelmRepositoryKind, catalog.pollHelmRepository, newOf[v1beta1.HelmRepository])
		},
		func() error {
			return addSource(s, v1beta1.OCIRepositoryKind, catalog.pollOCIRepository, newOf[v1beta1.OCIRepository])
		},
		func() error {
			return addSource(s, v1beta1.HelmChartKind, catalog.pollHelmChart, newOf[v1beta1.HelmChart])
		},
	)
}

// How many polls of all kinds run at the same time, and how many of those a namespace can have: polls hold connections and what
// is being unpacked.
const (
	polls             = 48
	pollsPerNamespace = 32
)

type setup struct {
	ctx     context.Context //nolint:containedctx // the life of the polls
	manager ctrl.Manager
	catalog *Catalog
	options Options
	shares  *fair.Shares // of all kinds
}

func newOf[T any]() *T { return new(T) }

func addSource[T sourceObject](s *setup, kind string, poll poller, empty func() T) error {
	waker := loop.NewWaker()
	h := &handler[T]{
		kind: kind, catalog: s.catalog, poll: redacting(poll), choices: choicesOf(s.manager.GetClient()),
		pace:   pacesOf(s.manager.GetClient()),
		tasks:  loop.NewTasks[polled](s.ctx, waker.Wake, s.options.Now).Within(s.shares),
		events: s.manager.GetEventRecorder("fairlead"),
		now:    s.options.Now, jitter: randomJitter, visits: map[types.NamespacedName]visit{},
	}
	s.catalog.onWake(kind, func(source Choice) {
		waker.Wake(types.NamespacedName{Namespace: source.Namespace, Name: source.Name})
	})
	controller := loop.Controller[T]{
		Name: kind, Empty: empty, Handler: h, Waker: waker, Concurrency: s.options.Concurrency,
	}
	if kind == v1beta1.HelmChartKind {
		// A HelmChart asks upstream for nothing itself: it looks again when the answer to its choice changes.
		s.catalog.Subscribe(wakeCharts(s.manager.GetClient(), h, waker))
		controller.Watches = Watches(func(ctx context.Context, source Choice) []types.NamespacedName {
			keys := chartsOf(ctx, s.manager.GetClient(), source)
			for _, key := range keys {
				h.expire(key)
			}
			return keys
		})
	} else {
		controller.Watches = []loop.Watch{{Object: &corev1.Secret{}, MetadataOnly: true, Affects: bySecret(s.manager.GetClient(), kind)}}
	}
	if kind == v1beta1.HelmRepositoryKind || v1beta1.HoldsDirectories(kind) {
		controller.Watches = append(controller.Watches, paceWatch(kind))
	}
	if kind == v1beta1.GitRepositoryKind {
		controller.Watches = append(controller.Watches, loop.Watch{Object: &v1beta1.GitRepository{}, When: hasNews(), Affects: s.including(h.expire)})
	}
	return loop.Setup(s.manager, controller)
}

// including finds the GitRepositories that include one. Their next poll is due at once.
func (s *setup) including(expire func(types.NamespacedName)) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, included client.Object) []reconcile.Request {
		list := &v1beta1.GitRepositoryList{}
		err := s.manager.GetClient().List(ctx, list, client.InNamespace(included.GetNamespace()), client.MatchingFields{includeIndex: included.GetName()})
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
func wakeCharts[T sourceObject](reader client.Reader, h *handler[T], waker *loop.Waker) func(context.Context, Choice) {
	return func(ctx context.Context, choice Choice) {
		for _, key := range chartsOf(ctx, reader, choice) {
			h.expire(key)
			waker.Wake(key)
		}
	}
}

// chartsOf lists the HelmCharts that made a choice, or any of a source.
func chartsOf(ctx context.Context, reader client.Reader, choice Choice) []types.NamespacedName {
	charts := &v1beta1.HelmChartList{}
	if err := reader.List(ctx, charts, client.MatchingFields{choiceIndex: choice.String()}); err != nil {
		return nil // the cache answers; it fails only while the process stops
	}
	keys := make([]types.NamespacedName, len(charts.Items))
	for i := range charts.Items {
		keys[i] = client.ObjectKeyFromObject(&charts.Items[i])
	}
	return keys
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
		list := newList(kind)
		err := reader.List(ctx, list, client.InNamespace(secret.GetNamespace()), client.MatchingFields{secretIndex: secret.GetName()})
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

// choicesOf lists what is asked of a source, each choice once.
func choicesOf(reader client.Reader) func(context.Context, Choice) ([]Choice, error) {
	return func(ctx context.Context, source Choice) ([]Choice, error) {
		match := client.MatchingFields{choiceIndex: source.String()}
		releases, charts := &v1beta1.HelmReleaseList{}, &v1beta1.HelmChartList{}
		if err := reader.List(ctx, releases, match); err != nil {
			return nil, fmt.Errorf("listing the releases of %s: %w", source, err)
		}
		if err := reader.List(ctx, charts, match); err != nil {
			return nil, fmt.Errorf("listing the HelmCharts of %s: %w", source, err)
		}
		seen := map[Choice]bool{}
		var choices []Choice
		add := func(choice Choice) {
			if !seen[choice] {
				seen[choice] = true
				choices = append(choices, choice)
			}
		}
		for i := range releases.Items {
			add(ChoiceOfRelease(&releases.Items[i]))
		}
		for i := range charts.Items {
			add(ChoiceOfChart(&charts.Items[i]))
		}
		return choices, nil
	}
}

// index makes releases and HelmCharts findable by their choice and by its source, and sources by their Secret.
func index(ctx context.Context, indexer client.FieldIndexer, ownNamespace bool) error {
	byChoice := func(choice Choice) []string {
		if choice.Chart == "" {
			return []string{choice.String()}
		}
		return []string{choice.String(), choice.source().String()}
	}
	bySecret := func(object client.Object) []string {
		var names []string
		for _, ref := range object.(sourceObject).GetSecretRefs() {
			if ref != nil && !slices.Contains(names, ref.Name) {
				names = append(names, ref.Name)
			}
		}
		return names
	}
	return firstError(
		func() error {
			return indexer.IndexField(ctx, &v1beta1.HelmRelease{}, choiceIndex, func(o client.Object) []string {
				choice := ChoiceOfRelease(o.(*v1beta1.HelmRelease))
				if ownNamespace && choice.Namespace != o.GetNamespace() {
					return nil
				}
				return byChoice(choice)
			})
		},
		func() error {
			return indexer.IndexField(ctx, &v1beta1.HelmChart{}, choiceIndex, func(o client.Object) []string {
				return byChoice(ChoiceOfChart(o.(*v1beta1.HelmChart)))
			})
		},
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

// ReleasesOf lists the releases that made a choice, or any of a source.
func ReleasesOf(ctx context.Context, reader client.Reader, choice Choice) []types.NamespacedName {
	releases := &v1beta1.HelmReleaseList{}
	if err := reader.List(ctx, releases, client.MatchingFields{choiceIndex: choice.String()}); err != nil {
		return nil // the cache answers; it fails only while the process stops
	}
	keys := make([]types.NamespacedName, len(releases.Items))
	for i := range releases.Items {
		keys[i] = client.ObjectKeyFromObject(&releases.Items[i])
	}
	return keys
}

func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
