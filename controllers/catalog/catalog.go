package catalog

import (
	"context"
	"io"
	"maps"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/egress"
	"fairlead.dev/fairlead/sources/git"
	"fairlead.dev/fairlead/sources/helmrepo"
	"fairlead.dev/fairlead/sources/quota"
	"fairlead.dev/fairlead/sources/store"
	"fairlead.dev/fairlead/sources/transport"
)

// Catalog answers which chart a choice stands for, from what the last polls found, and opens its archive.
type Catalog struct {
	// objects reads the cache of the manager.
	objects client.Reader
	// secrets reads Secrets from the API server; they are not kept in memory.
	secrets client.Reader
	store   *store.Store

	mu       sync.Mutex
	shelves  map[ChartRef]*sourceCache         // by source
	wakers   map[string]func(ChartRef)         // by kind of source: polls it
	interest []func(context.Context, ChartRef) // the subscribers to new answers
	awaited  map[ChartRef]bool                 // asked for while there was no answer
	fetches  map[fetchKey]*fetch               // archives that are being fetched
	indexes  *quota.Cache[*helmrepo.Index]
	packs    *quota.Meter
	network  *transport.Network

	composed     map[ChartRef]composed               // by ExternalArtifact: what was made for it last
	expansions   map[types.NamespacedName]*expansion // by generator
	compositions *fair.Shares
	ownNamespace bool

	kubeVersion func(context.Context) (string, error)
	kube        string // as it was known last

	// localTree is what stands for the upstream of a GitRepository; nil for none.
	localTree func(*v1beta1.GitRepository) *git.LocalTree
}

// SetKubeVersion has charts chosen that fit the cluster: of several versions the newest whose kubeVersion is that of
// the cluster. It is for setting up.
func (c *Catalog) SetKubeVersion(kubeVersion func(context.Context) (string, error)) {
	c.kubeVersion = kubeVersion
}

// cluster is the version that charts of a choice have to fit, empty for any.
func (c *Catalog) cluster(ctx context.Context, choice ChartRef) (string, error) {
	if c.kubeVersion == nil || choice.elsewhere {
		return "", nil
	}

	version, err := c.kubeVersion(ctx)
	if err != nil {
		return "", sources.Fail(v1beta1.FetchFailedReason, err, "asking for the version of the cluster")
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.kube = version
	return version, nil
}

// NewCatalog returns a catalog over an artifact store.
func NewCatalog(objects, secrets client.Reader, artifacts *store.Store) *Catalog {
	return &Catalog{
		objects: objects, secrets: secrets, store: artifacts, network: transport.NewNetwork(egress.Rules{}),
		shelves: map[ChartRef]*sourceCache{}, wakers: map[string]func(ChartRef){}, fetches: map[fetchKey]*fetch{},
		awaited: map[ChartRef]bool{}, composed: map[ChartRef]composed{},
		expansions:   map[types.NamespacedName]*expansion{},
		compositions: fair.New(compositions, compositionsPerNamespace),
		indexes:      quota.NewCache[*helmrepo.Index]("the parsed index of a HelmRepository", quota.Indexes),
		packs:        quota.NewMeter("what is received from Git servers for GitRepositories", quota.Packs, quota.PacksEach),
	}
}

// Reach has upstreams reached through a network, which may refuse addresses. It is for setting up.
func (c *Catalog) Reach(network *transport.Network) { c.network = network }

// Limit bounds the disk that artifacts take. What a source has as its artifact or answers a choice with stays. It is
// for setting up.
func (c *Catalog) Limit(b quota.Bounds) { c.store.Limit(b, c.held) }

// Subscribe calls tell with every choice whose answer may have changed. It is for setting up, before any poll.
func (c *Catalog) Subscribe(tell func(context.Context, ChartRef)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interest = append(c.interest, tell)
}

// Notify requeues every object that made the choice.
func (c *Catalog) Notify(ctx context.Context, choices ...ChartRef) {
	c.mu.Lock()
	interest := c.interest
	c.mu.Unlock()
	for _, choice := range choices {
		for _, tell := range interest {
			tell(ctx, choice)
		}
	}
}

// Chart returns the chart that a choice stands for now. It never waits: for an answer that is still being looked for
// the error IsPending, and the subscribers are notified when there is one. Other errors say why there is none; they
// have the methods Reason and Retryable.
func (c *Catalog) Chart(ctx context.Context, choice ChartRef) (v1beta1.ChartRevision, error) {
	source, err := c.source(ctx, choice)
	if err != nil {
		return v1beta1.ChartRevision{}, err
	}

	switch object := source.(type) {
	case *v1beta1.OCIRepository:
		return resolvedBySource(choice, object, object.Status.Chart)
	case *v1beta1.HelmChart:
		return resolvedBySource(choice, object, object.Status.Chart)
	case *v1beta1.ExternalArtifact:
		return resolvedBySource(choice, object, object.Status.Chart)
	}

	found, ok := c.pick(ctx, choice, source)
	switch {
	case ok && sources.Reason(found.err) == v1beta1.VerificationFailedReason:
		// objects that demand signatures report it, also while an earlier version runs
		return v1beta1.ChartRevision{}, found.err
	case ok && found.Revision.Digest != "":
		return found.Revision, nil
	case ok && found.err != nil:
		return v1beta1.ChartRevision{}, found.err
	}

	return v1beta1.ChartRevision{}, c.unknown(choice, source)
}

// unknown says why there is no answer to a choice yet, and triggers a poll of its source, unless that is suspended.
func (c *Catalog) unknown(choice ChartRef, source v1beta1.Source) error {
	if source.IsSuspended() {
		return unavailable(v1beta1.SourceNotReadyReason,
			"%s is not known yet, and %s %s/%s is suspended", choice, choice.Kind, choice.Namespace, choice.Name)
	}

	c.wake(choice)
	if reason, failed := failure(source); failed {
		return unavailable(v1beta1.SourceNotReadyReason, "%s is not known yet, because %s %s/%s is not ready: %s",
			choice, choice.Kind, choice.Namespace, choice.Name, reason)
	}

	return &pending{what: "looking for " + choice.String()}
}

// Last returns the chart that was found last for a choice, also while its source is not supported; false when none is
// known. It is no chart to install.
func (c *Catalog) Last(ctx context.Context, choice ChartRef) (v1beta1.ChartRevision, bool) {
	source, err := c.read(ctx, choice)
	if err != nil {
		return v1beta1.ChartRevision{}, false
	}

	var chart *v1beta1.ChartRevision
	switch object := source.(type) {
	case *v1beta1.OCIRepository:
		chart = object.Status.Chart
	case *v1beta1.HelmChart:
		chart = object.Status.Chart
	case *v1beta1.ExternalArtifact:
		chart = object.Status.Chart
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		if s := c.cacheOf(choice, source); s != nil {
			found := s.Picks[choice.String()].Revision
			chart = &found
		}
	}

	if chart == nil || chart.Digest == "" {
		return v1beta1.ChartRevision{}, false
	}

	return *chart, true
}

// resolvedBySource answers for a source that is one chart.
func resolvedBySource(
	choice ChartRef, source v1beta1.Source, chart *v1beta1.ChartRevision,
) (v1beta1.ChartRevision, error) {
	if chart != nil {
		return *chart, nil
	}
	if source.GetArtifact() != nil && status.IsReady(source) {
		return v1beta1.ChartRevision{}, noChart(choice)
	}
	if reason, failed := failure(source); failed {
		return v1beta1.ChartRevision{}, unavailable(v1beta1.SourceNotReadyReason, "%s is not ready: %s", choice, reason)
	}

	return v1beta1.ChartRevision{}, &pending{what: "waiting for " + choice.String()}
}

func noChart(choice ChartRef) error {
	return unavailable(v1beta1.InvalidContentReason,
		"%s holds manifests and no helm chart; the controller continues when it holds one", choice)
}

// failure returns what a source says of its last failure, when it has failed at its current generation.
func failure(source v1beta1.Source) (message string, failed bool) {
	if source.GetObservedGeneration() != source.GetGeneration() || status.IsReady(source) || status.Message(source) == "" {
		return "", false
	}
	return status.Message(source), true
}

// source reads the source of a choice, which has to be supported.
func (c *Catalog) source(ctx context.Context, choice ChartRef) (v1beta1.Source, error) {
	object, err := c.read(ctx, choice)
	if err != nil {
		return nil, err
	}
	if err := Supported(object); err != nil {
		return nil, unavailable(v1beta1.SourceNotReadyReason, "%s %s/%s: %s", choice.Kind, choice.Namespace,
			choice.Name, err)
	}
	return object, nil
}

// read reads the source of a choice.
func (c *Catalog) read(ctx context.Context, choice ChartRef) (v1beta1.Source, error) {
	object := NewSource(choice.Kind)
	if object == nil {
		return nil, sources.Stall(v1beta1.InvalidReferenceReason, nil, "%q is not a kind of source", choice.Kind)
	}

	key := types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}
	err := c.objects.Get(ctx, key, object)
	if apierrors.IsNotFound(err) {
		return nil, unavailable(v1beta1.SourceNotFoundReason,
			"%s %s does not exist; the controller continues when it is created", choice.Kind, key)
	}
	if err != nil {
		return nil, sources.Fail(v1beta1.SourceNotReadyReason, err, "reading %s %s", choice.Kind, key)
	}
	return object, nil
}

// cacheOf returns the cache of a source, from memory or as an earlier process left it; nil when there is none. The
// caller holds the lock.
func (c *Catalog) cacheOf(choice ChartRef, source v1beta1.Source) *sourceCache {
	key := choice.Source()
	if s := c.shelves[key]; s != nil && s.URL == address(source) {
		return s
	}
	s := newSourceCache("")
	if ok, err := c.store.Bound(cacheName(source), s); err != nil || !ok || s.URL != address(source) || s.Picks == nil {
		return nil
	}
	s.holder = holderOf(source)
	c.shelves[key] = s
	return s
}

// put replaces the cache of a source and returns the choices whose answer is another one now. The errors of answers
// are shown to who has made the choice.
func (c *Catalog) put(
	ctx context.Context, key ChartRef, source v1beta1.Source, s *sourceCache, choices []ChartRef,
) ([]ChartRef, error) {
	s.holder = holderOf(source)
	hidePicks(ctx, s)
	kept := s.copy()
	c.mu.Lock()
	before := c.cacheOf(key, source)
	c.shelves[key] = s
	var changed []ChartRef
	for _, choice := range choices {
		if before == nil || c.awaited[choice] || !sameAnswer(before.Picks[choice.String()], s.Picks[choice.String()]) {
			changed = append(changed, choice)
		}
		delete(c.awaited, choice)
	}
	c.mu.Unlock()
	return changed, c.store.Bind(cacheName(source), kept)
}

// before returns a copy of the cache of the last poll, an empty one when there is none.
func (c *Catalog) before(key ChartRef, source v1beta1.Source) *sourceCache {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.cacheOf(key, source); s != nil {
		return s.copy()
	}
	return newSourceCache(address(source))
}

// Unused reports whether a source is a registry in which no chart was found. Its artifact is the list of what was
// found.
func (c *Catalog) Unused(key ChartRef, source v1beta1.Source) bool {
	repository, is := source.(*v1beta1.HelmRepository)
	if !is || !repository.IsOCI() {
		return false
	}
	for _, found := range c.before(key, source).Picks {
		if found.Revision.Digest != "" {
			return false
		}
	}
	return true
}

// Answered reports whether a source has an answer to each choice: on its cache, or in its status when it stands for
// one chart, which is on no cache. An answer that it finds in the index is news to those whose choice it is, who may have
// had another one before.
func (c *Catalog) Answered(ctx context.Context, source v1beta1.Source, choices []ChartRef) bool {
	if isOneChart(source) {
		choices = ofValues(choices)
	}
	for _, choice := range choices {
		known := c.isOnShelf(choice, source)
		if _, ok := c.pick(ctx, choice, source); !ok {
			return false
		}
		if !known {
			c.Notify(ctx, choice)
		}
	}
	return true
}

// isOnShelf reports whether the cache of a source has an answer to a choice.
func (c *Catalog) isOnShelf(choice ChartRef, source v1beta1.Source) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.cacheOf(choice, source)
	if s == nil {
		return false
	}
	_, known := s.Picks[choice.String()]
	return known
}

// Forget drops what the last poll of a source found.
func (c *Catalog) Forget(key ChartRef) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.shelves, key)
	delete(c.composed, key)
	maps.DeleteFunc(c.awaited, func(choice ChartRef, _ bool) bool { return choice.Source() == key })
}

// OnWake sets what has a source of a kind polled. It is for setting up.
func (c *Catalog) OnWake(kind string, wake func(ChartRef)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wakers[kind] = wake
}

// wake has the source of a choice polled.
func (c *Catalog) wake(choice ChartRef) {
	c.mu.Lock()
	wake := c.wakers[choice.Kind]
	c.mu.Unlock()
	if wake != nil {
		wake(choice.Source())
	}
}

// Archive opens the archive of a chart that Chart returned for the choice. When the cache has lost it, it is fetched
// again from upstream by its digest, once for all who ask the same source at the same time. So it is when the source
// has other credentials than those that it was fetched with, unless the object that asks has this chart already. It
// waits, so it is not for workers.
func (c *Catalog) Archive(
	ctx context.Context, choice ChartRef, want v1beta1.ChartRevision, has bool,
) (io.ReadCloser, error) {
	view, digest, err := c.ensure(ctx, choice, want, has)
	if err != nil {
		return nil, err
	}
	archive, err := view.Open(digest)
	if !store.IsMissing(err) {
		return archive, err
	}
	// It was there a moment ago: it is broken, and was removed for it.
	if view, digest, err = c.ensure(ctx, choice, want, has); err != nil {
		return nil, err
	}
	return view.Open(digest)
}
