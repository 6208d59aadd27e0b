package transport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"k8s.io/utils/lru"

	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/egress"
)

// maxPools is how many pools are kept; what rotates, as certificates do, leaves old ones behind.
const maxPools = 256

// Network is how upstreams are reached: which addresses are refused, which connections are open, and what hosts have
// asked for. All sources of a controller use one. It is safe for concurrent use.
type Network struct {
	addresses egress.Rules
	hosts     *hosts
	now       func() time.Time

	mu    sync.Mutex
	pools *lru.Cache // of *http.Transport, by setting
}

// NewNetwork returns a network without open connections.
func NewNetwork(addresses egress.Rules) *Network {
	closeIdle := func(_ lru.Key, value any) {
		value.(*http.Transport).CloseIdleConnections() //nolint:forcetypeassert // nothing else is put there
	}
	return &Network{
		addresses: addresses, hosts: newHosts(), now: time.Now, pools: lru.NewWithEvictionFunc(maxPools, closeIdle),
	}
}

// standard is the network of those who bring none, as the commands do.
var standard = NewNetwork(egress.Rules{})

// New returns a client of a network that refuses no more than [egress.Check] does; see [Network.Client].
func New(o Options) *http.Client { return standard.Client(o) }

// Client returns a client. Clients with equal options share their connections, so making one is cheap. It has no
// timeout of its own for a whole exchange: that is the context's, and a request without any end is still cut off when
// upstream stays silent for a minute. A CA without a certificate in it trusts no server; [CheckCA] reports it.
func (n *Network) Client(o Options) *http.Client {
	way := settingOf(o)
	return &http.Client{
		Transport:     &trip{network: n, base: n.pool(way, o), way: way, options: o, silence: idleBody},
		CheckRedirect: checkRedirect,
	}
}

func (n *Network) pool(way setting, o Options) *http.Transport {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t, ok := n.pools.Get(way); ok {
		return t.(*http.Transport) //nolint:forcetypeassert // nothing else is put there
	}
	t := n.newTransport(o)
	n.pools.Add(way, t)
	return t
}

// DialContext connects as the clients do: with a limit of time, and not to addresses that no upstream has. A nil
// network refuses what [egress.Check] does.
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if n == nil {
		n = standard
	}

	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, egress.ErrRefused)
	}

	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	dialer.Control = func(_, resolved string, _ syscall.RawConn) error { return n.addresses.CheckDialled(name, resolved) }
	return dialer.DialContext(ctx, network, address)
}

// As returns a client that remembers what a host asks for under a credential of its own. It is for protocols that send
// another header with each request, so that the header alone does not identify the user. The credential is kept as a
// digest.
func As(client *http.Client, c sources.Credentials) *http.Client {
	t, ok := client.Transport.(*trip)
	if !ok {
		return client
	}
	own := *t
	copied := *client
	own.credential = digestOfCredential(c.Username, c.Password, c.Token)
	copied.Transport = &own
	return &copied
}

// Bare returns a client of the same network and tenant, without the certificates and the proxy of the client: for
// another host, which these are not meant for.
func Bare(client *http.Client) *http.Client {
	if t, ok := Base(client).(*trip); ok {
		return t.network.Client(Options{Tenant: t.options.Tenant})
	}
	return New(Options{})
}

// Way names the proxy, the certificates and the network of a client by a digest, so that what was heard on one way is
// not believed on another. It is empty for a client that no network has made.
func Way(client *http.Client) string {
	if t, ok := client.Transport.(*trip); ok {
		return fmt.Sprintf("%p %s", t.network, hex.EncodeToString(t.way[:]))
	}
	return ""
}

// Base returns the round tripper of a client; one of the standard network for a client without any. Nothing falls back
// to that of net/http, which checks no address.
func Base(client *http.Client) http.RoundTripper {
	if client == nil || client.Transport == nil {
		return New(Options{}).Transport
	}
	return client.Transport
}

// digestOfCredential is empty for who does not sign in.
func digestOfCredential(parts ...string) string {
	sum := sha256.New()
	empty := true
	for _, part := range parts {
		fmt.Fprintf(sum, "%d %s", len(part), part)
		empty = empty && part == ""
	}

	if empty {
		return ""
	}

	return string(sum.Sum(nil))
}

// trip sends one request: it introduces the program and ends an exchange whose body falls silent.
type trip struct {
	network *Network
	base    http.RoundTripper
	way     setting
	options Options
	// credential is the digest of who signs in, where the header of a request does not identify the user.
	credential string
	silence    time.Duration
}

// RoundTrip implements http.RoundTripper.
func (t *trip) RoundTrip(req *http.Request) (*http.Response, error) {
	// A proxy connects in our place, so the dialer does not see an address that the URL names.
	if err := t.network.addresses.CheckHost(req.URL.Hostname()); err != nil {
		return nil, err
	}

	credential := t.credential
	if credential == "" {
		credential = digestOfCredential(req.Header.Get("Authorization"))
	}

	now := t.network.now
	at := t.network.hosts.of(keyOfHost(req.URL, t.way, credential), t.options.Tenant, now())
	if err := at.admit(req.Context(), now()); err != nil {
		return nil, err
	}

	ctx, cancel := context.WithCancelCause(req.Context())
	req = req.Clone(ctx)
	req.Header.Set("User-Agent", UserAgent)
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		cancel(nil)
		return nil, err
	}

	at.heed(resp, now())
	resp.Body = newWatchedBody(ctx, cancel, resp.Body, t.silence)
	return resp, nil
}
