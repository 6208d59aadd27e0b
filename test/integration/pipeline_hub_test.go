package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A stage may be on another cluster: its HelmRelease says there what it verified. While that cluster is
// unreachable, the stage reports it and waits, and the later stages get nothing. Afterwards the promotion continues.
func TestAStageOnAnotherCluster(t *testing.T) {
	t.Parallel()
	amongOthers(t)
	ns := namespace(t)
	r := newRemote(t, ns)
	p := newPipelineIn(t, ns)
	hr := p.release("staging")
	hr.Spec.KubeConfig = &v1beta1.KubeConfigReference{SecretRef: &v1beta1.SecretKeyReference{Name: "remote"}}
	apply(t, hr)
	first := p.publish("1.0.0")
	p.await("dev 1.0.0 Verified", "staging 1.0.0 Verified", "prod 1.0.0 Verified")
	if got := r.message(t, ns, "staging"); got != "runs" {
		t.Errorf("on the other cluster the message is %q", got)
	}
	if r.message(t, ns, "prod") != "" || exists(t, &corev1.ConfigMap{ObjectMeta: named(ns, "staging")}) {
		t.Error("a stage is on a cluster that is not its own")
	}
	if got := get(t, hr).Status.LastVerified.ChartDigest; got != first {
		t.Errorf("staging verified %s, want %s", got, first)
	}

	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	second := p.publish("1.2.0")
	p.await("dev 1.2.0 Verified", "staging 1.2.0 Verifying", "prod 1.0.0 Blocked")
	until(t, "staging says why it waits", func() bool {
		return strings.Contains(p.stage("staging").Message, "asking the cluster for its APIs")
	})
	says(t, p.stage("prod").Message, "not verified in staging")

	r.start(t)
	mustRun(t, "fairlead", "reconcile", "release", "staging", "-n", ns)
	p.await("dev 1.2.0 Verified", "staging 1.2.0 Verified", "prod 1.2.0 Verified")
	if got := get(t, hr).Status.LastVerified.ChartDigest; got != second {
		t.Errorf("staging verified %s, want %s", got, second)
	}
}
