// Package cluster holds what every action on one cluster shares: the connection, the REST mapper and the clients. Making
// these anew for each release is what makes Helm slow.
package cluster

import (
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Access says on which cluster something is done, and as whom.
type Access struct {
	// Kubeconfig of a remote cluster; nil is the controller's own.
	Kubeconfig []byte
	// User that is impersonated; empty is the identity of the connection itself.
	User string
}

// Cluster is one cluster as one identity.
type Cluster struct {
	config *rest.Config
	http   *http.Client
	mapper meta.RESTMapper
	kube   kubernetes.Interface
}

// New connects to a cluster. Nothing is asked of it before the first action. There is no client-side rate limit: the API
// server's own fairness decides.
func New(config *rest.Config) (*Cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = -1, 0
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("setting up the connection to %s: %w", config.Host, err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, client)
	if err != nil {
		return nil, fmt.Errorf("setting up the REST mapper for %s: %w", config.Host, err)
	}
	kube, err := kubernetes.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("setting up the client for %s: %w", config.Host, err)
	}
	return &Cluster{config: config, http: client, mapper: mapper, kube: kube}, nil
}

// Kube returns the typed client.
func (c *Cluster) Kube() kubernetes.Interface { return c.kube }

// Mapper returns the shared REST mapper, which finds kinds that are added later.
func (c *Cluster) Mapper() meta.RESTMapper { return c.mapper }

// Getter returns what Helm wants to know of the cluster, for one action in one namespace. Discovery is cached for the
// length of the action, so that a chart always sees the API versions of its own time.
func (c *Cluster) Getter(namespace string) (genericclioptions.RESTClientGetter, error) {
	client, err := discovery.NewDiscoveryClientForConfigAndClient(c.config, c.http)
	if err != nil {
		return nil, fmt.Errorf("setting up discovery for %s: %w", c.config.Host, err)
	}
	return &getter{cluster: c, namespace: namespace, discovery: memory.NewMemCacheClient(client)}, nil
}

type getter struct {
	cluster   *Cluster
	namespace string
	discovery discovery.CachedDiscoveryInterface
}

// ToRESTConfig implements genericclioptions.RESTClientGetter.
func (g *getter) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(g.cluster.config), nil }

// ToDiscoveryClient implements genericclioptions.RESTClientGetter.
func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return g.discovery, nil
}

// ToRESTMapper implements genericclioptions.RESTClientGetter.
func (g *getter) ToRESTMapper() (meta.RESTMapper, error) { return g.cluster.mapper, nil }

// ToRawKubeConfigLoader implements genericclioptions.RESTClientGetter. Helm asks it for the namespace only.
func (g *getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	overrides := &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: g.namespace}}
	return clientcmd.NewDefaultClientConfig(*clientcmdapi.NewConfig(), overrides)
}
