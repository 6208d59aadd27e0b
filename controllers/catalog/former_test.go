package catalog

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/upstream"
)

// The archive of a chart that is no longer the newest is fetched by its digest, also after the cache has lost it, as
// long as upstream has it.
func TestTheArchiveOfAFormerChart(t *testing.T) {
	t.Parallel()
	server, err := upstream.ChartRepository(upstream.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	registry, err := upstream.Registry(t.TempDir(), upstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = server.Close(), registry.Close() })
	publish := func(version string) {
		archive, err := upstream.BuildChart(map[string]string{
			"Chart.yaml": "apiVersion: v2\nname: web\nversion: " + version + "\n",
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

	look := func(source *v1beta1.HelmRepository) (*Catalog, Choice, v1beta1.ChartRevision) {
		choice := anyWeb
		choice.Name = source.Name
		objects := newClient(t, source)
		c := NewCatalog(objects, objects, newStore(t))
		found := c.Poll(t.Context(), source, []Choice{choice})
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
	former := map[string]v1beta1.ChartRevision{}
	for _, source := range []*v1beta1.HelmRepository{index, oci} {
		_, _, former[source.Name] = look(source)
	}
	publish("1.1.0")
	for _, source := range []*v1beta1.HelmRepository{index, oci} {
		look(source) // the status has the index with both
		c, choice, newest := look(source)
		if newest.Version != "1.1.0" {
			t.Fatalf("%s has %s", source.Name, newest)
		}
		archive, err := c.Archive(t.Context(), choice, former[source.Name], true)
		if err != nil {
			t.Errorf("%s: %v", source.Name, err)
			continue
		}
		_ = archive.Close()
		unknown := v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: digest2}
		if _, err := c.Archive(t.Context(), choice, unknown, true); sources.Reason(err) == "" {
			t.Errorf("%s: a chart that upstream does not have: %v", source.Name, err)
		}
		valued := choice.with([]string{"values-prod.yaml"}, false)
		_, err = c.Archive(t.Context(), valued, unknown, true)
		if sources.Reason(err) != v1beta1.SourceNotReadyReason {
			t.Errorf("%s: a chart with other values: %v", source.Name, err)
		}
	}
}
