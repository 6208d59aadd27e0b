package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
)

// ErrAddressRefused says that a remote cluster's server is, or resolves to, an address that no API server has.
var ErrAddressRefused = errors.New("link-local, metadata, multicast and unspecified addresses are refused")

// refusedAddresses are where a cloud answers with a machine's own credentials, or what no server listens on.
var refusedAddresses = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32", "100.100.100.200/32", "168.63.129.16/32",
	"::/128", "fe80::/10", "ff00::/8", "fd00:ec2::254/128", "fd00:ec2::23/128", "fd20:ce::254/128",
)

// Prefixes that hold an IPv4 address which the network may send the packet to.
var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	sixto4 = netip.MustParsePrefix("2002::/16")
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

func checkAddress(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	inner := addr
	switch b := addr.As16(); {
	case nat64.Contains(addr):
		inner = netip.AddrFrom4([4]byte(b[12:16]))
	case sixto4.Contains(addr):
		inner = netip.AddrFrom4([4]byte(b[2:6]))
	}
	if slices.ContainsFunc(refusedAddresses, func(p netip.Prefix) bool { return p.Contains(addr) || p.Contains(inner) }) {
		return fmt.Errorf("address %s: %w", addr, ErrAddressRefused)
	}
	return nil
}

// control is the dialer's last look before it connects, after the name has been resolved: a name that changes its address
// between a check and the connection cannot slip through.
func control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, ErrAddressRefused)
	}
	return checkAddress(ap.Addr())
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
