package catalog

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
)

// The archive of a chart that is no longer the newest is fetched by its digest, also after the cache has lost it, as
// long as upstream has it.
func TestTheArchiveOfAFormerChart(t *testing.T) {
	t.Parallel()
	server, err := servers.ChartRepository(servers.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	registry, err := servers.Registry(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = server.Close(), registry.Close() })
	publish := func(version string) {
		archive, err := servers.BuildChart(map[string]string{
			"Chart.yaml":       "apiVersion: v2\nname: web\nversion: " + version + "\n",
			"values-prod.yaml": "replicas: 3\n",
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := registry.PushChart(t.Context(), "charts", archive); err != nil {
			t.Fatal(err)
		}
		if err := server.Add(archive); err != nil {
			t.Fatal(err)
		}
	}
	index := &v1beta1.HelmRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "index", UID: "u1"}}
	index.Spec.URL = server.URL()
	oci := &v1beta1.HelmRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "registry", UID: "u2"}}
	oci.Spec.URL, oci.Spec.Insecure = "oci://"+registry.Host()+"/charts", true
	oci.Spec.Type = v1beta1.HelmRepositoryTypeOCI

	values := map[bool][]string{true: {"values-prod.yaml"}}
	look := func(source *v1beta1.HelmRepository, valued bool) (*Catalog, ChartRef, v1beta1.ChartRevision) {
		choice := anyWeb.with(values[valued], false)
		choice.Name = source.Name
		objects := newClient(t, source)
		c := NewCatalog(objects, objects, newStore(t))
		found := c.Poll(t.Context(), source, []ChartRef{choice})
		if found.Err != nil {
			t.Fatal(found.Err)
		}
		chart, err := c.Chart(t.Context(), choice)
		if err != nil {
			t.Fatal(err)
		}
		source.ResourceVersion = ""
		source.Status.Artifact = &found.Artifact
		return c, choice, chart
	}
	publish("1.0.0")
	former := map[string]map[bool]v1beta1.ChartRevision{}
	for _, source := range []*v1beta1.HelmRepository{index, oci} {
		former[source.Name] = map[bool]v1beta1.ChartRevision{}
		for valued := range 2 {
			_, _, former[source.Name][valued == 1] = look(source, valued == 1)
		}
	}
	publish("1.1.0")
	for _, source := range []*v1beta1.HelmRepository{index, oci} {
		for _, valued := range []bool{false, true} {
			look(source, valued) // the status has the index with both
			c, choice, newest := look(source, valued)
			if newest.Version != "1.1.0" {
				t.Fatalf("%s has %s", source.Name, newest)
			}
			archive, err := c.Archive(t.Context(), choice, former[source.Name][valued], true)
			if err != nil {
				t.Errorf("%s, with other values %t: %v", source.Name, valued, err)
				continue
			}
			_ = archive.Close()
			unknown := v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: digest2}
			if _, err := c.Archive(t.Context(), choice, unknown, true); sources.Reason(err) == "" {
				t.Errorf("%s, with other values %t: a chart that upstream does not have: %v", source.Name, valued, err)
			}
		}
	}
}
