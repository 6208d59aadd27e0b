package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	"fairlead.dev/fairlead/sources/egress"
)

// +kubebuilder:rbac:groups=networking.k8s.io,resources=servicecidrs,verbs=list

// serviceRangesTimeout bounds the one request for the service ranges of the cluster.
const serviceRangesTimeout = 30 * time.Second

// upstreams returns which addresses sources and kubeconfigs may not have, by the flags. Strict mode adds private ranges and what serviceRanges returns.
func (flags *tenancy) upstreams(serviceRanges func() ([]netip.Prefix, error)) (egress.Rules, error) {
	refuse, refuseErr := parseRanges("--refuse-upstream-cidrs", flags.refuseCIDRs)
	allow, allowErr := parseRanges("--allow-upstream-cidrs", flags.allowCIDRs)
	if err := errors.Join(refuseErr, allowErr); err != nil {
		return egress.Rules{}, err
	}

	rules := egress.Rules{RefuseLoopback: flags.refuseLoopback, Refuse: refuse, Allow: allow, AllowHosts: flags.allowHosts}
	if flags.mode != strictTenancy {
		return rules, nil
	}

	services, err := serviceRanges()
	if apierrors.IsForbidden(err) && len(refuse) > 0 {
		err = nil // the flag names them
	}

	rules.Refuse = slices.Concat(refuse, privateRanges, services)
	return rules, err
}

// serviceRangesOf asks a cluster for the address ranges of its Services. A cluster that does not serve ServiceCIDRs, before
// Kubernetes 1.33, gives none.
func serviceRangesOf(ctx context.Context, config *rest.Config) ([]netip.Prefix, error) {
	ctx, cancel := context.WithTimeout(ctx, serviceRangesTimeout)
	defer cancel()
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}

	list, err := clients.NetworkingV1().ServiceCIDRs().List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		ctrl.Log.Info("the cluster does not serve ServiceCIDRs; service ranges that are not private belong into --refuse-upstream-cidrs")
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the service ranges of the cluster, which --tenancy=strict refuses as upstreams: %w; "+
			"where the controller may not list ServiceCIDRs, name the ranges with --refuse-upstream-cidrs", err)
	}

	var texts []string
	for _, item := range list.Items {
		texts = append(texts, item.Spec.CIDRs...)
	}

	return parseRanges("ServiceCIDR", texts)
}
