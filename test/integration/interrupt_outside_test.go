package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// Installs that the API server leaves in the middle are finished when it is back, each as its first revision.
func TestTheAPIServerIsAway(t *testing.T) {
	ns, v := interruption(t)
	records := v.proxy.Record(func(r env.Request) bool { return r.Resource == "secrets" && r.Verb == env.Create })
	var releases []*v1beta1.HelmRelease
	for i := range 6 {
		hr := fragileRelease(ns, fmt.Sprintf("r%d", i), `{"message":"one"}`)
		releases = append(releases, hr)
		apply(t, hr)
	}
	until(t, "some installs have begun", func() bool { return len(records.Requests()) >= 2 })
	back := v.proxy.Refuse(func(env.Request) bool { return true })
	time.Sleep(10 * time.Second) // the outage; nothing says how far the controller is with its retries
	back()
	for _, hr := range releases {
		awaitReady(t, hr)
		check(t, ns, hr.Name, installed)
	}
	if err := v.controller.Failed(); err != nil {
		t.Error(err)
	}
}

// upgradedByTwo is the outcome of two upgrades in a row, of which ours is the second.
var upgradedByTwo = "1:superseded 2:superseded 3:deployed"

// A human's helm upgrade that gets in between our decision and our record wins its revision; ours comes after it.
func TestAHumanIsFaster(t *testing.T) {
	ns, v := interruption(t)
	hr := fragileRelease(ns, "web", `{"message":"one"}`)
	apply(t, hr)
	awaitReady(t, hr)
	held := v.proxy.Hold(writesRecord("web", "pending-upgrade"), false)
	apply(t, withValues(hr, `{"message":"ours"}`))
	await(t, held)
	if err := <-humanUpgrade(t, ns, "--set", "message=theirs"); err != nil {
		t.Fatal(err)
	}
	held.Release()
	inSync(t, hr)
}

// A human's helm upgrade that is under way is not disturbed; ours comes after it.
func TestAHumanIsUnderWay(t *testing.T) {
	ns, _ := interruption(t)
	hr := fragileRelease(ns, "web", `{"message":"one"}`)
	apply(t, hr)
	awaitReady(t, hr)
	human := humanUpgrade(t, ns, "--set", "message=theirs,gated=true", "--wait", "--timeout", patience.String())
	until(t, "the human's upgrade waits for its pods", func() bool {
		return revisions(t, ns, "web") == "1:deployed 2:pending-upgrade" &&
			rollouts(t, ns, "web") == "generation 2, 2 ReplicaSets"
	})
	apply(t, withValues(hr, `{"message":"ours"}`))
	awaitNotReady(t, hr, v1beta1.PendingReleaseReason)
	if got := revisions(t, ns, "web"); got != "1:deployed 2:pending-upgrade" {
		t.Errorf("the human's upgrade was disturbed: the records are %s", got)
	}
	var err error
	annotate(t, ns, map[string]string{"app": "web"}, `{"metadata":{"annotations":{"`+simReady+`":"true"}}}`, func() bool {
		select {
		case err = <-human:
			return true
		default:
			return false
		}
	})
	if err != nil {
		t.Error(err)
	}
	inSync(t, hr)
}

// humanUpgrade runs helm upgrade of the release web beside the controller; the channel brings how it ends.
func humanUpgrade(t *testing.T, ns string, args ...string) <-chan error {
	t.Helper()
	chart := "oci://" + world.registry.Host() + "/" + ns + "/fragile"
	c, err := world.cluster.Command(t.Context(), "helm",
		append([]string{"upgrade", "web", chart, "--plain-http", "--version", "1.0.0", "-n", ns}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		out, err := c.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("helm upgrade: %w\n%s", err, out)
		}
		ended <- err
	}()
	return ended
}

// inSync waits until the release has our values and checks that the history mentions both upgrades.
func inSync(t *testing.T, hr *v1beta1.HelmRelease) {
	t.Helper()
	until(t, "our values are there", func() bool { return configMap(t, hr.Namespace, hr.Name)["message"] == "ours" })
	awaitReady(t, hr)
	if got := revisions(t, hr.Namespace, hr.Name); got != upgradedByTwo {
		t.Errorf("the records are %s, want %s", got, upgradedByTwo)
	}
	if value := randomValue(t, hr.Namespace, hr.Name); !strings.Contains(manifest(t, hr.Namespace, hr.Name), value) {
		t.Error("the random value of the cluster is not the one of the newest revision")
	}
	if ready := condition(t, hr, v1beta1.ReadyCondition); ready.Status != metav1.ConditionTrue {
		t.Errorf("the release is not Ready: %s", ready.Message)
	}
}
