package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// freeze applies a ReleaseFreeze of the releases with a label in a namespace, which goes with the test.
func freeze(t *testing.T, ns string, change func(*v1beta1.ReleaseFreeze)) *v1beta1.ReleaseFreeze {
	t.Helper()
	f := &v1beta1.ReleaseFreeze{ObjectMeta: metav1.ObjectMeta{Name: ns}}
	f.Spec.Reason, f.Spec.Namespaces = "the sale", []string{ns}
	f.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "front"}}
	change(f)
	apply(t, f)
	t.Cleanup(func() { _ = world.cluster.Client.Delete(context.WithoutCancel(t.Context()), f) })
	return f
}

// A freeze holds new versions of the range of a release, of an index, a registry and an OCIRepository. Values, drift
// and an exact version are not held, nor are releases with other labels. At its end the version is taken.
func TestAFreezeHoldsReleases(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts := chartRepository(t, servers.ChartOptions{}, "sample")
	publish := func(version string) {
		archive := chartArchive(t, "sample", version, nil)
		if _, err := world.registry.PushChart(t.Context(), ns, archive); err != nil {
			t.Fatal(err)
		}
		if err := charts.Add(archive); err != nil {
			t.Fatal(err)
		}
	}
	publish("1.0.0")
	index := helmRepository(ns, "index", charts.URL())
	registry := helmRepository(ns, "registry", "oci://"+world.registry.Host()+"/"+ns)
	one := ociRepository(ns, "oci://"+world.registry.Host()+"/"+ns+"/sample", &v1beta1.OCIRepositoryRef{SemVer: "*"})
	index.Spec.Interval, registry.Spec.Interval, one.Spec.Interval = often, often, often
	held := []*v1beta1.HelmRelease{
		release(ns, "index", "sample", "*", "index", ""), release(ns, "registry", "sample", "*", "registry", ""),
		chartRef(ns, "one", v1beta1.OCIRepositoryKind, "sample"),
	}
	exact, free := release(ns, "exact", "sample", "1.0.0", "index", ""), release(ns, "free", "sample", "*", "index", "")
	apply(t, index, registry, one, free)
	for _, hr := range append(held, exact) {
		hr.Labels = map[string]string{"tier": "front"}
		apply(t, hr)
		awaitVersion(t, hr, "1.0.0")
	}

	f := freeze(t, ns, func(*v1beta1.ReleaseFreeze) {})
	publish("1.1.0")
	awaitVersion(t, free, "1.1.0")
	for _, hr := range held {
		until(t, hr.Name+" is held", func() bool {
			h := get(t, hr).Status.Held
			return h != nil && h.ChartVersion == "1.1.0" && h.Reason == v1beta1.HeldByFreeze
		})
		until(t, "Ready of "+hr.Name+" says so", func() bool {
			return strings.Contains(condition(t, hr, v1beta1.ReadyCondition).Message,
				"it stays at this chart, and does not take version 1.1.0: Frozen: ReleaseFreeze "+ns+
					"; it ends when it is deleted (the sale)")
		})
		explained := mustRun(t, "fairlead", "explain", "release", hr.Name, "-n", ns)
		says(t, explained, "version 1.1.0 (", "Frozen: ReleaseFreeze")
		change(t, get(t, hr), func(hr *v1beta1.HelmRelease) { withValues(hr, `{"message":"changed"}`) })
		until(t, hr.Name+" has the other values", func() bool { return revisionOf(t, hr) == "2 1.0.0" })
		awaitReady(t, hr)
	}
	change(t, get(t, exact), func(hr *v1beta1.HelmRelease) { hr.Spec.Chart.Spec.Version = "1.1.0" })
	awaitVersion(t, exact, "1.1.0")

	remove(t, f)
	for _, hr := range held {
		awaitVersion(t, hr, "1.1.0")
	}

	freeze(t, ns, func(f *v1beta1.ReleaseFreeze) {
		end := metav1.NewTime(time.Now().Add(15 * time.Second).Truncate(time.Second))
		f.Spec.Until = &end
	})
	publish("1.2.0")
	until(t, "1.2.0 is held until the end", func() bool {
		h := get(t, held[0]).Status.Held
		return h != nil && h.Until != nil && h.ChartVersion == "1.2.0"
	})
	for _, hr := range held {
		awaitVersion(t, hr, "1.2.0")
		if h := get(t, hr).Status.Held; h != nil {
			t.Errorf("%s still has %+v", hr.Name, h)
		}
	}
}
