package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// ErrAddressRefused says that a host is, or resolves to, an address that no upstream has.
var ErrAddressRefused = errors.New("link-local, metadata, multicast and unspecified addresses are refused")

// refusedAddresses are where a cloud answers with a machine's own credentials, or what no server listens on.
var refusedAddresses = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("100.100.100.200/32"),
	netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("::/128"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("ff00::/8"),
	netip.MustParsePrefix("fd00:ec2::254/128"),
	netip.MustParsePrefix("fd00:ec2::23/128"),
	netip.MustParsePrefix("fd20:ce::254/128"),
}

// These prefixes hold an IPv4 address that the network may send the packet to.
var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	sixto4 = netip.MustParsePrefix("2002::/16")
)

// CheckAddress returns [ErrAddressRefused] for an address no upstream may have. Loopback and private ranges are fine:
// registries and Git servers inside the cluster live there.
func CheckAddress(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	inner := embedded(addr)
	for _, prefix := range refusedAddresses {
		if prefix.Contains(addr) || prefix.Contains(inner) {
			return fmt.Errorf("address %s: %w", addr, ErrAddressRefused)
		}
	}
	return nil
}

// embedded returns the IPv4 address inside an IPv6 one, or the address itself.
func embedded(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	b := addr.As16()
	switch {
	case nat64.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixto4.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}

// checkAddress is the dialer's last look before it connects, after the name has been resolved: a name that changes its
// address between a check and the connection cannot slip through.
func checkAddress(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, ErrAddressRefused)
	}
	return CheckAddress(ap.Addr())
}

// RefusedAddresses returns a copy of the list behind [CheckAddress], for libraries that check for themselves.
func RefusedAddresses() []netip.Prefix { return slices.Clone(refusedAddresses) }
