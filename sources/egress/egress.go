// Package egress decides which addresses the controller may connect to: those of upstreams, and of the API servers and
// proxies that kubeconfigs name. It is pure, and imports nothing of Fairlead, so that sources and clusters share it.
package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ErrRefused says that a host is, or resolves to, an address that is always refused.
var ErrRefused = errors.New("link-local, metadata, multicast and unspecified addresses are refused")

// always are where a cloud answers with a machine's own credentials, or what no server listens on.
var always = []netip.Prefix{
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

// Rules refuse addresses beside those that are always refused. The zero value refuses no others.
type Rules struct {
	// RefuseLoopback refuses 127.0.0.0/8 and ::1.
	RefuseLoopback bool
	// Refuse are ranges that are no upstreams, such as those of the Pods and Services of a cluster.
	Refuse []netip.Prefix
	// Allow are ranges that RefuseLoopback and Refuse do not apply to. What is always refused stays refused.
	Allow []netip.Prefix
	// AllowHosts are names of hosts, without a port, that RefuseLoopback and Refuse do not apply to, at any address.
	AllowHosts []string
}

// RuleError says which address is refused by which of the Rules. It is an ErrRefused.
type RuleError struct {
	addr netip.Addr
	rule string
}

// Error implements error.
func (e *RuleError) Error() string { return fmt.Sprintf("address %s: %s", e.addr, e.rule) }

// Is makes every refused address an ErrRefused.
func (e *RuleError) Is(target error) bool { return target == ErrRefused }

// Always returns a copy of the ranges that are always refused, for libraries that check for themselves.
func Always() []netip.Prefix { return slices.Clone(always) }

// Check returns ErrRefused for an address that is always refused. Loopback and private ranges are fine: registries and
// Git servers inside the cluster live there, unless [Rules] say otherwise.
func Check(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	if within(always, addr, embedded(addr)) {
		return fmt.Errorf("address %s: %w", addr, ErrRefused)
	}
	return nil
}

// Check returns ErrRefused, or a *RuleError, for an address that is refused.
func (r Rules) Check(addr netip.Addr) error {
	if err := Check(addr); err != nil {
		return err
	}

	addr = addr.Unmap().WithZone("")
	inner := embedded(addr)
	switch {
	case within(r.Allow, addr, inner):
		return nil
	case r.RefuseLoopback && (addr.IsLoopback() || inner.IsLoopback()):
		return &RuleError{addr, "loopback addresses are refused as upstreams (--refuse-loopback-upstreams)"}
	case within(r.Refuse, addr, inner):
		return &RuleError{addr, "it is in a range that is refused for upstreams (--refuse-upstream-cidrs)"}
	}

	return nil
}

// CheckHost refuses a host that is written as a refused address. Names are checked after they have been resolved.
func (r Rules) CheckHost(host string) error {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil: // it is a name
		return nil //nolint:nilerr // a name is no error
	case r.allowsHost(host):
		return Check(addr)
	}
	return r.Check(addr)
}

// CheckDialled is the last check of a dialer before it connects, after the name has been resolved: a name that changes
// its address between a check and the connection cannot slip through. resolved has a port.
func (r Rules) CheckDialled(name, resolved string) error {
	addr, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return fmt.Errorf("address %q: %w", resolved, ErrRefused)
	}
	if r.allowsHost(name) {
		return Check(addr.Addr())
	}
	return r.Check(addr.Addr())
}

func (r Rules) allowsHost(name string) bool {
	name = strings.TrimSuffix(name, ".")
	return slices.ContainsFunc(r.AllowHosts, func(allowed string) bool {
		return strings.EqualFold(strings.TrimSuffix(allowed, "."), name)
	})
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
