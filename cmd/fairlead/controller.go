package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/generator"
	"fairlead.dev/fairlead/controllers/kustomization"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/pipeline"
	"fairlead.dev/fairlead/controllers/receiver"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/controllers/release"
	"fairlead.dev/fairlead/controllers/source"
	"fairlead.dev/fairlead/helmops/engine"
	target "fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/build"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/process/worker"
	"fairlead.dev/fairlead/sources/egress"
	"fairlead.dev/fairlead/sources/store"
	"fairlead.dev/fairlead/sources/transport"
)

const (
	// maxRemoteClusters and remoteClusterIdle bound what is kept in memory of clusters that a kubeconfig names.
	maxRemoteClusters = 256
	remoteClusterIdle = 10 * time.Minute
	// gcPercent is half of Go's default: most of what a rendering allocates is garbage at once, and ten MiB less at the peak are
	// worth a quarter more processor time, of which there is little. GOGC overrides it.
	gcPercent = 50
	// readyTimeout is how long the check of readiness may take.
	readyTimeout = 500 * time.Millisecond
)

// controllerFlags are the flags of the controller.
type controllerFlags struct {
	kubeconfig  string
	cacheDir    string
	concurrency int
	minInterval time.Duration
	namespaces  []string
	metricsAddr string
	healthAddr  string
	hookAddr    string
	logLevel    string
	leader      leaderFlags
	tenancy     tenancy
	cache       cacheFlags
}

func newControllerCommand() *cobra.Command {
	var flags controllerFlags
	command := &cobra.Command{
		Use:   "controller",
		Short: "Run the controllers",
		Long: `Run all controllers of Fairlead in the foreground until interrupted: those that fetch from Git repositories, Helm
repositories and OCI registries, the one that applies Kustomizations, and the one that installs and upgrades Helm
releases.

Logs are JSON lines on stderr. SIGTERM and Ctrl-C stop the process within seconds, also in the middle of a rollout: the
next process continues it.`,
		Example: `  # in a cluster, with the identity of the pod
  fairlead controller --leader-elect

  # on a workstation, against the current context
  fairlead controller --kubeconfig ~/.kube/config --cache-dir /tmp/fairlead

  # for two namespaces only
  fairlead controller --namespaces apps,infra

  # for tenants who do not trust each other, with a registry inside the cluster
  fairlead controller --tenancy strict --allow-upstream-cidrs 10.96.12.7/32`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := flags.tenancy.complete(command.Flags()); err != nil {
				return err
			}
			return runController(command.Context(), flags)
		},
	}
	f := command.Flags()
	f.StringVar(&flags.kubeconfig, "kubeconfig", "", "file to connect with; left out, KUBECONFIG, then the identity of the pod, then ~/.kube/config")
	f.StringVar(&flags.cacheDir, "cache-dir", defaultCacheDir(), "directory of the artifact cache; what is lost there is fetched again")
	f.IntVar(&flags.concurrency, "concurrency", 4, "workers per kind; polls, Helm actions and waits do not hold one")
	f.DurationVar(&flags.minInterval, "min-interval", v1beta1.DefaultMinInterval,
		"least interval of sources, releases and Kustomizations, and least retryInterval; a shorter one counts as this")
	f.StringSliceVar(&flags.namespaces, "namespaces", nil, "look only at objects in these namespaces, separated by commas; all when left out")
	f.StringVar(&flags.metricsAddr, "metrics-addr", ":8080", "address that serves Prometheus metrics at /metrics; 0 for none")
	f.StringVar(&flags.healthAddr, "health-addr", ":8081", "address that serves /healthz and /readyz; 0 for none")
	f.StringVar(&flags.hookAddr, "receiver-addr", ":9292", "address at which Receivers are called; 0 for none")
	flags.tenancy.register(f)
	flags.cache.register(f)
	f.StringVar(&flags.logLevel, "log-level", "info", "least level that is logged: debug, info, warn or error")
	f.BoolVar(&flags.leader.elect, "leader-elect", false, "let only one of several replicas work")
	f.StringVar(&flags.leader.namespace, "leader-elect-namespace", "", "namespace of the lease; that of the pod when left out")
	f.DurationVar(&flags.leader.lease, "lease-duration", 35*time.Second, "how long after its last renewal another replica takes the lease")
	f.DurationVar(&flags.leader.renew, "renew-deadline", 30*time.Second, "how long after its last renewal a replica stops to work; less than the lease")
	f.DurationVar(&flags.leader.retry, "retry-period", 5*time.Second, "how often the lease is renewed, or tried for")
	return command
}

func defaultCacheDir() string {
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "fairlead")
	}
	return filepath.Join(os.TempDir(), "fairlead")
}

// runController wires the controllers and runs them until the process is asked to stop.
func runController(parent context.Context, flags controllerFlags) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(flags.logLevel)); err != nil {
		return fmt.Errorf("--log-level %q: want debug, info, warn or error", flags.logLevel)
	}
	if flags.concurrency < 1 {
		return fmt.Errorf("--concurrency %d: want at least 1", flags.concurrency)
	}
	if err := errors.Join(flags.leader.complete(podNamespace(namespaceFile)), flags.cache.check()); err != nil {
		return err
	}
	if flags.minInterval < time.Second {
		return fmt.Errorf("--min-interval %s: want at least 1s", flags.minInterval)
	}
	v1beta1.SetMinInterval(flags.minInterval)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	loop.CatchFaults()
	ctx, stop := context.WithCancel(parent)
	defer stop()

	config, err := restConfig(flags.kubeconfig)
	if err != nil {
		return err
	}
	artifacts, err := store.Open(flags.cacheDir)
	if err != nil {
		return fmt.Errorf("opening the artifact cache: %w", err)
	}
	defer artifacts.Close()
	publishProcess(artifacts)
	elector, guarded, guard := flags.leader.fence(config, time.Now)
	manager, err := newManager(elector, flags)
	if err != nil {
		return err
	}
	shares, guarded := paced(guarded, time.Now)
	to, err := target.New(guarded)
	if err != nil {
		return err
	}
	remote := target.NewPool(maxRemoteClusters, remoteClusterIdle, time.Now)
	defer remote.Close()
	remote.WrapTransport(guard)
	pool := newPool()
	defer pool.Close()
	upstreams, err := flags.tenancy.upstreams(func() ([]netip.Prefix, error) { return serviceRangesOf(ctx, config) })
	if err != nil {
		return err
	}
	remote.Restrict(upstreams)
	places := clusters{local: to, remote: remote, shares: shares, pool: pool, upstreams: upstreams}
	if err := addControllers(ctx, manager, places, artifacts, flags); err != nil {
		return err
	}
	ctrl.Log.Info("starting", "server", config.Host, "cacheDir", flags.cacheDir, "namespaces", strings.Join(flags.namespaces, ","),
		"tenancy", flags.tenancy.mode)
	return flags.leader.ended(ctx, manager.Start(ctx))
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding a cluster: %w", err)
	}

	config.UserAgent = "fairlead"
	config.Proxy = environmentProxy(config)
	config.QPS = -1
	config.Burst = 0 // the API server's own fairness decides
	return config, nil
}

func newManager(config *rest.Config, flags controllerFlags) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1beta1.AddToScheme(scheme)); err != nil {
		return nil, err
	}

	config = rest.CopyConfig(config)
	config.Wrap(target.EventsInTurn())
	shutdown := time.Duration(0) // workers hold nothing that has to be finished
	manager, err := ctrl.NewManager(config, flags.leader.options(ctrl.Options{
		Scheme:                  scheme,
		Cache:                   cacheOptions(flags.namespaces),
		Metrics:                 metricsserver.Options{BindAddress: flags.metricsAddr},
		HealthProbeBindAddress:  flags.healthAddr,
		GracefulShutdownTimeout: &shutdown,
	}))
	if err != nil {
		return nil, fmt.Errorf("setting up the manager: %w", err)
	}

	return manager, errors.Join(
		manager.AddHealthzCheck("healthz", healthz.Ping),
		manager.AddReadyzCheck("readyz", cacheSynced(manager.GetCache())),
	)
}

// cacheSynced is ready once the objects are in memory.
func cacheSynced(objects cache.Cache) healthz.Checker {
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), readyTimeout)
		defer cancel()
		if !objects.WaitForCacheSync(ctx) {
			return errors.New("the objects are still being read")
		}
		return nil
	}
}

// cacheOptions keeps in memory what is watched and no more: of Secrets and ConfigMaps only that they changed, and of Secrets
// not the Helm release records.
func cacheOptions(namespaces []string) cache.Options {
	options := cache.Options{
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			metadataOf("Secret"): {
				Field:     fields.OneTermNotEqualSelector("type", "helm.sh/release.v1"),
				Transform: stripMetadata,
			},
			metadataOf("ConfigMap"):      {Transform: stripConfigMap},
			metadataOf("ServiceAccount"): {Transform: stripMetadata},
		},
	}
	for _, namespace := range namespaces {
		if options.DefaultNamespaces == nil {
			options.DefaultNamespaces = map[string]cache.Config{}
		}
		options.DefaultNamespaces[namespace] = cache.Config{}
	}

	return options
}

func metadataOf(kind string) client.Object {
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	return metadata
}

// stripMetadata keeps the name and version of an object that is watched only to know when it changes.
func stripMetadata(object any) (any, error) {
	if metadata, ok := object.(*metav1.PartialObjectMetadata); ok {
		metadata.ManagedFields = nil
		metadata.Annotations = nil
		metadata.Labels = nil
		metadata.OwnerReferences = nil
	}
	return object, nil
}

// stripConfigMap is stripMetadata, but keeps what a pipeline looks for in its ConfigMaps with shared values.
func stripConfigMap(object any) (any, error) {
	metadata, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}

	label := metadata.Labels[v1beta1.PipelineLabel]
	digest := metadata.Annotations[v1beta1.ValuesDigestAnnotation]
	owner := metav1.GetControllerOf(metadata)
	if _, err := stripMetadata(metadata); err != nil || label == "" || owner == nil || len(digest) > maxDigest {
		return object, err
	}

	metadata.Labels = map[string]string{v1beta1.PipelineLabel: label}
	metadata.Annotations = map[string]string{v1beta1.ValuesDigestAnnotation: digest}
	metadata.OwnerReferences = []metav1.OwnerReference{*owner}
	return object, nil
}

// maxDigest bounds what is kept of an annotation that every client can write.
const maxDigest = 128

// clusters are where releases are made.
type clusters struct {
	local  *target.Cluster
	remote *target.Pool
	// shares are those of what works on the local one.
	shares *fair.Shares
	// pool renders what is put there.
	pool *worker.Pool
	// upstreams are the addresses that sources may have.
	upstreams egress.Rules
}

// kubeVersionOf tells the version of a cluster, which charts have to fit.
func kubeVersionOf(cluster *target.Cluster) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		found, err := cluster.Capabilities(ctx)
		if err != nil {
			return "", err
		}
		return found.KubeVersion.Version, nil
	}
}

func addControllers(ctx context.Context, manager ctrl.Manager, to clusters, artifacts *store.Store, flags controllerFlags) error {
	changed := release.NewChanges()
	engine := engine.New(ctx, engine.Config{
		Local: to.local, Remote: to.remote, Shares: to.shares, Pool: to.pool, Now: time.Now,
		OnRecordChanged: changed.RecordsChanged, OnObjectChanged: changed.ObjectsChanged,
	})
	loop.CountWaiting(engine.Waiting)
	charts := catalog.NewCatalog(manager.GetClient(), manager.GetAPIReader(), artifacts)
	charts.Limit(flags.cache.kept)
	charts.SetKubeVersion(kubeVersionOf(to.local))
	network := transport.NewNetwork(to.upstreams)
	charts.Reach(network)
	moved := kustomization.NewMoved()
	sets := apply.New(ctx, apply.Config{
		Local: to.local, Remote: to.remote, Shares: to.shares, Now: time.Now,
		Moved: moved.Tell, Exists: kustomization.Exists(manager.GetClient()),
	})
	if flags.hookAddr != "0" {
		err := receiver.Setup(ctx, manager, receiver.Options{
			Address: flags.hookAddr, Concurrency: flags.concurrency, Now: time.Now, NoCrossNamespaceRefs: flags.tenancy.noCrossNamespaceRefs,
			Issuers: func(namespace string) *http.Client {
				return network.Client(transport.Options{Tenant: namespace})
			},
		})
		if err != nil {
			return err
		}
	}

	approvers := refs.NewApprovers(manager.GetAPIReader(), time.Now)
	return errors.Join(
		source.Setup(ctx, manager, charts, source.Options{
			Concurrency: flags.concurrency, Now: time.Now, NoCrossNamespaceRefs: flags.tenancy.noCrossNamespaceRefs,
		}),
		generator.Setup(ctx, manager, charts, generator.Options{Concurrency: flags.concurrency, Now: time.Now}),
		release.Setup(ctx, manager, charts, release.Options{
			Concurrency: flags.concurrency, Engine: engine, Namesake: engine.Namesake, Live: engine, Changes: changed,
			Now: time.Now, Connect: connectTo(to), Approvers: approvers, NoFreezes: len(flags.namespaces) > 0,
			DefaultServiceAccount: flags.tenancy.defaultServiceAccount, NoCrossNamespaceRefs: flags.tenancy.noCrossNamespaceRefs,
		}),
		kustomization.Setup(ctx, manager, charts, kustomization.Options{
			Concurrency: flags.concurrency, Engine: sets, Builder: build.Builder{Runner: to.pool}, Moved: moved, Now: time.Now, Connect: connectTo(to),
			NoFreezes: len(flags.namespaces) > 0, Approvers: approvers, DefaultServiceAccount: flags.tenancy.defaultServiceAccount, NoCrossNamespaceRefs: flags.tenancy.noCrossNamespaceRefs,
		}),
		pipeline.Setup(ctx, manager, charts, pipeline.Options{
			Concurrency: flags.concurrency, Now: time.Now, Approvers: approvers, NoFreezes: len(flags.namespaces) > 0,
		}),
		manager.Add(&catalog.Collector{Catalog: charts, Now: time.Now}),
	)
}
