package integration

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A release that asks for its chart often gets a new version soon, however rarely its source is asked for the others.
// It does so as well when it begins to ask often after the source was polled.
func TestChartInterval(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	push(t, world.registry, ns, "sample", "1.0.0")
	repository := helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns)
	repository.Spec.Interval = rarely
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, repository, hr)
	awaitVersion(t, hr, "1.0.0")

	hr = release(ns, "web", "sample", "*", "charts", "")
	hr.Spec.Chart.Spec.Interval = often
	apply(t, hr)
	push(t, world.registry, ns, "sample", "1.1.0")
	awaitVersion(t, hr, "1.1.0")
	push(t, world.registry, ns, "sample", "1.2.0")
	awaitVersion(t, hr, "1.2.0")
	if got := get(t, &v1beta1.HelmRepository{ObjectMeta: named(ns, "charts")}).Status.LastHandledReconcileAt; got != "" {
		t.Errorf("the source was asked by the request %q", got)
	}
}
