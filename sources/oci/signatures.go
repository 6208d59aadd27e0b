package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

const (
	// simpleSigning is the payload of a signature of cosign's first layout, whose rest is in annotations of the layer.
	simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	// bundleType begins the types of Sigstore bundles, which end in a version.
	bundleType = "application/vnd.dev.sigstore.bundle"
	// maxSignatures is how many signatures of an artifact are looked at, maxSignature how large each may be, in bytes.
	maxSignatures = 32
	maxSignature  = 1 << 20
)

// Signature is a signature of an artifact, as a registry holds it.
type Signature struct {
	// Where it was found, for messages.
	Where string
	// Payload is what was signed, Annotations hold the signature: cosign's first layout. Both are empty for a Bundle.
	Payload     []byte
	Annotations map[string]string
	// Bundle is a Sigstore bundle, JSON.
	Bundle []byte
}

// Signatures finds the signatures of a manifest: under the tag that its digest makes, and among its referrers. tried
// names where it has looked. What is no signature, or is too large, is left out. Errors are as those of Resolve; that
// there are no signatures is none.
func (r *Repository) Signatures(
	ctx context.Context, manifestDigest string,
) (found []Signature, tried []string, err error) {
	what := "looking for signatures of " + v1beta1.ShortDigest(manifestDigest) + " of " + r.name
	if !sources.IsDigest(manifestDigest) {
		return nil, nil, sources.Stall(v1beta1.InvalidReferenceReason, nil, "%.150q is not a sha256 digest", manifestDigest)
	}

	tag := strings.Replace(manifestDigest, ":", "-", 1) + ".sig"
	tried = append(tried, "tag "+tag)
	tagged, err := r.tagged(ctx, tag, what)
	if err != nil {
		return nil, tried, err
	}

	tried = append(tried, "referrers")
	referring, err := r.referring(ctx, manifestDigest, what)
	return append(referring, tagged...), tried, err
}

// tagged reads the signatures of cosign's first layout.
func (r *Repository) tagged(ctx context.Context, tag, what string) ([]Signature, error) {
	raw, err := r.get(ctx, tag, what)
	if sources.Reason(err) == v1beta1.NotFoundReason {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}

	var m struct {
		Layers []ocispec.Descriptor `json:"layers"`
	}
	if json.Unmarshal(raw, &m) != nil {
		return nil, nil //nolint:nilerr // what cannot be read is no signature
	}

	var found []Signature
	for _, layer := range m.Layers {
		if layer.MediaType != simpleSigning || len(found) == maxSignatures {
			continue
		}

		payload, err := r.small(ctx, layer, what)
		if err != nil {
			return nil, err
		}

		found = append(found, Signature{Where: "tag " + tag, Payload: payload, Annotations: layer.Annotations})
	}

	return found, nil
}

// referring reads the Sigstore bundles that refer to a manifest, by the API for that or by the tag that stands in for
// it.
func (r *Repository) referring(ctx context.Context, manifestDigest, what string) ([]Signature, error) {
	ctx, pause := withPause(ctx)
	subject, err := r.remote.Resolve(ctx, manifestDigest)
	if err != nil {
		return nil, r.failure(err, what, pause)
	}

	var bundles []ocispec.Descriptor
	err = r.remote.Referrers(ctx, subject, "", func(referrers []ocispec.Descriptor) error {
		for _, d := range referrers {
			if strings.HasPrefix(d.ArtifactType, bundleType) && len(bundles) < maxSignatures {
				bundles = append(bundles, d)
			}
		}
		return nil
	})
	if err != nil {
		return nil, r.failure(err, what, pause)
	}

	var found []Signature
	for _, d := range bundles {
		if !sources.IsDigest(d.Digest.String()) {
			continue
		}

		m, err := r.manifest(ctx, d.Digest.String(), what)
		if err != nil {
			return nil, err
		}

		for _, layer := range m.Layers {
			if !strings.HasPrefix(layer.MediaType, bundleType) || len(found) == maxSignatures {
				continue
			}

			bundle, err := r.small(ctx, layer, what)
			if err != nil {
				return nil, err
			}

			found = append(found, Signature{Where: "referrer " + v1beta1.ShortDigest(d.Digest.String()), Bundle: bundle})
		}
	}

	return found, nil
}

// small reads a blob that is not large.
func (r *Repository) small(ctx context.Context, d ocispec.Descriptor, what string) ([]byte, error) {
	if d.Size <= 0 || d.Size > maxSignature {
		return nil, invalid(what, "a signature has %d bytes, %d are allowed", d.Size, maxSignature)
	}

	var out bytes.Buffer
	if err := r.fetchLayer(ctx, d.Digest.String(), d.Size, what, &out); err != nil {
		return nil, err
	}
	if digest.FromBytes(out.Bytes()) != d.Digest {
		return nil, invalid(what, "a signature is not what its digest says")
	}

	return out.Bytes(), nil
}

// provenanceType is the layer of a chart that holds its provenance file.
const provenanceType = "application/vnd.cncf.helm.chart.provenance.v1.prov"

// Provenance reads the provenance file that was pushed beside a chart, and what it has to be about. Errors are those of
// Chart, and reason VerificationFailed for a chart without one.
func (r *Repository) Provenance(ctx context.Context, manifestDigest string) (Chart, []byte, error) {
	what := "reading the provenance file of " + v1beta1.ShortDigest(manifestDigest) + " of " + r.name
	if !sources.IsDigest(manifestDigest) {
		return Chart{}, nil, sources.Stall(v1beta1.InvalidReferenceReason, nil, "%.150q is not a sha256 digest",
			manifestDigest)
	}

	m, err := r.manifest(ctx, manifestDigest, what)
	if err == nil && m.isIndex() {
		m, err = r.chartIn(ctx, m, what)
	}
	if err != nil {
		return Chart{}, nil, err
	}

	chart, err := r.chart(ctx, manifestDigest, m, what)
	if err != nil {
		return Chart{}, nil, err
	}

	for _, layer := range m.Layers {
		if layer.MediaType != provenanceType {
			continue
		}

		file := &bytes.Buffer{}
		if layer.Size > maxSignature {
			return Chart{}, nil, invalid(what, "it has %d bytes, more than the %d that are allowed", layer.Size, maxSignature)
		}

		err := r.fetchLayer(ctx, layer.Digest.String(), layer.Size, what, file)
		return chart, file.Bytes(), err
	}

	return Chart{}, nil, sources.Fail(v1beta1.VerificationFailedReason, nil,
		"%s has no provenance file: its manifest has no layer of type %s", chart.ChartRevision, provenanceType)
}
