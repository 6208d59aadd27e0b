package integration

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"fairlead.dev/fairlead/test/env"
)

// A leader works; one that was paused until another took its lease does nothing any more, and ends.
func TestAPausedLeaderEnds(t *testing.T) {
	ns := namespace(t)
	if err := world.controller.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := startController(context.Background()); err != nil {
			t.Error(err)
		}
	})
	leader, err := env.StartController(t.Context(), world.cluster, t.TempDir(), "--leader-elect",
		"--leader-elect-namespace", ns,
		"--lease-duration", "4s", "--renew-deadline", "3s", "--retry-period", "1s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(leader.Kill)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, hr)
	awaitReady(t, hr)

	if err := syscall.Kill(leader.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fairlead"}}
	until(t, "the lease has run out", func() bool { return time.Since(get(t, lease).Spec.RenewTime.Time) > 4*time.Second })
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = ptr.To("another"), ptr.To[int32](3600)
	lease.Spec.RenewTime = &metav1.MicroTime{Time: time.Now()}
	if err := world.cluster.Client.Update(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	apply(t, withValues(hr, `{"unready":true}`))
	if err := syscall.Kill(leader.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	until(t, "it ends", func() bool { return leader.Failed() != nil })
	if log, err := os.ReadFile(leader.Log); err != nil ||
		!strings.Contains(string(log), "lost the lease "+ns+"/fairlead") {
		t.Errorf("the log does not say why: %v\n%s", err, log)
	}
	if got := recordStatuses(t, ns, "web"); got != "deployed" {
		t.Errorf("the records are %s: it went on working", got)
	}
}
