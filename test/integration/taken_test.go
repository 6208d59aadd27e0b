package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A HelmRelease whose records would have the names of those of another Helm release is installed as soon as that
// release is uninstalled, whether a HelmRelease or the helm command made it. Its interval is an hour, so nothing but
// the end of the other release can have caused that.
func TestATakenNameIsFreeOnceTheOtherReleaseIsGone(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	elsewhere := ns + "-elsewhere"
	apply(t, &corev1.Namespace{ObjectMeta: named("", elsewhere)})

	first := release(ns, "first", "sample", "*", "charts", "")
	first.Spec.ReleaseName = "shared"
	apply(t, first)
	awaitReady(t, first)
	mustRun(t, "helm", "install", "by-hand", "oci://"+world.registry.Host()+"/"+ns+"/sample", "--plain-http", "-n", ns)

	for _, is := range []struct {
		name, owner string
		uninstall   func()
	}{
		{"shared", "owned by HelmRelease " + ns + "/first", func() { removed(t, first) }},
		{"by-hand", "names no HelmRelease", func() { mustRun(t, "helm", "uninstall", "by-hand", "-n", ns) }},
	} {
		hr := release(ns, "after-"+is.name, "sample", "*", "charts", "")
		hr.Spec.ReleaseName, hr.Spec.TargetNamespace, hr.Spec.StorageNamespace = is.name, elsewhere, ns
		apply(t, hr)
		ready := awaitNotReady(t, hr, v1beta1.OwnedByOtherReason)
		says(t, ready.Message, is.owner)
		if exists(t, &corev1.ConfigMap{ObjectMeta: named(elsewhere, is.name)}) {
			t.Errorf("%s: something is installed although the name is taken", is.name)
		}

		is.uninstall()
		awaitReady(t, hr)
		if got := revisions(t, ns, is.name); got != "1:deployed" {
			t.Errorf("%s: the records are %q, want one revision", is.name, got)
		}
		if stalled := condition(t, hr, v1beta1.StalledCondition); stalled.Status != "" {
			t.Errorf("%s: it is still stalled: %s", is.name, stalled.Message)
		}
		manifest := mustRun(t, "helm", "get", "manifest", is.name, "-n", ns)
		if !strings.Contains(manifest, "ConfigMap") || !exists(t, &corev1.ConfigMap{ObjectMeta: named(elsewhere, is.name)}) {
			t.Errorf("%s: its objects are not in its own namespace", is.name)
		}
	}
}
