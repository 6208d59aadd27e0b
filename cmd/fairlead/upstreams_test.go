package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"fairlead.dev/fairlead/sources/quota"
)

func parsedCache(t *testing.T, args ...string) (cacheFlags, error) {
	t.Helper()
	var flags cacheFlags
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.register(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	err := flags.check()
	return flags, err
}

func TestCacheFlags(t *testing.T) {
	t.Parallel()
	flags, err := parsedCache(t, "--cache-size=1Gi", "--cache-share=256Mi")
	if err != nil || flags.kept != (quota.Bounds{Total: 1 << 30, Share: 256 << 20}) {
		t.Errorf("got %+v, error %v", flags.kept, err)
	}
	for arg, want := range map[string]string{
		"--cache-size=much": "512Mi", "--cache-size=0": "512Mi", "--cache-share=2Ti": "at most --cache-size",
	} {
		if _, err := parsedCache(t, arg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", arg, err)
		}
	}
	if _, err := parsedCache(t); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func TestUpstreamFlags(t *testing.T) {
	t.Parallel()
	var flags tenancy
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.register(set)
	err := set.Parse([]string{
		"--refuse-loopback-upstreams", "--refuse-upstream-cidrs=10.96.0.1/12,fd00::/8", "--allow-upstream-cidrs=10.96.0.7",
		"--allow-upstream-hosts=git.internal",
	})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := flags.upstreams(nil)
	if err != nil {
		t.Fatal(err)
	}
	for address, refused := range map[string]bool{
		"127.0.0.1": true, "10.97.0.1": true, "10.96.0.7": false, "fd00::1": true, "10.0.0.1": false,
	} {
		if err := rules.Check(netip.MustParseAddr(address)); (err != nil) != refused {
			t.Errorf("%s: %v", address, err)
		}
	}
	if !rules.RefuseLoopback || len(rules.Refuse) != 2 || len(rules.Allow) != 1 || len(rules.AllowHosts) != 1 {
		t.Errorf("%+v", rules)
	}
}
