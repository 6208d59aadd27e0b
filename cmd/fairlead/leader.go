package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	target "fairlead.dev/fairlead/helmops/kube/cluster"
)

const (
	leaseName = "fairlead"
	// namespaceFile holds the namespace of the pod.
	namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
	// retryJitter is by how much a retry of the leader election may take longer than its period.
	retryJitter = 1.2
)

// leaderFlags are those of the leader election. It renews seldom: it would otherwise be the largest part of what an idle
// controller asks of the API server.
type leaderFlags struct {
	elect     bool
	namespace string
	lease     time.Duration
	renew     time.Duration
	retry     time.Duration
}

// complete checks the flags and finds the namespace of the lease.
func (f *leaderFlags) complete(podNamespace string) error {
	if !f.elect {
		return nil
	}
	if f.retry <= 0 {
		return fmt.Errorf("--retry-period %s: want more than 0", f.retry)
	}
	if least := time.Duration(float64(f.retry) * retryJitter); f.renew <= least {
		return fmt.Errorf("--renew-deadline %s: want more than %s, that is --retry-period and a fifth", f.renew, least)
	}
	if f.lease <= f.renew {
		return fmt.Errorf("--lease-duration %s: want more than --renew-deadline, which is %s", f.lease, f.renew)
	}
	if f.lease < time.Second {
		return fmt.Errorf("--lease-duration %s: want at least 1s", f.lease)
	}
	if f.namespace == "" {
		f.namespace = podNamespace
	}
	if f.namespace == "" {
		return errors.New("--leader-elect: this process does not run in a pod; name the namespace of the lease with --leader-elect-namespace")
	}

	return nil
}

// podNamespace returns the namespace of the pod, empty outside of one.
func podNamespace(file string) string {
	content, err := os.ReadFile(file) // #nosec G304 -- a constant but for tests
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

// fence has a process that may have lost the lease write nothing. The copy for the manager sees the lease being renewed; guard
// is for the transports of other clusters.
func (f *leaderFlags) fence(config *rest.Config, now func() time.Time) (elector, guarded *rest.Config, guard func(http.RoundTripper) http.RoundTripper) {
	if !f.elect {
		return config, config, func(next http.RoundTripper) http.RoundTripper { return next }
	}
	fence := target.NewFence(f.namespace, leaseName, f.renew, now)
	publishFence(fence)
	elector, guarded = rest.CopyConfig(config), rest.CopyConfig(config)
	elector.Wrap(fence.Elector)
	guarded.Wrap(fence.Guard)
	return elector, guarded, fence.Guard
}

// options adds the leader election to those of the manager.
func (f *leaderFlags) options(o ctrl.Options) ctrl.Options {
	o.LeaderElection = f.elect
	o.LeaderElectionID = leaseName
	o.LeaderElectionNamespace = f.namespace
	o.LeaderElectionReleaseOnCancel = true
	o.LeaseDuration = &f.lease
	o.RenewDeadline = &f.renew
	o.RetryPeriod = &f.retry
	return o
}

// ended says why the manager has ended, if not because it was asked to.
func (f *leaderFlags) ended(ctx context.Context, err error) error {
	// The manager has no error value for it.
	if err == nil || ctx.Err() != nil || !f.elect || !strings.Contains(err.Error(), "leader election lost") {
		return err
	}
	err = fmt.Errorf("lost the lease %s/%s: it could not be renewed within %s; stopping, so that another replica can continue",
		f.namespace, leaseName, f.renew)
	ctrl.Log.Error(err, "leader election lost")
	return err
}
