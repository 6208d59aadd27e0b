package catalog

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// layerOf is a tar.gz of files.
func layerOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var buffer bytes.Buffer
	zip := gzip.NewWriter(&buffer)
	w := tar.NewWriter(zip)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// filesOf are the names in a tar.gz.
func filesOf(t *testing.T, archive io.Reader) []string {
	t.Helper()
	zip, err := gzip.NewReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(zip); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
	}
}

// What spec.ignore says is left out of manifests, unless the layer is to be kept as it is.
func TestManifestsWithoutWhatIsIgnored(t *testing.T) {
	t.Parallel()
	server, err := servers.Registry(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	remote, err := server.Repository("fleet")
	if err != nil {
		t.Fatal(err)
	}
	config, err := servers.PushBlob(t.Context(), remote, "application/vnd.oci.empty.v1+json", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := servers.PushBlob(t.Context(), remote, ocispec.MediaTypeImageLayerGzip, layerOf(t, "a.yaml", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{layer}}
	m.SchemaVersion = 2
	if _, err := servers.PushManifest(t.Context(), remote, m.MediaType, "latest", m); err != nil {
		t.Fatal(err)
	}
	text := "*.md"
	for name, tt := range map[string]struct {
		ignore    *string
		operation string
		want      []string
	}{
		"nothing is ignored": {nil, "", []string{"a.yaml", "README.md"}},
		"by a pattern":       {&text, "", []string{"a.yaml"}},
		"extracted":          {&text, "extract", []string{"a.yaml"}},
		"copied as it is":    {&text, "copy", []string{"a.yaml", "README.md"}},
	} {
		object := &v1beta1.OCIRepository{
			ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "fleet", UID: "u1", Generation: 1},
		}
		object.Spec.URL, object.Spec.Insecure, object.Spec.Ignore = "oci://"+server.Host()+"/fleet", true, tt.ignore
		object.Spec.LayerSelector = &v1beta1.OCILayerSelector{Operation: tt.operation}
		c := newCatalog(t, object)
		found := c.pollOCIRepository(t.Context(), object, nil)
		if found.Err != nil {
			t.Fatalf("%s: %v", name, found.Err)
		}
		archive, err := c.View(object).Open(found.Artifact.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if got := filesOf(t, archive); !slices.Equal(got, tt.want) {
			t.Errorf("%s: the artifact has %q, want %q", name, got, tt.want)
		}
		if err := archive.Close(); err != nil {
			t.Error(err)
		}
	}
}
