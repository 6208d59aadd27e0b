// Package cluster holds what all actions on one API server share. Creating it again for each release is what makes
// Helm slow.
//
//	Pool ─► Cluster ─┬─ discovery: REST mapper, capabilities     one snapshot for all callers
//	                 ├─ connection                               one for all callers
//	                 └─ Identity: the clients of one user        the controller itself, or a tenant
package cluster

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/utils/lru"

	"fairlead.dev/fairlead/helmops/process/memory"
)

// maxIdentities bounds the users whose clients are kept; the one that was asked for longest ago is forgotten first.
const maxIdentities = 1024

// Cluster is one API server. Everything on it that does not depend on who asks is shared: the connection, the REST
// mapper and the capabilities. It is safe for concurrent use.
type Cluster struct {
	config    *rest.Config // without credentials: they are added by its transport
	self      *Identity
	discovery *discoverer
	memory    *memory.Account
	done      chan struct{}
	close     func()

	mu         sync.Mutex
	identities *lru.Cache // of *Identity, by user
}

// New connects to a cluster. Nothing is asked of it before the first action. There is no client-side rate limit: the
// API server's own fairness decides.
func New(config *rest.Config) (*Cluster, error) { return newCluster(config, nil, time.Now) }

func newCluster(config *rest.Config, account *memory.Account, now func() time.Time) (*Cluster, error) {
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("setting up the connection to %s: %w", config.Host, err)
	}

	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("setting up the connection to %s: %w", config.Host, err)
	}

	c := &Cluster{
		config: &rest.Config{
			Host: base.String(), APIPath: config.APIPath, Transport: transport, Timeout: config.Timeout, QPS: -1,
			// By default clients log warnings of the API server, which can quote objects.
			WarningHandler: cmp.Or[rest.WarningHandler](config.WarningHandler, rest.NoWarnings{}),
		},
		memory:     account,
		done:       make(chan struct{}),
		identities: lru.New(maxIdentities),
	}
	c.close = sync.OnceFunc(func() {
		close(c.done)
		account.Close()
		utilnet.CloseIdleConnectionsFor(transport)
	})
	if c.self, err = newIdentity(c, ""); err != nil {
		return nil, err
	}

	c.discovery, err = newDiscoverer(c, now)
	return c, err
}

// Host returns the URL of the API server, without credentials.
func (c *Cluster) Host() string { return c.config.Host }

// Self returns the identity of the controller itself, the same as As("").
func (c *Cluster) Self() *Identity { return c.self }

// As returns a user's clients. The empty name is the controller itself; any other is impersonated, such as
// "system:serviceaccount:apps:deployer", whose groups the API server adds. All identities use the same connections.
// Nothing is asked of the cluster, so it is no error that a user does not exist or may not be impersonated.
func (c *Cluster) As(user string) (*Identity, error) {
	if user == "" {
		return c.self, nil
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.identities.Get(user); ok {
		return known.(*Identity), nil
	}

	identity, err := newIdentity(c, user)
	if err != nil {
		return nil, err
	}

	c.identities.Add(user, identity)
	return identity, nil
}

// Mapper returns the shared REST mapper. It finds kinds that were added after it was made, and forgets those that went.
// An error that is no NoMatch error means that the API server could not be asked, or that the API service behind the
// kind's group does not answer: trying again can help.
func (c *Cluster) Mapper() meta.RESTMapper { return mapper{c.discovery} }

// Capabilities returns what charts can read of the cluster, the same as Helm finds out, as a copy that the caller may
// change. The first call starts watches of CustomResourceDefinitions and APIServices; as long as they report no change
// no request is made, except for the server's version every ten minutes. Where these may not be watched, what is
// returned is up to a minute old. An error means that the API server could not be asked: trying again can help.
func (c *Cluster) Capabilities(ctx context.Context) (*chartutil.Capabilities, error) {
	found, err := c.discovery.get(ctx, 0)
	if err != nil {
		return nil, err
	}
	return &chartutil.Capabilities{
		KubeVersion: found.version,
		APIVersions: slices.Clone(found.apiVersions),
		HelmVersion: chartutil.DefaultCapabilities.HelmVersion,
	}, nil
}

// Invalidate has what is known of the cluster's APIs read again before it is used next. It is for callers that changed
// them and cannot wait for the watches to tell.
func (c *Cluster) Invalidate() { c.discovery.changed() }

// AwaitKinds waits until discovery lists all kinds, which follows a CustomResourceDefinition that was established with
// a short delay. It asks again at growing intervals, as the API server has no event for it, and ends with ctx.
func (c *Cluster) AwaitKinds(ctx context.Context, kinds ...schema.GroupVersionKind) error {
	return c.discovery.await(ctx, kinds)
}

// Memory is the account of what is kept of the cluster. A package that keeps something of the cluster adds that, and
// drops it when the cluster is closed. It is nil for the controller's own cluster, which is trusted.
func (c *Cluster) Memory() *memory.Account { return c.memory }

// Close ends the watches and closes idle connections. Requests still work; capabilities then are up to a minute old.
func (c *Cluster) Close() { c.close() }

// Done is closed by Close.
func (c *Cluster) Done() <-chan struct{} { return c.done }

// transportFor wraps the shared transport; the connections stay the same.
func (c *Cluster) transportFor(user string) http.RoundTripper {
	if user == "" {
		return c.config.Transport
	}
	return impersonator{user: user, next: c.config.Transport}
}
