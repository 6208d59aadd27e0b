package catalog

import (
	"context"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/test/build"
	"fairlead.dev/fairlead/test/servers"
)

// layerWith is a tar.gz of files with content.
func layerWith(t *testing.T, files map[string]string) []byte {
	t.Helper()
	return build.Archive(t, files, nil)
}

// pushFiles makes an artifact of files, and gives it the tag latest.
func pushFiles(t *testing.T, server *servers.RegistryServer, path string, files map[string]string) {
	t.Helper()
	remote, err := server.Repository(path)
	if err != nil {
		t.Fatal(err)
	}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest}
	m.SchemaVersion = 2
	if m.Config, err = servers.PushBlob(t.Context(), remote, ocispec.MediaTypeEmptyJSON, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	layer, err := servers.PushBlob(t.Context(), remote, ocispec.MediaTypeImageLayerGzip, layerWith(t, files))
	if err != nil {
		t.Fatal(err)
	}
	m.Layers = append(m.Layers, layer)
	if _, err := servers.PushManifest(t.Context(), remote, m.MediaType, "latest", m); err != nil {
		t.Fatal(err)
	}
}

// The files of an OCIRepository are values too, and a chart in its place is not.
func TestValuesFilesOfAnOCIRepository(t *testing.T) {
	t.Parallel()
	server, err := servers.Registry(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	pushFiles(t, server, "config", map[string]string{"values.yaml": "a: 1\n", "README.md": "x"})
	source := &v1beta1.OCIRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "config", UID: "o1", Generation: 1},
	}
	source.Spec.URL = "oci://" + server.Host() + "/config"
	source.Spec.Insecure = true
	hr := takesValues(v1beta1.ValuesReference{Kind: v1beta1.OCIRepositoryKind, Name: "config", Path: "values.yaml"})
	choice := ChoicesOfValues(hr)[0]
	c := newCatalog(t, source, hr)
	news := 0
	c.Subscribe(func(_ context.Context, told ChartRef) {
		if told == choice {
			news++
		}
	})
	poll := func(choices ...ChartRef) {
		t.Helper()
		found := c.Poll(t.Context(), source, choices)
		if found.Err != nil {
			t.Fatal(found.Err)
		}
		found.Fill(source)
		status.SourceReady(source, found.Artifact, found.Message, now)
	}

	poll()
	if c.Answered(t.Context(), source, []ChartRef{choice}) {
		t.Error("a poll for nothing is said to answer")
	}
	poll(choice.Source(), choice)
	first, err := c.Values(t.Context(), choice)
	if err != nil || len(first.Files) != 1 || string(first.Files[0].Data) != "a: 1\n" || news != 1 {
		t.Errorf("it is %+v, %v, reported %d times", first, err, news)
	}
	if !c.Answered(t.Context(), source, []ChartRef{choice.Source(), choice}) {
		t.Error("the poll is said not to answer")
	}

	pushFiles(t, server, "config", map[string]string{"values.yaml": "a: 1\n", "README.md": "y"})
	poll(choice)
	if second, err := c.Values(t.Context(), choice); err != nil || second.Revision == first.Revision || news != 1 {
		t.Errorf("with another README it is %+v, %v, reported %d times", second, err, news)
	}
	pushFiles(t, server, "config", map[string]string{"values.yaml": "a: 2\n", "README.md": "y"})
	poll(choice)
	if third, err := c.Values(t.Context(), choice); err != nil || string(third.Files[0].Data) != "a: 2\n" || news != 2 {
		t.Errorf("with other values it is %+v, %v, reported %d times", third, err, news)
	}
	poll()
	if c.isOnShelf(choice, source) {
		t.Error("an answer is kept that no release asks for")
	}

	archive, err := servers.BuildChart(map[string]string{"Chart.yaml": "apiVersion: v2\nname: config\nversion: 1.0.0\n"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.PushChart(t.Context(), "", archive); err != nil {
		t.Fatal(err)
	}
	source.Spec.Reference = &v1beta1.OCIRepositoryRef{Tag: "1.0.0"}
	poll(choice)
	if _, err := c.Values(t.Context(), choice); err == nil ||
		!strings.Contains(err.Error(), "OCIRepository apps/config holds the helm chart config and no values files") {
		t.Errorf("with a chart: %v", err)
	}
}
