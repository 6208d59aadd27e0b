package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/dynamic"

	"fairlead.dev/fairlead/controllers/referent"
	target "fairlead.dev/fairlead/helmops/cluster"
)

// tenancy are the flags that keep those who share a cluster apart.
type tenancy struct {
	defaultServiceAccount string
	noCrossNamespaceRefs  bool
}

func (flags *tenancy) register(f *pflag.FlagSet) {
	f.StringVar(&flags.defaultServiceAccount, "default-service-account", "",
		"ServiceAccount, in the namespace of each release, that releases act as which name none; left out, the controller itself")
	f.BoolVar(&flags.noCrossNamespaceRefs, "no-cross-namespace-refs", false,
		"refuse references to sources, charts and dependencies in other namespaces")
}

func (flags *tenancy) check() error {
	name := flags.defaultServiceAccount
	if name == "" {
		return nil
	}
	if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
		return fmt.Errorf("--default-service-account %q: %s", name, strings.Join(wrong, "; "))
	}
	return nil
}

// connectTo reaches the objects that releases depend on, where and as whom these are made.
func connectTo(to clusters) referent.Connect {
	return func(_ context.Context, access target.Access) (dynamic.Interface, meta.RESTMapper, error) {
		at := to.local
		if access.Kubeconfig != nil {
			var err error
			if at, err = to.remote.Get(access); err != nil {
				return nil, nil, err
			}
		}
		as, err := at.As(access.User)
		if err != nil {
			return nil, nil, err
		}
		return as.Dynamic(), at.Mapper(), nil
	}
}
