package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ErrAddressRefused says that a host is, or resolves to, an address that no upstream has.
var ErrAddressRefused = errors.New("link-local, metadata, multicast and unspecified addresses are refused")

// refusedAddresses are where a cloud answers with a machine's own credentials, or what no server listens on. helmops/kube/cluster has the same
// list for the servers of kubeconfigs; a test compares them.
var refusedAddresses = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("192.0.0.0/24"), // protocol assignments; 192.0.0.192 is the metadata service of Oracle
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("100.100.100.200/32"),
	netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("::/128"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("ff00::/8"),
	netip.MustParsePrefix("64:ff9b:1::/48"), // local NAT64: where in it the IPv4 address is depends on the network
	netip.MustParsePrefix("2001::/32"),      // Teredo, which hides an IPv4 address
	netip.MustParsePrefix("fd00:ec2::/32"),
	netip.MustParsePrefix("fd00:42::42/128"),
	netip.MustParsePrefix("fd20:ce::254/128"),
}

// These prefixes hold an IPv4 address that the network may send the packet to.
var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	sixto4     = netip.MustParsePrefix("2002::/16")
	translated = netip.MustParsePrefix("::ffff:0:0:0/96")
	compatible = netip.MustParsePrefix("::/96")
)

// Addresses are refused beside those that [CheckAddress] always refuses. The zero value refuses no others.
type Addresses struct {
	// RefuseLoopback refuses 127.0.0.0/8 and ::1.
	RefuseLoopback bool
	// Refuse are ranges that are no upstreams, such as those of the Pods and Services of a cluster.
	Refuse []netip.Prefix
	// Allow are ranges that RefuseLoopback and Refuse do not count for. What CheckAddress refuses stays refused.
	Allow []netip.Prefix
	// AllowHosts are names of hosts, without a port, that RefuseLoopback and Refuse do not apply to, at any address.
	AllowHosts []string
}

// refusedError says which address is refused by which rule.
type refusedError struct {
	addr netip.Addr
	rule string
}

// Error implements error.
func (e *refusedError) Error() string { return fmt.Sprintf("address %s: %s", e.addr, e.rule) }

// Is makes every refused address an ErrAddressRefused.
func (e *refusedError) Is(target error) bool { return target == ErrAddressRefused }

// CheckAddress returns [ErrAddressRefused] for an address no upstream may have. Loopback and private ranges are fine:
// registries and Git servers inside the cluster live there, unless [Addresses] says otherwise.
func CheckAddress(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	if within(refusedAddresses, addr, embedded(addr)) {
		return fmt.Errorf("address %s: %w", addr, ErrAddressRefused)
	}
	return nil
}

// Check returns [ErrAddressRefused] for an address no upstream may have, also by these rules.
func (a Addresses) Check(addr netip.Addr) error {
	if err := CheckAddress(addr); err != nil {
		return err
	}

	addr = addr.Unmap().WithZone("")
	inner := embedded(addr)
	switch {
	case within(a.Allow, addr, inner):
		return nil
	case a.RefuseLoopback && (addr.IsLoopback() || inner.IsLoopback()):
		return &refusedError{addr, "loopback addresses are refused as upstreams (--refuse-loopback-upstreams)"}
	case within(a.Refuse, addr, inner):
		return &refusedError{addr, "it is in a range that is refused for upstreams (--refuse-upstream-cidrs)"}
	}

	return nil
}

// checkHost refuses a host that is written as a refused address. Names are looked at when they have been resolved.
func (a Addresses) checkHost(host string) error {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil: // it is a name
		return nil //nolint:nilerr // a name is no error
	case a.allowsHost(host):
		return CheckAddress(addr)
	}
	return a.Check(addr)
}

// checkDialled is the dialer's last look before it connects, after the name has been resolved: a name that changes its
// address between a check and the connection cannot slip through.
func (a Addresses) checkDialled(name, resolved string) error {
	ap, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return fmt.Errorf("address %q: %w", resolved, ErrAddressRefused)
	}
	if a.allowsHost(name) {
		return CheckAddress(ap.Addr())
	}
	return a.Check(ap.Addr())
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
	if !addr.Is6() {
		return addr
	}

	b := addr.As16()
	switch {
	case addr.IsLoopback():
		return addr
	case nat64.Contains(addr), translated.Contains(addr), compatible.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixto4.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}

	return addr
}

// RefusedAddresses returns a copy of the list behind [CheckAddress], for libraries that check for themselves.
func RefusedAddresses() []netip.Prefix { return slices.Clone(refusedAddresses) }
