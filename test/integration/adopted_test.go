package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// byHelm installs the sample chart with the helm command.
func byHelm(t *testing.T, ns, name string, more ...string) {
	t.Helper()
	chart := "oci://" + world.registry.Host() + "/" + ns + "/sample"
	args := []string{"upgrade", "--install", name, chart, "--plain-http", "--version", "1.0.0", "-n", ns}
	mustRun(t, "helm", append(args, more...)...)
}

// awaitWatched waits until the objects of a release are listed, healthy, compared, and have been watched for its bake.
func awaitWatched(t *testing.T, hr *v1beta1.HelmRelease) {
	t.Helper()
	until(t, "the objects are watched", func() bool {
		get(t, hr)
		return hr.Status.Inventory != nil && len(hr.Status.Inventory.Entries) == 2 &&
			condition(t, hr, v1beta1.HealthyCondition).Status == metav1.ConditionTrue &&
			condition(t, hr, v1beta1.DriftedCondition).Status == metav1.ConditionFalse &&
			condition(t, hr, v1beta1.VerifiedCondition).Status == metav1.ConditionTrue
	})
}

func versions(t *testing.T, objects ...client.Object) (all []string) {
	t.Helper()
	for _, object := range objects {
		all = append(all, get(t, object).GetResourceVersion())
	}
	return all
}

// What is adopted is followed like everything else: health, drift, bake and tree, and it is not written for that.
func TestAnAdoptedReleaseIsWatched(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	byHelm(t, ns, "web", "--set", "message=mine", "--wait")
	made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	before := versions(t, made)

	hr := release(ns, "web", "sample", "1.0.0", "charts", `{"message":"mine"}`)
	hr.Spec.Bake = &metav1.Duration{Duration: time.Second}
	hr.Spec.DriftDetection = &v1beta1.DriftDetection{Mode: v1beta1.DriftEnabled}
	apply(t, hr)
	awaitReady(t, hr)
	awaitWatched(t, hr)
	if v := get(t, hr).Status.Latest().Version; v != 1 {
		t.Errorf("the adoption made revision %d", v)
	}
	if after := versions(t, made); after[0] != before[0] {
		t.Errorf("the adoption wrote to the ConfigMap: it was at %s and is at %s", before[0], after[0])
	}
	tree := mustRun(t, "fairlead", "tree", "release", "web", "-n", ns)
	if !strings.Contains(tree, "ConfigMap") || !strings.Contains(tree, "Deployment") {
		t.Errorf("the tree has not all objects:\n%s", tree)
	}

	edit := func(patch string) {
		mustRun(t, "kubectl", "patch", "configmap", "web", "-n", ns, "--type", "merge", "-p", patch)
	}
	edit(`{"data":{"message":"by hand"}}`)
	until(t, "the edit is reported", func() bool {
		c := condition(t, get(t, hr), v1beta1.DriftedCondition)
		return c.Status == metav1.ConditionTrue && strings.Contains(c.Message, "after the release was adopted")
	})
	if got := configMap(t, ns, "web")["message"]; got != "by hand" {
		t.Errorf("a release that was just adopted is corrected: %q", got)
	}
	edit(`{"data":{"message":"mine"}}`)
	until(t, "the end of the drift is noticed", func() bool {
		return condition(t, get(t, hr), v1beta1.DriftedCondition).Status == metav1.ConditionFalse
	})

	byHelm(t, ns, "web", "--set", "message=mine", "--wait")
	until(t, "the new revision is noticed", func() bool { return get(t, hr).Status.Latest().Version == 2 })
	awaitReady(t, hr)
	awaitWatched(t, hr)
	if v := get(t, hr).Status.Latest().Version; v != 2 {
		t.Errorf("the second adoption made revision %d", v)
	}
}

// What was edited by hand before a release moves is reported, and is not corrected when the release is adopted.
func TestAnEditBeforeTheAdoptionIsReported(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	byHelm(t, ns, "web", "--set", "message=mine", "--wait")
	edit := []string{"patch", "configmap", "web", "-n", ns, "--type", "merge", "-p", `{"data":{"message":"by hand"}}`}
	mustRun(t, "kubectl", edit...)

	hr := release(ns, "web", "sample", "1.0.0", "charts", `{"message":"mine"}`)
	apply(t, hr)
	until(t, "the edit is reported", func() bool {
		c := condition(t, get(t, hr), v1beta1.DriftedCondition)
		return c.Status == metav1.ConditionTrue && c.Reason == v1beta1.DriftDetectedReason &&
			strings.Contains(c.Message, "it is corrected ten minutes after the release was adopted")
	})
	events := &corev1.EventList{}
	until(t, "an event mentions the edit", func() bool {
		if err := world.cluster.Client.List(t.Context(), events, client.InNamespace(ns)); err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
			return e.Reason == v1beta1.DriftDetectedReason && e.InvolvedObject.Name == "web"
		})
	})
	if got := configMap(t, ns, "web")["message"]; got != "by hand" {
		t.Errorf("the edit was undone: %q", got)
	}
	if v := get(t, hr).Status.Latest().Version; v != 1 {
		t.Errorf("the adoption made revision %d", v)
	}
}

// A release as Flux leaves it carries Flux's labels in its record, so that one upgrade follows, after which
// nothing of Flux is left.
func TestAReleaseOfFluxIsWatched(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	labels := filepath.Join(t.TempDir(), "labels")
	script := "#!/bin/sh\nexec sed 's|^metadata:$|metadata:\\n  labels: {helm.toolkit.fluxcd.io/name: web, " +
		"helm.toolkit.fluxcd.io/namespace: " + ns + "}|'\n"
	if err := os.WriteFile(labels, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	byHelm(t, ns, "web", "--post-renderer", labels)
	const label = "helm.toolkit.fluxcd.io/name"
	made := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	uid := get(t, made).UID
	if made.Labels[label] != "web" {
		t.Fatalf("the labels of Flux are not there: %v", made.Labels)
	}

	hr := release(ns, "web", "sample", "1.0.0", "charts", "")
	hr.Spec.Bake = &metav1.Duration{Duration: time.Second}
	apply(t, hr)
	awaitReady(t, hr)
	awaitWatched(t, hr)
	if get(t, made); made.Labels[label] != "" || made.UID != uid {
		t.Errorf("labels %v, and the Deployment was %s and is %s", made.Labels, uid, made.UID)
	}
}

// A release that was adopted when no client had looked at it yet is looked at by the next process. Such releases are
// also what earlier versions of the controller left.
func TestAnAdoptedReleaseIsListedAfterARestart(t *testing.T) {
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	byHelm(t, ns, "web")
	hr := release(ns, "web", "sample", "1.0.0", "charts", "")
	hr.Spec.Bake = &metav1.Duration{Duration: time.Second}
	apply(t, hr)
	awaitWatched(t, hr)
	world.controller.Kill()
	mustRun(t, "kubectl", "patch", "helmrelease", "web", "-n", ns, "--subresource", "status", "--type", "json", "-p",
		`[{"op":"remove","path":"/status/inventory"},{"op":"remove","path":"/status/lastVerified"}]`)
	if get(t, hr); hr.Status.Inventory != nil {
		t.Fatal("the status still has an inventory")
	}
	if err := startController(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitWatched(t, hr)
	if v := get(t, hr).Status.Latest().Version; v != 1 {
		t.Errorf("listing the objects made revision %d", v)
	}
}
