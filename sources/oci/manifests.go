package oci

import (
	"context"
	"fmt"
	"io"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Content is what an artifact in a registry holds: a chart, or else an archive of manifests.
type Content struct {
	// Chart is nil when it is no chart.
	Chart *Chart
	// Archive is the digest of the archive, as sha256:hex, and Size its size in bytes.
	Archive string
	Size    int64
}

// archiveSuffixes are the ends of the media types of layers that are a tar.gz.
var archiveSuffixes = []string{"tar+gzip", "tar.gzip"}

// Content reads the manifest of an artifact. One whose config, or whose only child in an index, is that of a Helm chart
// is a chart, with the errors of Chart. Any other has to have exactly one layer that is a tar.gz, of any tool; the
// order of layers means nothing. Errors are as those of Chart.
func (r *Repository) Content(ctx context.Context, manifestDigest string) (Content, error) {
	what := "reading the artifact " + v1beta1.ShortDigest(manifestDigest) + " of " + r.name
	if !sources.IsDigest(manifestDigest) {
		return Content{}, sources.Stall(v1beta1.InvalidReferenceReason, nil, "%.150q is not a sha256 digest", manifestDigest)
	}

	m, err := r.manifest(ctx, manifestDigest, what)
	if err != nil {
		return Content{}, err
	}

	if m.isIndex() || m.Config.MediaType == ConfigMediaType {
		chart, err := r.chart(ctx, manifestDigest, m, what)
		if err != nil {
			return Content{}, err
		}

		return Content{Chart: &chart, Archive: chart.Archive, Size: chart.Size}, nil
	}

	layer, err := r.archiveLayer(m.Layers, what)
	if err != nil {
		return Content{}, err
	}
	if limit := r.opts.Limits.Chart; layer.Size <= 0 || layer.Size > limit || !sources.IsDigest(layer.Digest.String()) {
		return Content{}, invalid(what, "its archive has %d bytes, %d are allowed, or no sha256 digest", layer.Size, limit)
	}

	return Content{Archive: layer.Digest.String(), Size: layer.Size}, nil
}

func (r *Repository) archiveLayer(layers []ocispec.Descriptor, what string) (ocispec.Descriptor, error) {
	var found []ocispec.Descriptor
	for _, layer := range layers {
		if r.opts.Layer != "" {
			if layer.MediaType == r.opts.Layer {
				found = append(found, layer)
			}
			continue
		}
		for _, suffix := range archiveSuffixes {
			if strings.HasSuffix(layer.MediaType, suffix) {
				found = append(found, layer)
			}
		}
	}

	if len(found) != 1 && r.opts.Layer != "" {
		return ocispec.Descriptor{}, invalid(what, "%d of its %d layers are of the type %s, it has to be one", len(found),
			len(layers), r.opts.Layer)
	}

	if len(found) != 1 {
		return ocispec.Descriptor{}, invalid(what,
			"it is neither a helm chart nor an archive of manifests: %d of its %d layers are a tar.gz, it has to be one",
			len(found), len(layers))
	}

	return found[0], nil
}

// FetchContent writes the archive of a content to w, as FetchArchive does that of a chart.
func (r *Repository) FetchContent(ctx context.Context, c Content, w io.Writer) error {
	if c.Chart != nil {
		return r.FetchArchive(ctx, *c.Chart, w)
	}
	return r.fetchLayer(ctx, c.Archive, c.Size,
		fmt.Sprintf("fetching the archive %s from %s", v1beta1.ShortDigest(c.Archive), r.name), w)
}
