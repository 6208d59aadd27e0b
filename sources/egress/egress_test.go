package egress

import (
	"errors"
	"net/netip"
	"testing"
)

func TestAddresses(t *testing.T) {
	refused := []string{
		"169.254.169.254", "169.254.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "100.100.100.200",
		"168.63.129.16",
		"::", "fe80::1", "fe80::1%eth0", "ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
		"2002:a9fe:a9fe::1",
		"192.0.0.192", "64:ff9b:1::a9fe:a9fe", "64:ff9b:1:fffe::1", "2001::5601:5601", "2001:0:ffff::1", "fd00:ec2::23",
		"fd00:ec2::fd",
		"fd00:42::42", "fd20:ce::254", "::a9fe:a9fe", "::ffff:0:a9fe:a9fe", "2002:c000:c0::1", "64:ff9b::c000:c0",
	}
	for _, a := range refused {
		if err := Check(netip.MustParseAddr(a)); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range []string{
		"127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "fd00::1", "100.64.0.1", "8.8.8.8", "2001:db8::1",
		"2001:4860::8888", "192.0.1.1", "fd00:ec1::1",
	} {
		if err := Check(netip.MustParseAddr(a)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	rules := Rules{
		RefuseLoopback: true, Refuse: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, AllowHosts: []string{"git.internal"},
	}
	for _, tt := range []struct {
		name, resolved string
		refused        bool
	}{
		{name: "example.com", resolved: "8.8.8.8:443"},
		{name: "example.com", resolved: "127.0.0.1:443", refused: true},
		{name: "example.com", resolved: "[::1]:443", refused: true},
		{name: "example.com", resolved: "10.2.0.1:443", refused: true},
		{name: "example.com", resolved: "10.1.0.1:443"},
		{name: "example.com", resolved: "[64:ff9b::a02:1]:443", refused: true},
		{name: "git.internal", resolved: "10.2.0.1:443"},
		{name: "GIT.internal.", resolved: "127.0.0.1:443"},
		{name: "git.internal", resolved: "169.254.169.254:80", refused: true},
		{name: "git.internal", resolved: "git.internal:80", refused: true},
	} {
		err := rules.CheckDialled(tt.name, tt.resolved)
		if errors.Is(err, ErrRefused) != tt.refused || (err == nil) == tt.refused {
			t.Errorf("%s at %s: %v", tt.name, tt.resolved, err)
		}
	}
	for host, refused := range map[string]bool{
		"127.0.0.1": true, "10.2.0.1": true, "169.254.169.254": true, "8.8.8.8": false, "name": false,
	} {
		if err := rules.CheckHost(host); errors.Is(err, ErrRefused) != refused {
			t.Errorf("host %s: %v", host, err)
		}
	}
}
