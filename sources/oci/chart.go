package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/transport"
)

// Chart is a chart in a registry.
type Chart struct {
	// ChartRevision's Digest is the manifest digest that was asked for, also when that is an index around the chart.
	v1beta1.ChartRevision
	// Archive is the digest of the chart archive, as sha256:hex.
	Archive string
	// Size of the archive in bytes.
	Size int64
	// KubeVersion is the range of clusters the chart is made for, "" for all.
	KubeVersion string
	// AppVersion is the version of what the chart installs, for people.
	AppVersion string
	// Deprecated says that the publisher has given the chart up.
	Deprecated bool
}

// Chart reads the manifest of a chart and its config: two requests. An index with exactly one chart in it stands for
// that chart. Errors are a sources.Error with reason AuthenticationFailed, NotFound, FetchFailed, InvalidReference,
// stalled, for what is no digest, or InvalidContent for what is no chart, too large, or not what its digest says.
func (r *Repository) Chart(ctx context.Context, manifestDigest string) (Chart, error) {
	what := "reading the chart " + v1beta1.ShortDigest(manifestDigest) + " of " + r.name
	if !sources.IsDigest(manifestDigest) {
		return Chart{}, sources.Stall(v1beta1.InvalidReferenceReason, nil, "%.150q is not a sha256 digest", manifestDigest)
	}
	m, err := r.manifest(ctx, manifestDigest, what)
	if err != nil {
		return Chart{}, err
	}
	return r.chart(ctx, manifestDigest, m, what)
}

// isIndex reports whether a manifest is an index and not that of an image.
func (m manifest) isIndex() bool {
	return len(m.Manifests) > 0 || m.MediaType == ocispec.MediaTypeImageIndex || m.MediaType == dockerListMediaType
}

// chart finds the chart in a manifest, or in the only child of an index that is one.
func (r *Repository) chart(ctx context.Context, asked string, m manifest, what string) (_ Chart, err error) {
	if m.isIndex() {
		if m, err = r.chartIn(ctx, m, what); err != nil {
			return Chart{}, err
		}
	}

	if m.Config.MediaType != ConfigMediaType {
		return Chart{}, notChart(what, "its config is %.100q", m.Config.MediaType)
	}

	layer, err := chartLayer(m.Layers, what)
	if err != nil {
		return Chart{}, err
	}

	return r.describe(ctx, asked, m.Config, layer, what)
}

func notChart(what, format string, args ...any) error {
	return sources.Fail(v1beta1.InvalidContentReason, nil, "%s: it is not a helm chart: %s", what,
		fmt.Sprintf(format, args...))
}

func invalid(what, format string, args ...any) error {
	return sources.Fail(v1beta1.InvalidContentReason, nil, "%s: %s", what, fmt.Sprintf(format, args...))
}

// chartLayer finds the archive by media type: the order of layers means nothing.
func chartLayer(layers []ocispec.Descriptor, what string) (ocispec.Descriptor, error) {
	for _, mediaType := range []string{ChartMediaType, LegacyChartMediaType} {
		var found []ocispec.Descriptor
		for _, layer := range layers {
			if layer.MediaType == mediaType {
				found = append(found, layer)
			}
		}

		if len(found) > 1 {
			return ocispec.Descriptor{}, notChart(what, "it has %d chart archives", len(found))
		}
		if len(found) == 1 {
			return found[0], nil
		}
	}
	return ocispec.Descriptor{}, notChart(what, "it has no layer of type %s", ChartMediaType)
}

// describe reads the chart's config, which is its Chart.yaml as JSON.
func (r *Repository) describe(
	ctx context.Context, asked string, config, layer ocispec.Descriptor, what string,
) (Chart, error) {
	if !sources.IsDigest(layer.Digest.String()) || layer.Size <= 0 {
		return Chart{}, invalid(what, "its archive has no sha256 digest or no size")
	}
	if limit := r.opts.Limits.Chart; layer.Size > limit {
		return Chart{}, invalid(what, "its archive has %d bytes, more than the %d that are allowed", layer.Size, limit)
	}
	if limit := r.opts.Limits.Manifest; config.Size <= 0 || config.Size > limit ||
		!sources.IsDigest(config.Digest.String()) {
		return Chart{}, invalid(what, "its config has %d bytes, %d are allowed, or no sha256 digest", config.Size, limit)
	}

	ctx, pause := withPause(ctx)
	body, err := r.remote.Blobs().Fetch(ctx, config)
	if err != nil {
		return Chart{}, r.failure(err, what, pause)
	}

	defer body.Close()
	raw, err := content.ReadAll(body, config)
	if err != nil {
		return Chart{}, r.failure(err, what, pause)
	}

	var meta struct {
		Name, Version, KubeVersion, AppVersion string
		Deprecated                             bool
	}
	if err := json.Unmarshal(raw, &meta); err != nil {
		return Chart{}, notChart(what, "its config is not a chart's")
	}
	if _, err := semver.NewVersion(meta.Version); err != nil || meta.Name == "" || strings.ContainsAny(meta.Name, `/\`) {
		return Chart{}, invalid(what, "its config has the name %.100q and the version %.100q", meta.Name, meta.Version)
	}

	return Chart{
		ChartRevision: v1beta1.ChartRevision{Name: meta.Name, Version: meta.Version, Digest: asked},
		Archive:       layer.Digest.String(),
		Size:          layer.Size,
		KubeVersion:   meta.KubeVersion,
		AppVersion:    meta.AppVersion,
		Deprecated:    meta.Deprecated,
	}, nil
}

// FetchArchive writes the chart archive to w and compares it with its digest and size; what was written before an error
// is worthless. Of the chart only Archive and Size count, so an earlier one may be fetched again. Errors are a
// sources.Error with reason AuthenticationFailed, NotFound, FetchFailed or InvalidContent; the writer's own error is
// returned as it is.
func (r *Repository) FetchArchive(ctx context.Context, c Chart, w io.Writer) error {
	what := fmt.Sprintf("fetching the archive %s of the chart %s %s from %s", v1beta1.ShortDigest(c.Archive), c.Name,
		c.Version, r.name)
	return r.fetchLayer(ctx, c.Archive, c.Size, what, w)
}

func (r *Repository) fetchLayer(ctx context.Context, archive string, size int64, what string, w io.Writer) error {
	if !sources.IsDigest(archive) || size <= 0 || size > r.opts.Limits.Chart {
		return invalid(what, "%d bytes with the digest %.80q; at most %d are allowed", size, archive, r.opts.Limits.Chart)
	}

	layer := ocispec.Descriptor{MediaType: ChartMediaType, Digest: digest.Digest(archive), Size: size}
	ctx, pause := withPause(ctx)
	body, err := r.remote.Blobs().Fetch(ctx, layer)
	if err != nil {
		return r.failure(err, what, pause)
	}

	defer body.Close()
	sink := transport.WatchWriter(w)
	verified := content.NewVerifyReader(body, layer)
	_, err = io.Copy(sink, verified)
	if err == nil {
		err = verified.Verify()
	}

	switch {
	case sink.Err != nil:
		return sink.Err
	case err != nil:
		return r.failure(err, what, pause)
	}

	return nil
}
