package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/controllers/release"
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

// connectTo reaches the objects that releases depend on, in the controller's own cluster.
func connectTo(config *rest.Config) release.Connect {
	return func(_ context.Context, access target.Access) (dynamic.Interface, meta.RESTMapper, error) {
		if access.Kubeconfig != nil {
			return nil, nil, errors.New("objects of other clusters cannot be watched yet")
		}
		as := rest.CopyConfig(config)
		as.Impersonate.UserName = access.User
		client, err := dynamic.NewForConfig(as)
		if err != nil {
			return nil, nil, fmt.Errorf("setting up the client of %s: %w", access.User, err)
		}
		to, err := target.New(as)
		if err != nil {
			return nil, nil, err
		}
		return client, to.Mapper(), nil
	}
}
