package integration

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/seed"
)

// restart kills the controller without a word and starts it again.
func restart(t *testing.T) {
	t.Helper()
	world.controller.Kill()
	if err := startController(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The tests of this file stop the controller, so none of them is parallel: they run before those that are.

func TestKilledWhileWaiting(t *testing.T) {
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", `{"unready":true}`)
	hr.Spec.Timeout = &metav1.Duration{Duration: time.Hour}
	apply(t, hr)
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	until(t, "the Deployment is waited for", func() bool { return exists(t, deployment) })
	if got := recordStatuses(t, ns, "web"); got != "pending-install" {
		t.Errorf("the record is %s, want pending-install", got)
	}
	restart(t)
	apply(t, withValues(hr, `{"unready":false}`))
	awaitReady(t, hr)
	if got := recordStatuses(t, ns, "web"); strings.Contains(got, "pending") || !strings.Contains(got, "deployed") {
		t.Errorf("the records are %s", got)
	}
}

// An upgrade whose pods crash already when another process finishes it fails soon, not at its timeout.
func TestKilledWhilePodsCrash(t *testing.T) {
	ns := namespace(t)
	fragileCharts(t, ns)
	hr := fragileRelease(ns, "web", `{"message":"runs"}`)
	apply(t, hr)
	awaitReady(t, hr)
	hr.Spec.Timeout = &metav1.Duration{Duration: time.Hour}
	apply(t, withValues(hr, `{"message":"crashes","gated":true}`))
	until(t, "there is a pod of the upgrade", func() bool {
		pods := &corev1.PodList{}
		if err := world.cluster.Client.List(t.Context(), pods, client.InNamespace(ns)); err != nil {
			t.Fatal(err)
		}
		return len(pods.Items) == 2
	})
	world.controller.Kill()
	if got := recordStatuses(t, ns, "web"); !strings.Contains(got, "pending-upgrade") {
		t.Errorf("the records are %s", got)
	}
	annotatePods(t, ns, simWaiting, "CrashLoopBackOff")
	time.Sleep(2 * time.Second) // the pods are older than the next process
	if err := startController(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the upgrade has failed", func() bool {
		f := get(t, hr).Status.LastFailure
		return f != nil && strings.Contains(f.Message, "CrashLoopBackOff")
	})
}

func TestKilledWhileUninstalling(t *testing.T) {
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, hr)
	awaitReady(t, hr)
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	hold := func(finalizers string) {
		t.Helper()
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":`+finalizers+`}}`))
		if err := world.cluster.Client.Patch(t.Context(), deployment, patch); err != nil {
			t.Fatal(err)
		}
	}
	hold(`["example.com/hold"]`)
	remove(t, hr)
	until(t, "the uninstall waits for the Deployment", func() bool {
		return !get(t, deployment).DeletionTimestamp.IsZero()
	})
	restart(t)
	hold(`[]`)
	until(t, "the object is gone", func() bool { return !exists(t, hr) })
	if got := recordStatuses(t, ns, "web"); got != "" {
		t.Errorf("records are left: %s", got)
	}
}

// Killed at any moment, the controller ends in the same state.
func TestKilledAtAnyMoment(t *testing.T) {
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	const count = 6
	random := rand.New(rand.NewPCG(seed.Of(t), 0))
	var releases []*v1beta1.HelmRelease
	for i := range count {
		hr := release(ns, fmt.Sprintf("r%d", i), "sample", "*", "charts", `{"message":"first"}`)
		releases = append(releases, hr)
		apply(t, hr)
	}
	for range 3 {
		time.Sleep(time.Duration(random.IntN(700)) * time.Millisecond) // where in the work it hits is up to chance
		restart(t)
	}
	for _, hr := range releases {
		awaitReady(t, hr)
	}
	push(t, world.registry, ns, "sample", "1.1.0")
	for i, hr := range releases {
		apply(t, withValues(hr, fmt.Sprintf(`{"message":"second %d"}`, i)))
	}
	for range 3 {
		time.Sleep(time.Duration(random.IntN(700)) * time.Millisecond)
		restart(t)
	}
	for i, hr := range releases {
		awaitVersion(t, hr, "1.1.0")
		until(t, "the newest values are there", func() bool {
			return configMap(t, ns, hr.Name)["message"] == fmt.Sprintf("second %d", i)
		})
		awaitReady(t, hr)
		if got := recordStatuses(t, ns, hr.Name); strings.Contains(got, "pending") || strings.Count(got, "deployed") != 1 {
			t.Errorf("%s: the records are %s, want one that is deployed and none pending", hr.Name, got)
		}
	}
}

// What was resolved before a restart is still known while upstream is away.
func TestRestartedWithoutUpstream(t *testing.T) {
	ns := namespace(t)
	charts := chartRepository(t, chartOptions(), "sample", "1.0.0")
	apply(t, helmRepository(ns, "charts", charts.URL()))
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, hr)
	awaitReady(t, hr)
	if err := charts.Close(); err != nil {
		t.Fatal(err)
	}
	restart(t)
	repository := helmRepository(ns, "charts", "")
	awaitNotReady(t, repository, v1beta1.FetchFailedReason)
	apply(t, withValues(hr, `{"message":"without upstream"}`))
	until(t, "the new values are applied with the chart from the cache", func() bool {
		return configMap(t, ns, "web")["message"] == "without upstream"
	})
	awaitReady(t, hr)
}

// recordStatuses lists the statuses of a release's records.
func recordStatuses(t *testing.T, namespace, name string) string {
	t.Helper()
	secrets := &corev1.SecretList{}
	err := world.cluster.Client.List(t.Context(), secrets, client.InNamespace(namespace),
		client.MatchingLabels{"owner": "helm", "name": name})
	if err != nil {
		t.Fatal(err)
	}
	var statuses []string
	for _, secret := range secrets.Items {
		statuses = append(statuses, secret.Labels["status"])
	}
	return strings.Join(statuses, " ")
}
