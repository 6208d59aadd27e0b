package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ErrAddressRefused says that a remote cluster's server is, or resolves to, an address that no API server has.
var ErrAddressRefused = errors.New("link-local, metadata, multicast and unspecified addresses are refused")

// refusedAddresses are where a cloud answers with a machine's own credentials, or what no server listens on. sources/transport has the same
// list for upstreams; a test compares them.
var refusedAddresses = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "224.0.0.0/4", "255.255.255.255/32", "100.100.100.200/32", "168.63.129.16/32",
	"::/128", "fe80::/10", "ff00::/8", "64:ff9b:1::/48", "2001::/32", "fd00:ec2::/32", "fd00:42::42/128", "fd20:ce::254/128",
)

// Prefixes that hold an IPv4 address which the network may send the packet to.
var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	sixto4     = netip.MustParsePrefix("2002::/16")
	translated = netip.MustParsePrefix("::ffff:0:0:0/96")
	compatible = netip.MustParsePrefix("::/96")
)

// Addresses are refused for the servers and proxies of kubeconfigs, beside those that always are. The zero value refuses no others.
type Addresses struct {
	// RefuseLoopback refuses 127.0.0.0/8 and ::1.
	RefuseLoopback bool
	// Refuse are ranges that no API server of a kubeconfig is in, such as those of the Pods and Services of the cluster.
	Refuse []netip.Prefix
	// Allow are ranges that RefuseLoopback and Refuse do not count for. What is always refused stays refused.
	Allow []netip.Prefix
	// AllowHosts are names of hosts, without a port, that RefuseLoopback and Refuse do not count for, whatever they resolve to.
	AllowHosts []string
}

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// RefusedAddresses returns a copy of the ranges that are always refused.
func RefusedAddresses() []netip.Prefix { return slices.Clone(refusedAddresses) }

// refusedError says which address is refused by which rule.
type refusedError struct {
	addr netip.Addr
	rule string
}

// Error implements error.
func (e *refusedError) Error() string { return fmt.Sprintf("address %s: %s", e.addr, e.rule) }

// Is makes every refused address an ErrAddressRefused.
func (e *refusedError) Is(target error) bool { return target == ErrAddressRefused }

// check returns ErrAddressRefused for an address that a host of this name may not have.
func (a Addresses) check(name string, addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	inner := embedded(addr)
	switch {
	case within(refusedAddresses, addr, inner):
		return fmt.Errorf("address %s: %w", addr, ErrAddressRefused)
	case within(a.Allow, addr, inner) || a.allowsHost(name):
		return nil
	case a.RefuseLoopback && (addr.IsLoopback() || inner.IsLoopback()):
		return &refusedError{addr, "loopback addresses are refused as upstreams (--refuse-loopback-upstreams)"}
	case within(a.Refuse, addr, inner):
		return &refusedError{addr, "it is in a range that is refused for upstreams (--refuse-upstream-cidrs)"}
	}

	return nil
}

func (a Addresses) allowsHost(name string) bool {
	name = strings.TrimSuffix(name, ".")
	return slices.ContainsFunc(a.AllowHosts, func(allowed string) bool { return strings.EqualFold(strings.TrimSuffix(allowed, "."), name) })
}

func within(ranges []netip.Prefix, addr, inner netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(addr) || p.Contains(inner) })
}

// embedded returns the IPv4 address inside an IPv6 one, or the address itself.
func embedded(addr netip.Addr) netip.Addr {
	if !addr.Is6() || addr.IsLoopback() {
		return addr
	}

	b := addr.As16()
	switch {
	case nat64.Contains(addr), translated.Contains(addr), compatible.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixto4.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}

	return addr
}

// dial connects within a limit of time. The address is looked at after the name has been resolved: a name that changes its address between
// a check and the connection cannot slip through.
func (a Addresses) dial(ctx context.Context, network, address string) (net.Conn, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, ErrAddressRefused)
	}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	dialer.Control = func(_, resolved string, _ syscall.RawConn) error { return a.checkDialled(name, resolved) }
	return dialer.DialContext(ctx, network, address)
}

func (a Addresses) checkDialled(name, resolved string) error {
	ap, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return fmt.Errorf("address %q: %w", resolved, ErrAddressRefused)
	}
	return a.check(name, ap.Addr())
}

// noRedirects turns redirects into errors: an API server has none, and credentials must not follow one.
type noRedirects struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (n noRedirects) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := n.RoundTripper.RoundTrip(request)
	if err != nil || response.Header.Get("Location") == "" || response.StatusCode < 300 || response.StatusCode > 399 {
		return response, err
	}
	_ = response.Body.Close()
	return nil, fmt.Errorf("%s answers with a redirect (%s), which no API server does; it is not followed", request.URL.Host, response.Status)
}

// WrappedRoundTripper implements utilnet.RoundTripperWrapper.
func (n noRedirects) WrappedRoundTripper() http.RoundTripper { return n.RoundTripper }
