package integration

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// accountHook is a hook object that Helm leaves behind.
var accountHook = map[string]string{"templates/account.yaml": `apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .Release.Name }}-hook
  annotations: {helm.sh/hook: "pre-install,pre-upgrade"}
`}

// fleetOfOne is a Kustomization that brings a namespace with a release in it, and is not tried again by itself for
// an hour.
func fleetOfOne(t *testing.T) (k *v1beta1.Kustomization, app string) {
	t.Helper()
	ns := namespace(t)
	app = ns + "-app"
	if _, err := world.registry.PushChart(t.Context(), ns, chartArchive(t, "sample", "1.0.0", accountHook)); err != nil {
		t.Fatal(err)
	}
	in := "metadata: {name: web, namespace: " + app + "}\n"
	fleet(t, ns, map[string]string{
		"all/ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + app + "}\n",
		"all/repository.yaml": "apiVersion: fairlead.dev/v1beta1\nkind: HelmRepository\n" + in +
			"spec: {type: oci, insecure: true, url: \"oci://" + world.registry.Host() + "/" + ns + "\"}\n",
		"all/release.yaml": "apiVersion: fairlead.dev/v1beta1\nkind: HelmRelease\n" + in +
			"spec: {chart: {spec: {chart: sample, version: 1.0.0, sourceRef: {kind: HelmRepository, name: web}}}}\n",
	})
	k = kustomization(ns, "all", "all", func(s *v1beta1.KustomizationSpec) {
		s.RetryInterval = &metav1.Duration{Duration: time.Hour}
	})
	apply(t, k)
	awaitReady(t, k)
	awaitReady(t, &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: app, Name: "web"}})
	if !exists(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: app, Name: "web-hook"}}) {
		t.Fatal("the hook has left nothing")
	}
	return k, app
}

func awaitAllGone(t *testing.T, k *v1beta1.Kustomization, app string) {
	t.Helper()
	until(t, "the Kustomization and its namespace are gone", func() bool {
		return !exists(t, k) && !exists(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: app}})
	})
}

// What hooks of an uninstalled release left keeps nothing from being deleted.
func TestANamespaceGoesWithWhatHooksLeft(t *testing.T) {
	t.Parallel()
	k, app := fleetOfOne(t)
	// Before the release goes its hooks are judged by what goes with them, afterwards by its records.
	commit(t, k.Namespace, map[string]string{"all/release.yaml": "", "all/repository.yaml": ""})
	until(t, "the release is gone", func() bool {
		return !exists(t, &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: app, Name: "web"}})
	})
	remove(t, k)
	awaitAllGone(t, k, app)
}

// A deletion that is refused is reported by an event, and is tried again as soon as what was in the way is gone.
func TestARefusedPruneIsTriedAgainWhenTheWayIsFree(t *testing.T) {
	t.Parallel()
	k, app := fleetOfOne(t)
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: app, Name: "foreign"}}
	apply(t, foreign)
	remove(t, k)
	until(t, "the deletion is refused, with an event", func() bool {
		ready := condition(t, get(t, k), v1beta1.ReadyCondition)
		events := &corev1.EventList{}
		if err := world.cluster.Client.List(t.Context(), events, client.InNamespace(k.Namespace)); err != nil {
			t.Fatal(err)
		}
		for _, event := range events.Items {
			told := event.InvolvedObject.UID == k.UID && event.Reason == v1beta1.PruneRefusedReason
			if told && strings.Contains(event.Message, "configmaps foreign") {
				return ready.Reason == v1beta1.PruneRefusedReason
			}
		}
		return false
	})
	remove(t, foreign)
	awaitAllGone(t, k, app) // although its next attempt is an hour away
}
