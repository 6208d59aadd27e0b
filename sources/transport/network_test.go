package transport

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/egress"
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

func TestAddressesOfANetwork(t *testing.T) {
	t.Parallel()
	rules := egress.Rules{
		RefuseLoopback: true, Refuse: prefixes("10.96.0.0/12", "fd00:10::/64"),
		Allow: prefixes("10.96.7.0/24", "127.0.0.7/32", "169.254.0.0/16"),
	}
	for _, refused := range []string{
		"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "10.96.0.1", "10.111.255.255", "::ffff:10.96.0.1", "fd00:10::1",
		"64:ff9b::7f00:1",
		"64:ff9b::a60:1", "2002:7f00:1::1", "169.254.169.254",
	} {
		if err := rules.Check(netip.MustParseAddr(refused)); !errors.Is(err, egress.ErrRefused) {
			t.Errorf("%s: %v", refused, err)
		}
	}
	for _, fine := range []string{"10.96.7.1", "127.0.0.7", "10.0.0.1", "8.8.8.8", "fd00:11::1"} {
		if err := rules.Check(netip.MustParseAddr(fine)); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
}

// reachable starts a server and counts its requests.
func reachable(t *testing.T) (server *httptest.Server, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(server.Close)
	return server, asked
}

func TestLoopbackIsRefusedOnEveryWay(t *testing.T) {
	t.Parallel()
	server, asked := reachable(t)
	named := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	proxied := func(address string) Options {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return Options{ProxyURL: u}
	}
	strict := NewNetwork(egress.Rules{RefuseLoopback: true})
	for name, ask := range map[string]func(*Network) error{
		"an address": func(n *Network) error { return visit(t, n.Client(Options{}), server.URL) },
		"a name":     func(n *Network) error { return visit(t, n.Client(Options{}), named) },
		"a proxy":    func(n *Network) error { return visit(t, n.Client(proxied(server.URL)), "http://host.example") },
		"a SOCKS proxy": func(n *Network) error {
			return visit(t, n.Client(proxied(strings.Replace(named, "http", "socks5", 1))), "http://host.example")
		},
		"what a proxy sends": func(n *Network) error {
			return visit(t, n.Client(proxied("http://192.0.2.1:3128")), server.URL)
		},
		"a bare client": func(n *Network) error { return visit(t, Bare(n.Client(Options{})), named) },
		"another protocol": func(n *Network) error {
			conn, err := n.DialContext(t.Context(), "tcp", strings.TrimPrefix(named, "http://"))
			if err == nil {
				_ = conn.Close()
			}
			return err
		},
	} {
		if err := ask(strict); !errors.Is(err, egress.ErrRefused) ||
			!strings.Contains(err.Error(), "--refuse-loopback-upstreams") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("the server was asked %d times", asked.Load())
	}
	for name, rules := range map[string]egress.Rules{
		"nothing is refused":  {},
		"the name is allowed": {RefuseLoopback: true, AllowHosts: []string{"LOCALHOST"}},
		"the range is allowed": {RefuseLoopback: true, Refuse: prefixes("127.0.0.0/8"),
			Allow: prefixes("127.0.0.1/32", "::1/128")},
	} {
		if err := visit(t, NewNetwork(rules).Client(Options{}), named); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked.Load() != 3 {
		t.Errorf("the server was asked %d times", asked.Load())
	}
}

// An allowed name does not open the way to a metadata service.
func TestAnAllowedHostIsNoWayToMetadata(t *testing.T) {
	t.Parallel()
	rules := egress.Rules{RefuseLoopback: true, AllowHosts: []string{"inside.example"}}
	if err := rules.CheckDialled("inside.example", net.JoinHostPort("169.254.169.254", "80")); !errors.Is(err,
		egress.ErrRefused) {
		t.Errorf("got %v", err)
	}
	if err := rules.CheckDialled("inside.example.", net.JoinHostPort("127.0.0.1", "80")); err != nil {
		t.Error(err)
	}
	if err := rules.CheckDialled("other.example", net.JoinHostPort("127.0.0.1", "80")); !errors.Is(err,
		egress.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

func TestBaseNeverFallsBackToAnUncheckedTransport(t *testing.T) {
	t.Parallel()
	for _, client := range []*http.Client{nil, {}} {
		if _, ok := Base(client).(*trip); !ok {
			t.Errorf("%v has %T", client, Base(client))
		}
	}
}

func TestWaysDiffer(t *testing.T) {
	t.Parallel()
	network := NewNetwork(egress.Rules{})
	proxy := &url.URL{Scheme: "http", Host: "proxy.example:3128", User: url.UserPassword("u", secret)}
	plain, proxied := Way(network.Client(Options{})), Way(network.Client(Options{ProxyURL: proxy}))
	switch {
	case plain == "" || plain == proxied || plain == Way(New(Options{})):
		t.Errorf("%s, %s", plain, proxied)
	case plain != Way(As(network.Client(Options{Tenant: "a"}), sources.Credentials{Password: secret})):
		t.Error("a credential is part of the way")
	case strings.Contains(proxied, secret) || Way(&http.Client{}) != "":
		t.Errorf("%q, %q", proxied, Way(&http.Client{}))
	}
}
