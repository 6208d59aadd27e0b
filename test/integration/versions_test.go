package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
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
	charts, err := servers.ChartRepository(servers.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = charts.Close() })
	for version, kubeVersion := range map[string]string{
		"1.0.0": ">=1.20.0-0", "1.1.0": ">=1.30.0-0", "1.2.0": ">=1.99.0-0",
	} {
		archive := forCluster(t, version, kubeVersion)
		if err := charts.Add(archive); err != nil {
			t.Fatal(err)
		}
		if _, err := world.registry.PushChart(t.Context(), ns, archive); err != nil {
			t.Fatal(err)
		}
	}
	index, registry := helmRepository(ns, "index", charts.URL()), helmRepository(ns, "registry",
		"oci://"+world.registry.Host()+"/"+ns)
	fromIndex, fromRegistry := release(ns, "index", "sample", "*", "index", ""), release(ns, "registry", "sample", "*",
		"registry", "")
	pinned := release(ns, "pinned", "sample", "1.2.0", "registry", "")
	apply(t, index, registry, fromIndex, fromRegistry, pinned)
	awaitVersion(t, fromIndex, "1.1.0")
	awaitVersion(t, fromRegistry, "1.1.0")
	if ready := awaitNotReady(t, pinned, v1beta1.NoMatchReason); !strings.Contains(ready.Message,
		`1.2.0 (is for Kubernetes ">=1.99.0-0", the cluster has v1.`) {
		t.Errorf("the message does not say why: %s", ready.Message)
	}

	revision := get(t, index).Status.Artifact.Revision
	charts.Withdraw("sample", "1.1.0")
	until(t, "the index without the version is fetched", func() bool {
		return get(t, index).Status.Artifact.Revision != revision
	})
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

// A version that is published again with other content is followed, by its digest, and its sources say so.
func TestRepublishedVersionsAreReported(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts := chartRepository(t, servers.ChartOptions{}, "sample", "1.0.0")
	first := push(t, world.registry, ns, "sample", "1.0.0")
	repository := ociRepository(ns, "oci://"+world.registry.Host()+"/"+ns+"/sample",
		&v1beta1.OCIRepositoryRef{SemVer: "*"})
	index, registry := helmRepository(ns, "index", charts.URL()), helmRepository(ns, "registry",
		"oci://"+world.registry.Host()+"/"+ns)
	releases := []*v1beta1.HelmRelease{
		release(ns, "index", "sample", "*", "index", ""), release(ns, "registry", "sample", "*", "registry", ""),
		chartRef(ns, "repository", v1beta1.OCIRepositoryKind, "sample"),
	}
	apply(t, index, registry, repository, releases[0], releases[1], releases[2])
	for _, hr := range releases {
		awaitVersion(t, hr, "1.0.0")
	}
	again := chartArchive(t, "sample", "1.0.0",
		map[string]string{"templates/more.yaml": settings("{{ .Release.Name }}-more", "there")})
	charts.Withdraw("sample", "1.0.0")
	if err := charts.Add(again); err != nil {
		t.Fatal(err)
	}
	second, err := world.registry.PushChart(t.Context(), ns, again)
	if err != nil {
		t.Fatal(err)
	}
	for _, hr := range releases {
		until(t, hr.Name+" follows the content", func() bool { return get(t, hr).Status.Latest().Version == 2 })
	}
	for kind, says := range map[string]string{
		v1beta1.OCIRepositoryKind: "version 1.0.0 was published again with other content: " + first + " before, " + second +
			" now",
		"HelmRepository registry": "chart sample 1.0.0 was published again with other content: " + first + " before, " +
			second + " now",
		"HelmRepository index": "chart sample 1.0.0 was published again with other content: sha256:",
	} {
		kind, name, _ := strings.Cut(kind, " ")
		until(t, kind+" "+name+" says so", func() bool {
			events := &corev1.EventList{}
			if err := world.cluster.Client.List(t.Context(), events, client.InNamespace(ns)); err != nil {
				t.Fatal(err)
			}
			for _, e := range events.Items {
				of := e.InvolvedObject
				if e.Reason == v1beta1.RepublishedReason && e.Type == corev1.EventTypeWarning && of.Kind == kind &&
					(name == "" || of.Name == name) && strings.HasPrefix(e.Message, says) {
					return true
				}
			}
			return false
		})
	}
}
