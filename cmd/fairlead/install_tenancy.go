package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"fairlead.dev/fairlead/helmops/install"
)

// installTenancy are the flags of install and bootstrap that say how far those who share the cluster are kept apart. Those that the
// controller has too mean the same.
type installTenancy struct {
	flags       tenancy
	adminGroups []string
	adminUsers  []string
	kubeConfig  bool
	noPolicies  bool
	// options is what the flags come to, once they are complete.
	options install.Tenancy
}

func (t *installTenancy) register(f *pflag.FlagSet) {
	t.flags.register(f)
	f.StringSliceVar(&t.adminGroups, "admin-groups", nil,
		"with --tenancy=strict, groups of users that the policies do not limit (default system:masters,kubeadm:cluster-admins)")
	f.StringSliceVar(&t.adminUsers, "admin-users", nil,
		"with --tenancy=strict, users that the policies do not limit, ServiceAccounts as system:serviceaccount:NAMESPACE:NAME")
	f.BoolVar(&t.kubeConfig, "allow-kubeconfig", false, "with --tenancy=strict, let tenants name clusters of their own with spec.kubeConfig")
	f.BoolVar(&t.noPolicies, "no-policies", false, "with --tenancy=strict, leave out the admission policies, which need Kubernetes 1.30")
}

// complete checks the flags as the controller does, so that it does not refuse them later.
func (t *installTenancy) complete(f *pflag.FlagSet) error {
	given := t.flags
	if err := t.flags.complete(f); err != nil {
		return err
	}

	strict := t.flags.mode == strictTenancy
	for _, name := range []string{"admin-groups", "admin-users", "allow-kubeconfig", "no-policies"} {
		if f.Changed(name) && (!strict || t.noPolicies && name != "no-policies") {
			return fmt.Errorf("--%s is about the policies of --tenancy=strict, which are not installed", name)
		}
	}

	if strict && f.Changed("no-cluster-admin") && f.Lookup("no-cluster-admin").Value.String() == "false" {
		return errors.New("--no-cluster-admin=false contradicts --tenancy=strict; leave the flag out, or use --tenancy=shared")
	}

	for _, name := range slices.Concat(t.adminGroups, t.adminUsers) {
		if name == "" || strings.ContainsAny(name, "'\"\\ \t\n") {
			return fmt.Errorf("%q is not the name of a group or a user", name)
		}
	}

	t.options = install.Tenancy{
		Strict:                strict,
		DefaultServiceAccount: given.defaultServiceAccount,
		NoCrossNamespaceRefs:  given.noCrossNamespaceRefs,
		RefuseLoopback:        given.refuseLoopback,
		RefuseUpstreams:       given.refuseCIDRs,
		AllowUpstreams:        given.allowCIDRs,
		NoPolicies:            t.noPolicies,
		AdminGroups:           t.adminGroups,
		AdminUsers:            t.adminUsers,
		AllowKubeConfig:       t.kubeConfig,
	}
	return nil
}

// admitPolicies fails when policies are wanted that the cluster does not serve. Policies that only warn are left out
// there.
func (f *installFlags) admitPolicies(site *install.Site) error {
	found, err := site.CheckPolicies()
	if err != nil {
		return err
	}

	f.noWarnings = found.Outcome != install.Passed
	tenancy := f.tenancy.options
	if f.noWarnings && tenancy.Strict && !tenancy.NoPolicies {
		return fmt.Errorf("%s: %s; %s", found.Name, found.Message, found.Fix)
	}

	return nil
}
