package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	standardlog "log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // the ways to log in that a kubeconfig may name
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/install"
)

// clusterFlags choose the cluster, the namespace and how patient a request is.
type clusterFlags struct {
	namespace      string
	context        string
	kubeconfig     string
	requestTimeout string
	// colour is the value of --color.
	colour colourMode
}

// connection is what a command talks to a cluster through. Nothing has been requested when it is new.
type connection struct {
	// client reads and patches, each request within the request timeout.
	client client.Client
	// watcher watches, for as long as it takes.
	watcher client.WithWatch
	// objects reads objects of every kind that the cluster serves. It asks which these are when it is first used.
	objects client.Reader
	// chart fetches the chart that a release wants, and names what its own values come from.
	chart chartFetcher
	// logs reads the end of the output of a container.
	logs logReader
	// engine looks at Helm releases; its life is that of the context.
	engine func(context.Context) (inspector, error)
	// controllerLogs opens the logs of the controller.
	controllerLogs controllerLogs
	// resolve finds the kinds that the cluster serves. It asks for them at each call.
	resolve kindResolver
	// kubeVersion is the version of the cluster.
	kubeVersion func(context.Context) (string, error)
	// user asks the API server who the caller is.
	user func(context.Context) (string, error)
	// groups asks the API server which groups the caller is in.
	groups func(context.Context) ([]string, error)
	// preview finds out what applying a set of objects would do, and only tries.
	preview applyPreview
	// foresee finds out what applying a set of objects would do as a plan, and only tries.
	foresee applyForesight
	// site is the cluster as something to install in; its life is that of the context.
	site func(context.Context) (*install.Site, error)
	// namespace that is meant when none is named.
	namespace string
	// context of the kubeconfig, empty inside a cluster.
	context string
	// server is the URL of the API server.
	server string
}

// kubeVersionFrom asks the API server for its version.
func kubeVersionFrom(config *rest.Config) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		asking, err := discovery.NewDiscoveryClientForConfig(config)
		if err != nil {
			return "", err
		}

		found, err := asking.ServerVersionWithContext(ctx)
		if err != nil {
			return "", err
		}

		return found.GitVersion, nil
	}
}

// userOf asks the API server for the name of the caller.
func userOf(config *rest.Config) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		info, err := selfOf(ctx, config)
		return info.Username, err
	}
}

// groupsOf asks the API server for the groups of the caller.
func groupsOf(config *rest.Config) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		info, err := selfOf(ctx, config)
		return info.Groups, err
	}
}

// selfOf asks the API server who the caller is.
func selfOf(ctx context.Context, config *rest.Config) (authenticationv1.UserInfo, error) {
	asking, err := authenticationclient.NewForConfig(config)
	if err != nil {
		return authenticationv1.UserInfo{}, err
	}

	review := &authenticationv1.SelfSubjectReview{}
	review, err = asking.SelfSubjectReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.UserInfo{}, err
	}

	return review.Status.UserInfo, nil
}

// addClusterFlags adds the flags of every command that talks to a cluster.
func (a *app) addClusterFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.flags.namespace, "namespace", "n", "", "namespace, that of the kubeconfig context when left out")
	a.addConnectionFlags(cmd)
}

// addConnectionFlags adds those of them that choose the cluster, for commands that are about the whole of it.
func (a *app) addConnectionFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.flags.context, "context", "", "context of the kubeconfig, the current one when left out")
	f.StringVar(&a.flags.kubeconfig, "kubeconfig", "", "path of the kubeconfig, $KUBECONFIG or ~/.kube/config when left out")
	f.StringVar(&a.flags.requestTimeout, "request-timeout", "0", "how long one request may take, for example 10s; 0 for no limit")
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("context", a.completeContext)
	a.addColourFlag(cmd)
}

// open connects once per run.
func (a *app) open() (*connection, error) {
	if a.cluster == nil {
		c, err := a.connect(a.flags, a.err)
		if err != nil {
			return nil, err
		}
		a.cluster = c
	}
	return a.cluster, nil
}

func (a *app) completeContext(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	raw, err := loader(a.flags).RawConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return withPrefix(slices.Sorted(maps.Keys(raw.Contexts)), toComplete), cobra.ShellCompDirectiveNoFileComp
}

func loader(f clusterFlags) clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: f.context, Timeout: f.requestTimeout}
	overrides.Context.Namespace = f.namespace
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
}

// connect reads the kubeconfig and makes the clients; warnings of the API server go to the writer. No discovery is
// needed: the few kinds of the API are known.
func connect(f clusterFlags, warnings io.Writer) (*connection, error) {
	silenceLibraries()
	if _, err := clientcmd.ParseTimeout(f.requestTimeout); err != nil {
		return nil, fmt.Errorf("--request-timeout %q is not a duration; write for example 10s", f.requestTimeout)
	}

	source := loader(f)
	config, err := source.ClientConfig()
	if err != nil {
		return nil, configError(err, f, source)
	}

	namespace, _, err := source.Namespace()
	if err != nil {
		return nil, configError(err, f, source)
	}

	config.UserAgent = "fairlead-cli/" + version
	config.Proxy = environmentProxy(config)
	config.WarningHandler = rest.NewWarningWriter(warnings, rest.WarningWriterOptions{Deduplicate: true})
	scheme := runtime.NewScheme()
	if err := errors.Join(v1beta1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("register the API: %w", err)
	}

	options := client.Options{Scheme: scheme, Mapper: mapper()}
	requests, err := client.New(config, options)
	if err != nil {
		return nil, fmt.Errorf("prepare a client for %s: %w", config.Host, err)
	}

	// A limit on one request would cut a watch off in the middle.
	unlimited := rest.CopyConfig(config)
	unlimited.Timeout = 0
	watcher, err := client.NewWithWatch(unlimited, options)
	if err != nil {
		return nil, fmt.Errorf("prepare a client for %s: %w", config.Host, err)
	}

	objects, err := allKinds(config)
	if err != nil {
		return nil, fmt.Errorf("prepare a client for %s: %w", config.Host, err)
	}

	out := &connection{
		client: requests, watcher: watcher, objects: objects, logs: logsOf(config), engine: engineOf(config),
		controllerLogs: controllerLogsOf(config), resolve: resolverOf(config), kubeVersion: kubeVersionFrom(config),
		user: userOf(config), groups: groupsOf(config), preview: previewOf(config, requests),
		foresee: foresightOf(config, requests),
		chart:   chartFetcherOf(requests, kubeVersionFrom(config)), site: siteOf(config), namespace: namespace, context: f.context, server: config.Host,
	}
	if raw, err := source.RawConfig(); err == nil {
		out.context = cmp.Or(f.context, raw.CurrentContext)
	}

	return out, nil
}

// silenceLibraries keeps libraries from logging on standard error. One complains when it has no logger; others log
// the errors that they also return. Helm logs values that do not fit those of the chart, which may be secret.
var silenceLibraries = sync.OnceFunc(func() {
	log.SetLogger(logr.New(log.NullLogSink{}))
	klog.SetLogger(logr.Discard())
	standardlog.SetOutput(io.Discard)
})

// allKinds returns a client of whatever the cluster serves.
func allKinds(config *rest.Config) (client.Reader, error) {
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	served, err := apiutil.NewDynamicRESTMapper(config, http)
	if err != nil {
		return nil, err
	}
	return client.New(config, client.Options{Scheme: runtime.NewScheme(), Mapper: served, HTTPClient: http})
}

// mapper knows the resources of the API without asking for them.
func mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{v1beta1.GroupVersion, corev1.SchemeGroupVersion})
	for _, k := range kinds {
		scope := meta.RESTScopeNamespace
		if k.ofCluster {
			scope = meta.RESTScopeRoot
		}

		m.Add(v1beta1.GroupVersion.WithKind(k.name), scope)
	}

	for _, other := range []string{v1beta1.ApprovalKind, v1beta1.PromotionApprovalKind, v1beta1.ReleasePlanKind} {
		m.Add(v1beta1.GroupVersion.WithKind(other), meta.RESTScopeNamespace)
	}
	for _, other := range []string{"Secret", "ConfigMap", "Event"} { // values, credentials, and what was reported
		m.Add(corev1.SchemeGroupVersion.WithKind(other), meta.RESTScopeNamespace)
	}

	return m
}

// missingFiles says which files that should be the kubeconfig do not exist: the one of --kubeconfig, else all of KUBECONFIG. It is
// empty when one of them exists, or none is named.
func missingFiles(explicit, variable string) string {
	from := "--kubeconfig"
	paths := []string{explicit}
	if explicit == "" {
		from = clientcmd.RecommendedConfigPathEnvVar
		paths = filepath.SplitList(variable)
	}

	paths = slices.DeleteFunc(paths, func(path string) bool { return path == "" })
	for _, path := range paths {
		_, err := os.Stat(path) // #nosec G703 -- the user of the command names the file
		if !errors.Is(err, os.ErrNotExist) {
			return ""
		}
	}

	switch len(paths) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%s names %s, which does not exist", from, paths[0])
	default:
		return fmt.Sprintf("%s names %s, none of which exists", from, strings.Join(paths, " and "))
	}
}

// configError says what is wrong with the kubeconfig, and what there is instead.
func configError(err error, f clusterFlags, source clientcmd.ClientConfig) error {
	if missing := missingFiles(f.kubeconfig, os.Getenv(clientcmd.RecommendedConfigPathEnvVar)); missing != "" {
		return errors.New(missing)
	}
	if clientcmd.IsEmptyConfig(err) {
		return errors.New("no cluster is configured; set --kubeconfig or KUBECONFIG, or choose a context with --context")
	}

	raw, rawErr := source.RawConfig()
	if rawErr != nil {
		return fmt.Errorf("read the kubeconfig: %w", rawErr)
	}

	name := cmp.Or(f.context, raw.CurrentContext)
	if _, known := raw.Contexts[name]; !known && name != "" {
		contexts := slices.Sorted(maps.Keys(raw.Contexts))
		return fmt.Errorf("the kubeconfig has no context %q; it has: %s", name, orNone(strings.Join(contexts, ", ")))
	}

	return fmt.Errorf("read the kubeconfig: %w", err)
}
