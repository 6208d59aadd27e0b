package release

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	helmchart "helm.sh/helm/v3/pkg/chart"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/release"
)

// +kubebuilder:rbac:groups=fairlead.dev,resources=helmreleases,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=fairlead.dev,resources=helmreleases/status,verbs=patch
// +kubebuilder:rbac:groups=fairlead.dev,resources=releasefreezes;releasepipelines,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets;configmaps,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get;list;watch;impersonate
// +kubebuilder:rbac:groups="",resources=serviceaccounts/token,verbs=create
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=list;watch
// +kubebuilder:rbac:groups=apiregistration.k8s.io,resources=apiservices,verbs=list;watch

// recordsIndex is the field index of releases by their records, whatever their cluster, and placesIndex that by the
// cluster and the records on it.
const recordsIndex, placesIndex = "fairlead.records", "fairlead.places"

// Options of the release controller.
type Options struct {
	// Concurrency is the number of workers. Helm actions do not hold one.
	Concurrency int
	// Engine carries out the actions.
	Engine release.Engine
	// Namesake finds a Helm release of the same name that has its records in the same place; nil finds none.
	Namesake func(ctx context.Context, access cluster.Access, target plan.Target) (*plan.Namesake, error)
	// Live reads live objects.
	Live Live
	// Changes of release records by others, and of live objects; nil for none.
	Changes *Changes
	// Approvers says whether the API server checks who approves a plan.
	Approvers *refs.Approvers
	// NoFreezes leaves ReleaseFreezes out: a controller of some namespaces has no right to objects of the whole
	// cluster.
	NoFreezes bool
	// Now is the clock.
	Now func() time.Time
	// Connect reaches the objects of other kinds that releases depend on.
	Connect refs.Connect
	// DefaultServiceAccount is whom releases act as that name no ServiceAccount, in the namespace of each; empty is the
	// controller itself.
	DefaultServiceAccount string
	// NoCrossNamespaceRefs refuses references to sources, charts and dependencies in other namespaces.
	NoCrossNamespaceRefs bool
}

// Setup adds the release controller to the manager. ctx is the life of the actions.
func Setup(ctx context.Context, manager ctrl.Manager, c *catalog.Catalog, o Options) error {
	cached := manager.GetClient()
	live := manager.GetAPIReader()
	index := indexOf(cached, o.DefaultServiceAccount)
	if err := addIndexes(ctx, index, manager.GetFieldIndexer()); err != nil {
		return err
	}

	expressions, err := refs.NewExpressions()
	if err != nil {
		return err
	}

	waker := loop.NewWaker()
	load, fetch := charts(c)
	h := &handler{
		runner: &release.Runner{
			Engine: o.Engine, Charts: load, Fetch: fetch, Now: o.Now, Namesake: o.Namesake,
		},
		gatherer: newGatherer(c, readers{
			cached: cached, live: live, expressions: expressions, tokens: refs.TokensOf(cached),
			dependencyWatcher: refs.NewDependencyWatcher(ctx, refs.Connected{Connect: o.Connect, Watch: tracker.Follow}, waker.Wake, o.Now)}, o),
		tasks:    loop.NewTasks[actionResult](ctx, waker.WakeFirst, o.Now),
		readings: newReadings(ctx, o.Engine, waker.Wake, o.Now),
		events:   manager.GetEventRecorder("fairlead"),
		now:      o.Now, jitter: loop.Random,
		steps: map[types.NamespacedName]*step{}, compared: map[types.NamespacedName]release.Comparison{},
		watcher: newWatcher(o.Live, loop.NewTasks[[]v1beta1.ObjectHealth](ctx, waker.Wake, o.Now), o.Now, loop.Random),
	}
	h.owners = owners{objects: cached, namesakes: func(ctx context.Context, storageNamespace, name string) []types.NamespacedName {
		return index.Find(ctx, client.MatchingFields{recordsIndex: recordsKey(storageNamespace, name)})
	}, wake: waker.Wake}
	h.plans = newPlans(cached)
	h.runner.KeepPlan = h.plans.keep
	h.runner.NotAttributable = h.notAttributable
	h.runner.Owner = h.owners.other
	registerInFlight(h.tasks.Count)
	publishState()
	if o.Changes != nil {
		o.Changes.listen(
			func(of, storageNamespace, name string) {
				place := placeKey(of, storageNamespace, name)
				guard.Go("waking releases", func() { wake(ctx, index, waker.Wake, place) })
			},
			func(owner types.NamespacedName) { h.wakeFor(owner, waker) },
		)
	}

	users := func(ctx context.Context, choice catalog.ChartRef) []types.NamespacedName {
		return append(catalog.ReleasesOf(ctx, cached, choice), catalog.ValuesUsersOf(ctx, cached, choice)...)
	}
	c.Subscribe(func(ctx context.Context, choice catalog.ChartRef) {
		for _, key := range users(ctx, choice) {
			waker.Wake(key)
		}
	})
	return loop.Setup(manager, loop.Controller[*v1beta1.HelmRelease]{
		Name: v1beta1.HelmReleaseKind, Empty: func() *v1beta1.HelmRelease { return &v1beta1.HelmRelease{} },
		Handler: h, Finalizer: v1beta1.Finalizer, FormerFinalizer: v1beta1.FormerFinalizer, Waker: waker, Concurrency: o.Concurrency,
		Watches: append(append(catalog.Watches(users), index.Watches(refs.Freed())...), h.moreWatches()...),
	})
}

// addIndexes makes releases findable by what they refer to, and Approvals by the release that they are about.
func addIndexes(ctx context.Context, index refs.Index[*v1beta1.HelmRelease], to client.FieldIndexer) error {
	if err := index.AddTo(ctx, to); err != nil {
		return fmt.Errorf("indexing releases: %w", err)
	}
	return refs.IndexApprovals(ctx, to)
}

// wakeFor looks again at the HelmRelease whose objects changed, unless it is being worked on, after which that
// happens anyway.
func (h *handler) wakeFor(owner types.NamespacedName, waker *loop.Waker) {
	if _, running := h.tasks.Running(owner); !running {
		waker.Wake(owner)
	}
}

// How many charts are loaded at the same time, and how many of those a namespace can have: loading holds an archive
// and what is unpacked of it.
const (
	loads             = 32
	loadsPerNamespace = 24
)

// charts loads charts from the catalog, each parsed once. fetch waits for upstream, so that load has not to.
func charts(c *catalog.Catalog) (
	load release.Charts, fetch func(context.Context, *v1beta1.HelmRelease, v1beta1.ChartRevision) error,
) {
	cache := chart.NewCache(chart.DefaultBudget)
	// An upstream that never answers keeps others from fetching at worst, not from loading what is there.
	shares := fair.New(loads, loadsPerNamespace)
	fetches := fair.New(loads, loadsPerNamespace)
	load = func(
		ctx context.Context, hr *v1beta1.HelmRelease, revision v1beta1.ChartRevision,
	) (loaded *helmchart.Chart, err error) {
		choice := c.ChoiceFor(ctx, hr, revision)
		has := consistsOf(hr, revision)
		from, err := c.Identity(ctx, choice, has)
		if err != nil {
			return nil, err
		}

		err = shares.Do(ctx, hr.Namespace, func() error {
			loaded, err = cache.Load(from, revision, func() (io.ReadCloser, error) {
				return c.Archive(ctx, choice, revision, has)
			})
			return err
		})
		return loaded, err
	}
	fetch = func(ctx context.Context, hr *v1beta1.HelmRelease, revision v1beta1.ChartRevision) error {
		choice := c.ChoiceFor(ctx, hr, revision)
		has := consistsOf(hr, revision)
		from, err := c.Identity(ctx, choice, has)
		if err != nil || cache.Has(from, revision) {
			return err
		}

		return fetches.Do(ctx, hr.Namespace, func() error {
			archive, err := c.Archive(ctx, choice, revision, has)
			if err != nil {
				return err
			}

			return archive.Close()
		})
	}
	return load, fetch
}

// consistsOf reports whether status.history has a revision with the digest of a chart. The release keeps access to
// such a chart when the credentials of the source change.
func consistsOf(hr *v1beta1.HelmRelease, chart v1beta1.ChartRevision) bool {
	return slices.ContainsFunc(hr.Status.History, func(s v1beta1.Snapshot) bool {
		return s.ChartDigest == chart.Digest
	})
}

// indexOf finds releases by what they refer to.
func indexOf(reader client.Reader, defaultServiceAccount string) refs.Index[*v1beta1.HelmRelease] {
	return refs.Index[*v1beta1.HelmRelease]{
		Kind: v1beta1.HelmReleaseKind, Empty: func() *v1beta1.HelmRelease { return &v1beta1.HelmRelease{} },
		List: func() client.ObjectList { return &v1beta1.HelmReleaseList{} }, Documents: documentsOf,
		Account: func(hr *v1beta1.HelmRelease) string { return hr.GetServiceAccountName(defaultServiceAccount) },
		More: map[string]func(*v1beta1.HelmRelease) []string{
			recordsIndex: func(hr *v1beta1.HelmRelease) []string {
				return []string{recordsKey(hr.GetStorageNamespace(), hr.GetReleaseName())}
			},
			placesIndex: func(hr *v1beta1.HelmRelease) []string { return []string{placeOf(hr)} },
		},
		Reader: reader,
	}
}

// wake requeues the releases whose records, at a place, another client wrote.
func wake(
	ctx context.Context, index refs.Index[*v1beta1.HelmRelease], wake func(types.NamespacedName), place string,
) {
	for _, key := range index.Find(ctx, client.MatchingFields{placesIndex: place}) {
		wake(key)
	}
}
