package main

import (
	"fmt"
	"net/netip"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"

	target "fairlead.dev/fairlead/helmops/cluster"
	"fairlead.dev/fairlead/sources/quota"
	"fairlead.dev/fairlead/sources/store"
	"fairlead.dev/fairlead/sources/transport"
)

// upstreams are the flags that say what sources and kubeconfigs may reach, and how much of it is kept.
type upstreams struct {
	refuseLoopback bool
	refuse, allow  []string
	allowHosts     []string
	size, share    string

	// refused, allowed and kept are what check has read.
	refused, allowed []netip.Prefix
	kept             quota.Bounds
}

func (flags *upstreams) register(f *pflag.FlagSet) {
	f.BoolVar(&flags.refuseLoopback, "refuse-loopback-upstreams", false,
		"refuse loopback addresses as upstreams of sources, as proxies, and as servers of kubeconfigs")
	f.StringSliceVar(&flags.refuse, "refuse-upstream-cidrs", nil,
		"ranges that are refused likewise, such as those of Pods and Services, separated by commas")
	f.StringSliceVar(&flags.allow, "allow-upstream-cidrs", nil, "ranges or addresses that the two flags above do not count for")
	f.StringSliceVar(&flags.allowHosts, "allow-upstream-hosts", nil, "names of hosts that they do not count for, whatever these resolve to")
	f.StringVar(&flags.size, "cache-size", quantity(store.DefaultBounds.Total), "what the artifact cache may take; less than the volume of --cache-dir has")
	f.StringVar(&flags.share, "cache-share", quantity(store.DefaultBounds.Share), "what artifacts of the sources of one namespace may take of it")
}

func quantity(bytes int64) string { return resource.NewQuantity(bytes, resource.BinarySI).String() }

// check reads the flags.
func (flags *upstreams) check() (err error) {
	if flags.refused, err = readRanges("refuse-upstream-cidrs", flags.refuse); err != nil {
		return err
	}
	if flags.allowed, err = readRanges("allow-upstream-cidrs", flags.allow); err != nil {
		return err
	}
	if flags.kept.Total, err = readSize("cache-size", flags.size); err != nil {
		return err
	}
	if flags.kept.Share, err = readSize("cache-share", flags.share); err != nil {
		return err
	}
	if flags.kept.Share > flags.kept.Total {
		return fmt.Errorf("--cache-share %s: want at most --cache-size, which is %s", flags.share, flags.size)
	}
	return nil
}

// readRanges reads ranges in the notation of CIDR; an address alone is a range of one.
func readRanges(flag string, texts []string) ([]netip.Prefix, error) {
	ranges := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil {
			ranges = append(ranges, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}
		found, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--%s %q: want an address or a range such as 10.96.0.0/12", flag, text)
		}
		ranges = append(ranges, found.Masked())
	}
	return ranges, nil
}

func readSize(flag, text string) (int64, error) {
	size, err := resource.ParseQuantity(text)
	if err != nil || size.Value() <= 0 {
		return 0, fmt.Errorf("--%s %q: want a size such as 512Mi", flag, text)
	}
	return size.Value(), nil
}

// addresses are refused for sources.
func (flags *upstreams) addresses() transport.Addresses {
	return transport.Addresses{RefuseLoopback: flags.refuseLoopback, Refuse: flags.refused, Allow: flags.allowed, AllowHosts: flags.allowHosts}
}

// clusters are refused for kubeconfigs.
func (flags *upstreams) clusters() target.Addresses {
	return target.Addresses{RefuseLoopback: flags.refuseLoopback, Refuse: flags.refused, Allow: flags.allowed, AllowHosts: flags.allowHosts}
}

// bounds are what the artifact cache may take.
func (flags *upstreams) bounds() quota.Bounds { return flags.kept }
