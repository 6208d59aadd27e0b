package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"fairlead.dev/fairlead/controllers/refs"
	target "fairlead.dev/fairlead/helmops/kube/cluster"
)

// Modes of tenancy.
const (
	// sharedTenancy trusts everyone who may write objects of Fairlead with the rights of the controller.
	sharedTenancy = "shared"
	// strictTenancy keeps those who share the cluster apart.
	strictTenancy = "strict"
	// strictServiceAccount is who objects act as in strict mode that name no ServiceAccount.
	strictServiceAccount = "default"
)

// privateRanges are where Services, pods, nodes and what is beside them have their addresses in most networks. Strict mode refuses
// them as upstreams.
var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("fc00::/7"),
}

// tenancy are the flags that keep those who share a cluster apart.
type tenancy struct {
	mode                  string
	defaultServiceAccount string
	noCrossNamespaceRefs  bool
	refuseLoopback        bool
	refuseCIDRs           []string
	allowCIDRs            []string
	allowHosts            []string
}

func (flags *tenancy) register(f *pflag.FlagSet) {
	f.StringVar(&flags.mode, "tenancy", sharedTenancy,
		"shared, or strict: a default ServiceAccount, no references to other namespaces, no loopback or private addresses as upstreams")
	f.StringVar(&flags.defaultServiceAccount, "default-service-account", "",
		"ServiceAccount, in the namespace of each release, that releases act as which name none; left out, the controller itself, "+
			"with --tenancy=strict "+strictServiceAccount)
	f.BoolVar(&flags.noCrossNamespaceRefs, "no-cross-namespace-refs", false,
		"refuse references to sources, charts and dependencies in other namespaces; true with --tenancy=strict")
	f.BoolVar(&flags.refuseLoopback, "refuse-loopback-upstreams", false,
		"refuse loopback addresses as upstreams; true with --tenancy=strict")
	f.StringSliceVar(&flags.refuseCIDRs, "refuse-upstream-cidrs", nil,
		"address ranges that are refused as upstreams; --tenancy=strict adds private ranges and the cluster's service ranges")
	f.StringSliceVar(&flags.allowCIDRs, "allow-upstream-cidrs", nil,
		"address ranges that are allowed as upstreams although they are refused otherwise; never metadata and link-local addresses")
	f.StringSliceVar(&flags.allowHosts, "allow-upstream-hosts", nil,
		"names of hosts that are allowed as upstreams likewise, whatever address they resolve to")
}

// complete checks the flags and sets what the mode decides. A flag that was given and contradicts the mode is an error.
func (flags *tenancy) complete(f *pflag.FlagSet) error {
	switch flags.mode {
	case sharedTenancy:
	case strictTenancy:
		if err := flags.restrict(f); err != nil {
			return err
		}
	default:
		return fmt.Errorf("--tenancy %q: want %s or %s", flags.mode, sharedTenancy, strictTenancy)
	}

	if name := flags.defaultServiceAccount; name != "" {
		if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
			return fmt.Errorf("--default-service-account %q: %s", name, strings.Join(wrong, "; "))
		}
	}

	_, refused := parseRanges("--refuse-upstream-cidrs", flags.refuseCIDRs)
	_, allowed := parseRanges("--allow-upstream-cidrs", flags.allowCIDRs)
	return errors.Join(refused, allowed)
}

// restrict sets what strict mode asks for.
func (flags *tenancy) restrict(f *pflag.FlagSet) error {
	const conflict = "%s contradicts --tenancy=strict; %s, or use --tenancy=shared"
	switch {
	case f.Changed("default-service-account") && flags.defaultServiceAccount == "":
		return fmt.Errorf(conflict, "an empty --default-service-account", "name a ServiceAccount or leave the flag out")
	case f.Changed("no-cross-namespace-refs") && !flags.noCrossNamespaceRefs:
		return fmt.Errorf(conflict, "--no-cross-namespace-refs=false", "leave the flag out")
	case f.Changed("refuse-loopback-upstreams") && !flags.refuseLoopback:
		return fmt.Errorf(conflict, "--refuse-loopback-upstreams=false", "allow single addresses with --allow-upstream-cidrs")
	}

	flags.defaultServiceAccount = cmp.Or(flags.defaultServiceAccount, strictServiceAccount)
	flags.noCrossNamespaceRefs = true
	flags.refuseLoopback = true
	return nil
}

// parseRanges reads address ranges; a single address is a range of one.
func parseRanges(flag string, texts []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		text = strings.TrimSpace(text)
		if addr, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}

		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%s %q: want address ranges such as 10.96.0.0/12, separated by commas", flag, text)
		}

		out = append(out, prefix.Masked())
	}

	return out, nil
}

// connectTo reaches the objects that releases depend on, where and as whom these are made.
func connectTo(to clusters) refs.Connect {
	return func(_ context.Context, access target.Access) (refs.Connection, error) {
		at := to.local
		if access.Kubeconfig != nil {
			var err error
			if at, err = to.remote.Get(access); err != nil {
				return refs.Connection{}, err
			}
		}

		as, err := at.As(access.User)
		if err != nil {
			return refs.Connection{}, err
		}

		return refs.Connection{Client: as.Dynamic(), Mapper: at.Mapper(), Memory: at.Memory()}, nil
	}
}
