package catalog

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// ofChart is a release of the chart web of the source charts.
func ofChart(kind, chart, version string) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	hr.Spec.Chart = &v1beta1.HelmChartTemplate{Spec: v1beta1.HelmChartTemplateSpec{
		Chart: chart, Version: version, SourceRef: v1beta1.SourceReference{Kind: kind, Name: "charts"},
	}}
	return hr
}

// refersTo is a release of one chart.
func refersTo(kind, name string) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: kind, Name: name}
	return hr
}

func someVersion(context.Context) (string, error) { return "v1.36.0", nil }

// chartVersion resolves the chart of a release.
func chartVersion(t *testing.T, reader client.Reader, hr *v1beta1.HelmRelease) (string, error) {
	t.Helper()
	found, err := Resolve(t.Context(), reader, t.TempDir(), someVersion, ChoiceOfRelease(hr))
	if err != nil {
		return "", err
	}
	return found.Version, found.Archive.Close()
}

func TestAtVersion(t *testing.T) {
	t.Parallel()
	server, err := servers.Registry(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	for _, version := range []string{"1.0.0", "1.1.0", "2.0.0"} {
		if _, err := server.PushChart(t.Context(), "charts", archiveOf(t, version)); err != nil {
			t.Fatal(err)
		}
	}

	url := "oci://" + server.Host() + "/charts"
	repository := &v1beta1.HelmRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "charts"}}
	repository.Spec = v1beta1.HelmRepositorySpec{URL: url, Type: v1beta1.HelmRepositoryTypeOCI, Insecure: true}
	pinned := pinnedTo(v1beta1.HelmRepositoryKind, "web", "1.0.0", digestOf(archiveOf(t, "1.0.0")), "")
	oci := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	oci.Spec = v1beta1.OCIRepositorySpec{
		URL: url + "/web", Insecure: true, Reference: &v1beta1.OCIRepositoryRef{Tag: "1.0.0"},
	}
	objects := newClient(t, repository, pinned, oci)
	releases := map[string]*v1beta1.HelmRelease{
		"a range of a HelmRepository":              ofChart(v1beta1.HelmRepositoryKind, "web", "1.x"),
		"a HelmChart that is pinned by its digest": refersTo(v1beta1.HelmChartKind, "web-prod"),
		"an OCIRepository with a fixed tag":        refersTo(v1beta1.OCIRepositoryKind, "web"),
	}
	for name, hr := range releases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := hr.DeepCopy()
			for version, want := range map[string]string{"2.0.0": "2.0.0", "1.x": "1.1.0", "<1.1": "1.0.0"} {
				reader, would, err := AtVersion(t.Context(), objects, hr, version)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := chartVersion(t, reader, would.DeepCopy()); err != nil || got != want {
					t.Errorf("--to-version %s finds %q, %v, want %q", version, got, err, want)
				}
			}

			reader, would, err := AtVersion(t.Context(), objects, hr, "1.2.0")
			if err != nil {
				t.Fatal(err)
			}
			_, err = chartVersion(t, reader, would)
			if err == nil || !strings.Contains(err.Error(), "2.0.0, 1.1.0, 1.0.0") {
				t.Errorf("the error of a version that upstream does not have names no others: %v", err)
			}
			if hr.Spec.Chart != nil && hr.Spec.Chart.Spec.Version != before.Spec.Chart.Spec.Version {
				t.Error("the release itself was changed")
			}
		})
	}
}

func TestAtVersionOfADirectory(t *testing.T) {
	t.Parallel()
	objects := newClient(t, pinnedTo(v1beta1.GitRepositoryKind, "charts/web", "", "", ""))
	tests := []struct {
		name    string
		release *v1beta1.HelmRelease
		want    string
	}{
		{
			"in a GitRepository", ofChart(v1beta1.GitRepositoryKind, "charts/web", ""),
			"the chart is the directory charts/web of GitRepository apps/charts, which has one version of it; " +
				"compare with another branch, tag or commit by --to-git REF",
		},
		{
			"of a HelmChart", refersTo(v1beta1.HelmChartKind, "web-prod"),
			"the chart is the directory charts/web of GitRepository apps/charts, which has one version of it; " +
				"compare with another branch, tag or commit by --to-git REF",
		},
		{
			"in a Bucket", ofChart(v1beta1.BucketKind, "web", ""),
			"the chart is the directory web of Bucket apps/charts, which has one version of it; " +
				"change the files and compare with --pending",
		},
		{"of a HelmChart that is not there", refersTo(v1beta1.HelmChartKind, "none"), `read HelmChart apps/none: `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := AtVersion(t.Context(), objects, tt.release, "2.0.0")
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}
