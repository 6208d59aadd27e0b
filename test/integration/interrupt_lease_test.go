package integration

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// Times of leader election in these tests, short to wait for.
const (
	leaseDuration = 6 * time.Second
	renewDeadline = 4 * time.Second
	retryPeriod   = time.Second
)

func elected(ns string) []string {
	return []string{"--leader-elect", "--leader-elect-namespace", ns, "--lease-duration", leaseDuration.String(),
		"--renew-deadline", renewDeadline.String(), "--retry-period", retryPeriod.String()}
}

func isLease(r env.Request) bool { return r.Resource == "leases" }

// acts matches what a controller must not do when it does not lead. Events report what happened and change nothing.
func acts(r env.Request) bool { return r.Writes() && !isLease(r) && r.Resource != "events" }

// leader returns the holder of the lease, empty when there is none.
func leader(t *testing.T, ns string) string {
	t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fairlead"}}
	if !exists(t, lease) || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// twoControllers starts one that leads and has a release under way, which waits for its pods, and one that stands by.
func twoControllers(t *testing.T) (first, second *victim, hr *v1beta1.HelmRelease) {
	t.Helper()
	ns := namespace(t)
	alone(t)
	fragileCharts(t, ns)
	first = newVictim(t, ns, "first", elected(ns)...)
	until(t, "the first controller leads", func() bool { return leader(t, ns) != "" })
	second = newVictim(t, ns, "second", elected(ns)...)
	hr = fragileRelease(ns, "web", `{"message":"one","gated":true}`)
	hr.Spec.Timeout = &metav1.Duration{Duration: time.Hour}
	apply(t, hr)
	until(t, "the release waits for its pods", func() bool { return isWaiting(t, ns, "web", installed.rollouts) })
	return first, second, hr
}

// A leader that cannot renew its lease does nothing more once its renew deadline has passed, and the other one finishes
// what it had begun.
func TestTheLeaseIsLost(t *testing.T) {
	first, second, hr := twoControllers(t)
	was := leader(t, hr.Namespace)
	actions := first.proxy.Record(acts)
	first.proxy.Refuse(isLease)
	// The last renewal that passed was before this, and the next attempt begins a retry period after it.
	deadline := time.Now().Add(retryPeriod + renewDeadline)
	until(t, "the second controller leads", func() bool { return leader(t, hr.Namespace) != was })

	// New work, for which the one that leads no more has to be idle.
	more := fragileRelease(hr.Namespace, "more", `{"message":"one"}`)
	apply(t, more)
	awaitReady(t, more)
	openGate(t, hr)
	check(t, hr.Namespace, "web", installed)
	check(t, hr.Namespace, "more", installed)
	for _, r := range actions.Requests() {
		if r.At.After(deadline) {
			t.Errorf("%s after its renew deadline the first controller sent %s %s %s", r.At.Sub(deadline), r.Verb, r.Resource,
				r.Name)
		}
	}
	if err := second.controller.Failed(); err != nil {
		t.Error(err)
	}
}

// A leader that was asleep while its lease ran out does not continue with what it was at when it wakes up.
func TestTheLeaderWasAsleep(t *testing.T) {
	first, second, hr := twoControllers(t)
	was := leader(t, hr.Namespace)
	if err := first.controller.Pause(); err != nil {
		t.Fatal(err)
	}
	until(t, "the second controller leads", func() bool { return leader(t, hr.Namespace) != was })
	actions, leases := first.proxy.Record(acts), first.proxy.Record(isLease)
	// The sleeper wakes up to news that it has been waiting for.
	openGate(t, hr)
	more := fragileRelease(hr.Namespace, "more", `{"message":"one"}`)
	apply(t, more)
	if err := first.controller.Resume(); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, more)
	until(t, "the first controller has noticed", func() bool {
		return first.controller.Failed() != nil || len(leases.Requests()) > 0
	})
	check(t, hr.Namespace, "web", installed)
	check(t, hr.Namespace, "more", installed)
	for _, r := range actions.Requests() {
		t.Errorf("after its sleep the first controller sent %s %s %s", r.Verb, r.Resource, r.Name)
	}
	if err := second.controller.Failed(); err != nil {
		t.Error(err)
	}
}
