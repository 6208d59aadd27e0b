package integration

import (
	"testing"

	"fairlead.dev/fairlead/test/servers"
)

func TestInstallFromAChartRepository(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts := chartRepository(t, servers.ChartOptions{}, "sample", "1.0.0", "1.2.0", "2.0.0")
	apply(t, helmRepository(ns, "charts", charts.URL()))
	hr := release(ns, "web", "sample", "1.x", "charts", `{"message":"first"}`)
	apply(t, hr)
	awaitVersion(t, hr, "1.2.0")
	if got := configMap(t, ns, "web"); got["message"] != "first" || got["version"] != "1.2.0" {
		t.Errorf("the ConfigMap holds %v", got)
	}

	if err := charts.Add(chartArchive(t, "sample", "1.3.0", nil)); err != nil {
		t.Fatal(err)
	}
	awaitVersion(t, hr, "1.3.0")
	if len(hr.Status.History) != 2 || hr.Status.History[1].Status != "superseded" {
		t.Errorf("history %+v, want two revisions, the first superseded", hr.Status.History)
	}
	if got := configMap(t, ns, "web")["version"]; got != "1.3.0" {
		t.Errorf("the ConfigMap is of version %s", got)
	}
}

func TestInstallFromARegistry(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, hr)
	awaitVersion(t, hr, "1.0.0")
	want := push(t, world.registry, ns, "sample", "1.1.0")
	awaitVersion(t, hr, "1.1.0")
	if got := hr.Status.Latest().ChartDigest; got != want {
		t.Errorf("chart digest %s, want that of the manifest, %s", got, want)
	}
}
