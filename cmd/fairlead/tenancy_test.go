package main

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// parsed reads the flags of tenancy from a command line.
func parsedTenancy(t *testing.T, args ...string) (tenancy, error) {
	t.Helper()
	var flags tenancy
	set := pflag.NewFlagSet("controller", pflag.ContinueOnError)
	flags.register(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	err := flags.complete(set)
	return flags, err
}

func TestDefaultServiceAccount(t *testing.T) {
	for name, valid := range map[string]bool{"": true, "deployer": true, "team.deployer-1": true, "Deployer": false, "apps/deployer": false, "apps:deployer": false, "-x": false} {
		if _, err := parsedTenancy(t, "--default-service-account="+name); (err == nil) != valid {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestStrictTenancySetsEverything(t *testing.T) {
	tests := map[string]struct {
		args []string
		want tenancy
	}{
		"nothing is given": {nil, tenancy{mode: "shared"}},
		"shared":           {[]string{"--tenancy=shared"}, tenancy{mode: "shared"}},
		"strict": {[]string{"--tenancy=strict"}, tenancy{
			mode: "strict", defaultServiceAccount: "default", noCrossNamespaceRefs: true, refuseLoopback: true,
		}},
		"strict with another account": {[]string{"--tenancy", "strict", "--default-service-account", "deployer"}, tenancy{
			mode: "strict", defaultServiceAccount: "deployer", noCrossNamespaceRefs: true, refuseLoopback: true,
		}},
		"strict with what it sets anyway": {[]string{"--tenancy=strict", "--no-cross-namespace-refs", "--refuse-loopback-upstreams"}, tenancy{
			mode: "strict", defaultServiceAccount: "default", noCrossNamespaceRefs: true, refuseLoopback: true,
		}},
		"shared with single settings": {[]string{"--no-cross-namespace-refs", "--allow-upstream-cidrs=10.0.0.1,fd00::/8"}, tenancy{
			mode: "shared", noCrossNamespaceRefs: true, allowCIDRs: []string{"10.0.0.1", "fd00::/8"},
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parsedTenancy(t, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(tenancy{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestStrictTenancyRefusesWhatContradictsIt(t *testing.T) {
	for args, want := range map[string]string{
		"--tenancy=strict --default-service-account=":        "an empty --default-service-account contradicts --tenancy=strict",
		"--tenancy=strict --no-cross-namespace-refs=false":   "--no-cross-namespace-refs=false contradicts",
		"--tenancy=strict --refuse-loopback-upstreams=false": "--allow-upstream-cidrs",
		"--tenancy=Strict":                           "want shared or strict",
		"--tenancy=":                                 "want shared or strict",
		"--refuse-upstream-cidrs=10.0.0.0/33":        "--refuse-upstream-cidrs \"10.0.0.0/33\"",
		"--tenancy=strict --allow-upstream-cidrs=ab": "--allow-upstream-cidrs \"ab\"",
	} {
		if _, err := parsedTenancy(t, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", args, err, want)
		}
	}
}

func TestUpstreamsOfTheModes(t *testing.T) {
	services := func() ([]netip.Prefix, error) { return []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, nil }

	shared, err := parsedTenancy(t, "--refuse-upstream-cidrs=192.0.2.1,10.1.2.3/8")
	if err != nil {
		t.Fatal(err)
	}
	got, err := shared.upstreams(func() ([]netip.Prefix, error) { t.Error("the cluster is asked in shared mode"); return nil, nil })
	if err != nil || got.RefuseLoopback || len(got.Refuse) != 2 || got.Refuse[0].String() != "192.0.2.1/32" || got.Refuse[1].String() != "10.0.0.0/8" {
		t.Errorf("shared: %+v, %v", got, err)
	}

	strict, err := parsedTenancy(t, "--tenancy=strict", "--refuse-upstream-cidrs=192.0.2.0/24", "--allow-upstream-cidrs=10.96.0.7")
	if err != nil {
		t.Fatal(err)
	}
	if got, err = strict.upstreams(services); err != nil || !got.RefuseLoopback {
		t.Errorf("strict: %+v, %v", got, err)
	}
	for _, address := range []string{"192.0.2.9", "10.96.0.1", "10.244.3.4", "172.20.0.1", "192.168.1.1", "100.64.0.1", "fd12::1", "203.0.113.5"} {
		if !containedIn(got.Refuse, address) {
			t.Errorf("strict does not refuse %s", address)
		}
	}
	if containedIn(got.Refuse, "198.51.100.1") || !containedIn(got.Allow, "10.96.0.7") {
		t.Errorf("strict refuses %v, allows %v", got.Refuse, got.Allow)
	}

	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "servicecidrs"}, "", nil)
	if _, err := strict.upstreams(func() ([]netip.Prefix, error) { return nil, forbidden }); err != nil {
		t.Errorf("the ranges are given, and not to be read: %v", err)
	}
	strict.refuseCIDRs = nil
	for _, failure := range []error{forbidden, errors.New("unreachable")} {
		if _, err := strict.upstreams(func() ([]netip.Prefix, error) { return nil, failure }); err == nil {
			t.Errorf("%v: strict mode goes without the service ranges", failure)
		}
	}
}

func containedIn(ranges []netip.Prefix, address string) bool {
	for _, r := range ranges {
		if r.Contains(netip.MustParseAddr(address)) {
			return true
		}
	}
	return false
}
