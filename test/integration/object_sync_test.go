package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// One object of a release is brought back, although drift is not corrected; another one stays as it is.
func TestSyncOfOneObject(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	archive := chartArchive(t, "pair", "1.0.0", map[string]string{
		"templates/pair.yaml": settings("first", "chart") + "---\n" + settings("second", "chart"),
	})
	if _, err := world.registry.PushChart(t.Context(), ns, archive); err != nil {
		t.Fatal(err)
	}
	apply(t, helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns))
	hr := release(ns, "web", "pair", "1.0.0", "charts", "")
	hr.Spec.DriftDetection = &v1beta1.DriftDetection{Mode: v1beta1.DriftDisabled}
	apply(t, hr)
	awaitReady(t, hr)
	for _, name := range []string{"first", "second"} {
		change(t, get(t, &corev1.ConfigMap{ObjectMeta: named(ns, name)}), func(c *corev1.ConfigMap) { c.Data["value"] = "by hand" })
	}

	out := mustRun(t, "fairlead", "sync", "release", "web", "-n", ns, "--object", "ConfigMap/first")
	if !strings.Contains(out, "synced to revision 1: ConfigMap/first") {
		t.Errorf("the command prints\n%s", out)
	}
	if !holds(t, ns, "first", "chart") || !holds(t, ns, "second", "by hand") {
		t.Error("the object was not brought back, or another one was")
	}
	last := get(t, hr).Status.LastObjectSync
	if last == nil || len(last.Objects) != 1 || last.Revision != 1 {
		t.Errorf("status.lastObjectSync is %+v", last)
	}
	wantRevisions(t, hr, "1:deployed")
	if _, errs, code := command(t, "fairlead", "sync", "release", "web", "-n", ns, "--object", "ConfigMap/third"); code != 2 ||
		!strings.Contains(errs, "has no object ConfigMap/third") {
		t.Errorf("an object that is not there: exit code %d, %s", code, errs)
	}
}
