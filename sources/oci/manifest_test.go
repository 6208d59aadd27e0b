package oci

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/check"
	"fairlead.dev/fairlead/test/servers"
)

// pushed is what TestManifests puts into a registry: a manifest made of parts of a chart.
type pushed struct {
	server                *servers.RegistryServer
	chart                 ocispec.Manifest
	chartDescriptor, blob ocispec.Descriptor
}

func manifests(t *testing.T) pushed {
	t.Helper()
	p := pushed{server: serve(t, servers.Options{})}
	digest, _ := push(t, p.server, "1.0.0")
	repo, err := p.server.Repository("charts/app")
	if err != nil {
		t.Fatal(err)
	}
	d, body, err := repo.Manifests().FetchReference(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&p.chart); err != nil {
		t.Fatal(err)
	}
	p.chartDescriptor = d
	if p.blob, err = servers.PushBlob(t.Context(), repo, "application/vnd.cncf.helm.chart.provenance.v1.prov",
		[]byte("signature")); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p pushed) put(t *testing.T, mediaType string, m any) string {
	t.Helper()
	repo, err := p.server.Repository("charts/app")
	if err != nil {
		t.Fatal(err)
	}
	d, err := servers.PushManifest(t.Context(), repo, mediaType, "other", m)
	if err != nil {
		t.Fatal(err)
	}
	return d.Digest.String()
}

func index(children ...ocispec.Descriptor) ocispec.Index {
	return ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: children,
	}
}

// image stores an image beside the chart.
func (p pushed) image(t *testing.T) (ocispec.Manifest, ocispec.Descriptor) {
	t.Helper()
	m := p.chart
	m.Config = p.blob
	m.Config.MediaType = "application/vnd.oci.image.config.v1+json"
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Size: int64(len(raw))}
	d.Digest = p.blob.Digest.Algorithm().FromBytes(raw)
	if got := p.put(t, d.MediaType, m); got != d.Digest.String() {
		t.Fatalf("stored as %s instead of %s", got, d.Digest)
	}
	return m, d
}

func TestManifests(t *testing.T) {
	p := manifests(t)
	image, imageDescriptor := p.image(t)

	with := func(change func(m *ocispec.Manifest)) any {
		m := p.chart
		m.Layers = slices.Clone(m.Layers)
		change(&m)
		return m
	}
	typed := p.chartDescriptor
	typed.ArtifactType = ConfigMediaType
	tests := []struct {
		name      string
		mediaType string // of a manifest when ""
		content   any
		limits    Limits
		says      string // of the failure, "" for a chart
	}{
		{name: "the chart is found behind its signature", content: with(func(m *ocispec.Manifest) {
			m.Layers = []ocispec.Descriptor{p.blob, m.Layers[0]}
		})},
		{name: "the first charts' media type is known", content: with(func(m *ocispec.Manifest) {
			m.Layers[0].MediaType = LegacyChartMediaType
		})},
		{
			name: "an index that names its chart is followed", mediaType: ocispec.MediaTypeImageIndex,
			content: index(imageDescriptor, typed),
		},
		{
			name: "an index that does not say what is in it is looked into", mediaType: ocispec.MediaTypeImageIndex,
			content: index(imageDescriptor, p.chartDescriptor),
		},
		{
			name: "an index without a chart is none", mediaType: ocispec.MediaTypeImageIndex, content: index(imageDescriptor),
			says: "not a helm chart: it is an index with 0 charts",
		},
		{
			name: "an index with two charts is none", mediaType: ocispec.MediaTypeImageIndex, content: index(typed, typed),
			says: "not a helm chart: it is an index of 2 manifests",
		},
		{
			name: "an index of nothing is none", mediaType: ocispec.MediaTypeImageIndex, content: index(),
			says: "not a helm chart",
		},
		{
			name: "an image is no chart", content: image,
			says: `not a helm chart: its config is "application/vnd.oci.image.config.v1+json"`,
		},
		{name: "a chart without an archive is none", content: with(func(m *ocispec.Manifest) {
			m.Layers = []ocispec.Descriptor{p.blob}
		}), says: "it has no layer of type"},
		{name: "a chart with two archives is none", content: with(func(m *ocispec.Manifest) {
			m.Layers = append(m.Layers, m.Layers[0])
		}), says: "it has 2 chart archives"},
		{
			name: "an archive above the limit is refused before it is fetched", content: p.chart, limits: Limits{Chart: 10},
			says: "more than the 10 that are allowed",
		},
		{
			name: "a manifest above the limit is refused", content: p.chart, limits: Limits{Manifest: 10},
			says: "10 bytes that are allowed",
		},
		{
			name:    "a config that is no chart's",
			content: with(func(m *ocispec.Manifest) { m.Config = p.blob; m.Config.MediaType = ConfigMediaType }),
			says:    "its config is not a chart's",
		},
		{name: "a config of another size than it has", content: with(func(m *ocispec.Manifest) {
			m.Config.Size++
		}), says: "Content-Length"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.mediaType == "" {
				test.mediaType = ocispec.MediaTypeImageManifest
			}
			digest := p.put(t, test.mediaType, test.content)
			r := open(t, p.server, func(o *Options) { o.Limits = test.limits })
			chart, err := r.Chart(t.Context(), digest)
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Fatalf("got %+v, %v", chart, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if chart.Name != "app" || chart.Version != "1.0.0" || chart.Digest != digest ||
				chart.Archive != p.chart.Layers[0].Digest.String() {
				t.Errorf("got %+v", chart)
			}
		})
	}
	_, err := open(t, p.server, nil).Chart(t.Context(), imageDescriptor.Digest.String())
	check.Failure(t, err, v1beta1.InvalidContentReason)
	_, err = open(t, p.server, nil).Chart(t.Context(), "latest")
	check.Failure(t, err, v1beta1.InvalidReferenceReason)
}

func TestContentThatIsNotWhatItsDigestSays(t *testing.T) {
	spoil := ""
	server := serve(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
		if spoil == "" || !strings.Contains(r.URL.Path, spoil) {
			return false
		}
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1000))
		return true
	}})
	digest, archive := push(t, server, "1.0.0")
	r := open(t, server, nil)
	chart, err := r.Chart(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	spoil = "/manifests/"
	_, err = r.Chart(t.Context(), digest)
	check.Failure(t, err, v1beta1.InvalidContentReason, "the manifest has the digest sha256:")
	spoil = "/blobs/"
	longer := chart
	longer.Size = 1000
	err = r.FetchArchive(t.Context(), longer, io.Discard)
	check.Failure(t, err, v1beta1.InvalidContentReason, "mismatched digest")
	spoil = ""
	var got bytes.Buffer
	if err := r.FetchArchive(t.Context(), chart, &got); err != nil || !bytes.Equal(got.Bytes(), archive) {
		t.Errorf("the real archive: %d bytes, %v", got.Len(), err)
	}
	err = open(t, server, func(o *Options) { o.Limits.Chart = 10 }).FetchArchive(t.Context(), chart, io.Discard)
	check.Failure(t, err, v1beta1.InvalidContentReason, "at most 10 are allowed")
}

func TestATransferThatBreaksOff(t *testing.T) {
	cut := false
	server := serve(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
		if !cut || !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}})
	digest, _ := push(t, server, "1.0.0")
	r := open(t, server, nil)
	chart, err := r.Chart(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	cut = true
	check.Failure(t, r.FetchArchive(t.Context(), chart, io.Discard), v1beta1.FetchFailedReason)
}

func TestPublishedCharts(t *testing.T) {
	paths := servers.PublishedCharts(t)
	server := serve(t, servers.Options{})
	for _, path := range paths {
		archive, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := server.PushChart(t.Context(), "charts", archive)
		if err != nil {
			t.Fatal(err)
		}
		name, version, _ := cutLast(strings.TrimSuffix(filepath.Base(path), ".tgz"))
		r := open(t, server, func(o *Options) { o.Repository = server.Host() + "/charts/" + name })
		chart, err := r.Chart(t.Context(), digest)
		if err != nil || chart.Name != name || chart.Version != version {
			t.Fatalf("%s: %+v, %v", path, chart, err)
		}
		var got bytes.Buffer
		if err := r.FetchArchive(t.Context(), chart, &got); err != nil || !bytes.Equal(got.Bytes(), archive) {
			t.Errorf("%s: %d bytes, %v", path, got.Len(), err)
		}
	}
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '-')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
