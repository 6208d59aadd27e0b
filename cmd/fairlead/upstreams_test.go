package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	target "fairlead.dev/fairlead/helmops/cluster"
	"fairlead.dev/fairlead/sources/quota"
	"fairlead.dev/fairlead/sources/transport"
)

func parsedUpstreams(t *testing.T, args ...string) (*upstreams, error) {
	t.Helper()
	flags, set := &upstreams{}, pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.register(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags, flags.check()
}

func TestUpstreamFlags(t *testing.T) {
	t.Parallel()
	flags, err := parsedUpstreams(t, "--refuse-loopback-upstreams", "--refuse-upstream-cidrs=10.96.0.1/12,fd00::/8", "--allow-upstream-cidrs=10.96.0.7",
		"--allow-upstream-hosts=git.internal", "--cache-size=1Gi", "--cache-share=256Mi")
	if err != nil {
		t.Fatal(err)
	}
	for address, refused := range map[string]bool{"127.0.0.1": true, "10.97.0.1": true, "10.96.0.7": false, "fd00::1": true, "10.0.0.1": false} {
		if err := flags.addresses().Check(netip.MustParseAddr(address)); (err != nil) != refused {
			t.Errorf("%s: %v", address, err)
		}
	}
	if c := flags.clusters(); !c.RefuseLoopback || len(c.Refuse) != 2 || len(c.Allow) != 1 || len(c.AllowHosts) != 1 {
		t.Errorf("kubeconfigs: %+v", c)
	}
	if flags.bounds() != (quota.Bounds{Total: 1 << 30, Share: 256 << 20}) {
		t.Errorf("got %+v", flags.bounds())
	}
}

func TestUpstreamFlagsThatAreWrong(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"--refuse-upstream-cidrs=pods": "10.96.0.0/12", "--allow-upstream-cidrs=10.0.0.0/99": "--allow-upstream-cidrs",
		"--cache-size=much": "512Mi", "--cache-size=0": "512Mi", "--cache-share=2Gi": "at most --cache-size",
	} {
		if _, err := parsedUpstreams(t, arg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", arg, err)
		}
	}
	if _, err := parsedUpstreams(t); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

// Sources and kubeconfigs live in packages that do not know each other; what they refuse has to be the same.
func TestTheSameAddressesAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	if !slices.Equal(transport.RefusedAddresses(), target.RefusedAddresses()) {
		t.Errorf("sources refuse %v, kubeconfigs %v", transport.RefusedAddresses(), target.RefusedAddresses())
	}
}
