package oci

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/auth"

	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/transport"
)

// Media types of charts.
const (
	ConfigMediaType = "application/vnd.cncf.helm.config.v1+json"
	ChartMediaType  = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	// LegacyChartMediaType is what the first charts in registries have.
	LegacyChartMediaType = "application/tar+gzip"

	dockerListMediaType     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifestMediaType = "application/vnd.docker.distribution.manifest.v2+json"
)

// manifestTypes are the manifests that are understood, for the Accept header.
var manifestTypes = strings.Join([]string{
	ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, dockerManifestMediaType, dockerListMediaType,
}, ", ")

// maxChildren is how many manifests of an index are looked into when the index does not say what they are.
const maxChildren = 16

// manifest is an image manifest or an index, whichever it is.
type manifest struct {
	MediaType string               `json:"mediaType"`
	Config    ocispec.Descriptor   `json:"config"`
	Layers    []ocispec.Descriptor `json:"layers"`
	Manifests []ocispec.Descriptor `json:"manifests"`
}

// manifest fetches a manifest by digest and compares the bytes with it.
func (r *Repository) manifest(ctx context.Context, manifestDigest, what string) (manifest, error) {
	raw, err := r.get(ctx, manifestDigest, what)
	if err != nil {
		return manifest{}, err
	}
	if got := digest.FromBytes(raw).String(); got != manifestDigest {
		return manifest{}, invalid(what, "the manifest has the digest %s", got)
	}

	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return manifest{}, notChart(what, "its manifest is not JSON")
	}

	return m, nil
}

// get fetches the bytes of a manifest by tag or digest. The library's own call needs a length in the answer, which
// proxies that compress leave out.
func (r *Repository) get(ctx context.Context, ref, what string) ([]byte, error) {
	ctx, pause := withPause(auth.AppendRepositoryScope(ctx, r.remote.Reference, auth.ActionPull))
	u := url.URL{Scheme: "https", Host: r.remote.Reference.Host()}
	if r.remote.PlainHTTP {
		u.Scheme = "http"
	}

	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		u.JoinPath("v2", r.remote.Reference.Repository, "manifests", ref).String(), nil)
	if err != nil {
		return nil, r.failure(err, what, pause)
	}

	req.Header.Set("Accept", manifestTypes)
	resp, err := r.remote.Client.Do(req)
	if err != nil {
		return nil, r.failure(err, what, pause)
	}

	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, transport.Status(resp, what)
	}

	raw, err := io.ReadAll(transport.Limit(resp.Body, r.opts.Limits.Manifest))
	if errors.Is(err, transport.ErrTooLarge) {
		return nil, invalid(what, "its manifest has more than the %d bytes that are allowed", r.opts.Limits.Manifest)
	}
	if err != nil {
		return nil, r.failure(err, what, pause)
	}

	return raw, nil
}

// chartIn finds the one chart of an index. What an index says about its children is believed; children it says nothing
// about are looked into.
func (r *Repository) chartIn(ctx context.Context, index manifest, what string) (manifest, error) {
	var known, unknown []ocispec.Descriptor
	for _, child := range index.Manifests {
		switch {
		case child.ArtifactType == ConfigMediaType:
			known = append(known, child)
		case child.ArtifactType == "" &&
			(child.MediaType == ocispec.MediaTypeImageManifest || child.MediaType == dockerManifestMediaType):
			unknown = append(unknown, child)
		}
	}

	if len(known) > 1 || len(known) == 0 && len(unknown) > maxChildren {
		return manifest{}, notChart(what, "it is an index of %d manifests", len(index.Manifests))
	}
	if len(known) == 0 {
		known = unknown
	}

	var charts []manifest
	for _, child := range known {
		if !sources.IsDigest(child.Digest.String()) {
			return manifest{}, invalid(what, "its index names a manifest without a sha256 digest")
		}

		m, err := r.manifest(ctx, child.Digest.String(), what)
		if err != nil {
			return manifest{}, err
		}
		if m.Config.MediaType == ConfigMediaType {
			charts = append(charts, m)
		}
	}

	if len(charts) != 1 {
		return manifest{}, notChart(what, "it is an index with %d charts in it instead of one", len(charts))
	}

	return charts[0], nil
}
