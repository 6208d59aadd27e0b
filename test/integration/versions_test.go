package integration

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/upstream"
)

// forCluster is the sample chart for a range of clusters.
func forCluster(t *testing.T, version, kubeVersion string) []byte {
	t.Helper()
	return chartArchive(t, "sample", version, map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: sample\nversion: " + version + "\nkubeVersion: \"" + kubeVersion + "\"\n",
	})
}

// The newest version that is made for the cluster is taken, and one that upstream takes away is not gone back from.
func TestVersionsFitTheClusterAndNeverGoBack(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts, err := upstream.ChartRepository(upstream.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = charts.Close() })
	for version, kubeVersion := range map[string]string{"1.0.0": ">=1.20.0-0", "1.1.0": ">=1.30.0-0", "1.2.0": ">=1.99.0-0"} {
		archive := forCluster(t, version, kubeVersion)
		if err := charts.Add(archive); err != nil {
			t.Fatal(err)
		}
		if _, err := world.registry.PushChart(t.Context(), ns, archive); err != nil {
			t.Fatal(err)
		}
	}
	index, registry := helmRepository(ns, "index", charts.URL()), helmRepository(ns, "registry", "oci://"+world.registry.Host()+"/"+ns)
	fromIndex, fromRegistry := release(ns, "index", "sample", "*", "index", ""), release(ns, "registry", "sample", "*", "registry", "")
	pinned := release(ns, "pinned", "sample", "1.2.0", "registry", "")
	apply(t, index, registry, fromIndex, fromRegistry, pinned)
	awaitVersion(t, fromIndex, "1.1.0")
	awaitVersion(t, fromRegistry, "1.1.0")
	if ready := awaitNotReady(t, pinned, v1beta1.NoMatchReason); !strings.Contains(ready.Message, `1.2.0 (is for Kubernetes ">=1.99.0-0", the cluster has v1.`) {
		t.Errorf("the message does not say why: %s", ready.Message)
	}

	revision := get(t, index).Status.Artifact.Revision
	charts.Withdraw("sample", "1.1.0")
	until(t, "the index without the version is fetched", func() bool { return get(t, index).Status.Artifact.Revision != revision })
	if err := charts.Add(chartArchive(t, "other", "1.0.0", nil)); err != nil {
		t.Fatal(err)
	}
	other := release(ns, "other", "other", "*", "index", "")
	apply(t, other)
	awaitVersion(t, other, "1.0.0") // the repository has been polled again
	if got := get(t, fromIndex).Status.Latest(); got.ChartVersion != "1.1.0" || got.Version != 1 {
		t.Errorf("it went back to %s, revision %d", got.ChartVersion, got.Version)
	}
	change(t, get(t, fromIndex), func(hr *v1beta1.HelmRelease) { hr.Spec.Chart.Spec.Version = "<1.1.0" })
	awaitVersion(t, get(t, fromIndex), "1.0.0")
}
