package oci

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Annotations of an artifact that holds a Sigstore bundle, as cosign writes them.
const (
	bundleContent   = "dev.sigstore.bundle.content"
	bundlePredicate = "dev.sigstore.bundle.predicateType"
)

// Attach publishes a Sigstore bundle with a statement as an artifact that refers to a manifest. mediaType is that of
// the bundle. It returns once the registry lists it. Errors are those of Copy.
func (r *Repository) Attach(ctx context.Context, manifestDigest, mediaType, predicateType string, bundle []byte) error {
	what := "attaching a statement to " + v1beta1.ShortDigest(manifestDigest) + " of " + r.name
	ctx, pause := withPause(ctx)
	subject, err := r.remote.Resolve(ctx, manifestDigest)
	if err != nil {
		return r.failure(err, what, pause)
	}

	layer, err := r.blob(ctx, mediaType, bundle, what)
	if err != nil {
		return err
	}

	config, err := r.blob(ctx, ocispec.MediaTypeEmptyJSON, []byte("{}"), what)
	if err != nil {
		return err
	}

	m := ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: mediaType, Config: config,
		Layers: []ocispec.Descriptor{layer}, Subject: &subject,
		Annotations: map[string]string{bundleContent: "dsse-envelope", bundlePredicate: predicateType},
	}
	m.SchemaVersion = 2
	raw, err := json.Marshal(m)
	if err != nil {
		return sources.Fail(v1beta1.InvalidContentReason, err, "%s", what)
	}

	d := descriptorOf(m.MediaType, raw)
	for range copyRounds {
		if err := r.writeReferrer(ctx, d, raw, what); err != nil {
			return err
		}

		listed, err := fresh(r).referrers(ctx, subject, what)
		if err != nil {
			return err
		}

		for _, found := range listed {
			if found.Digest == d.Digest {
				return nil
			}
		}
	}

	return sources.Stall(v1beta1.InvalidContentReason, ErrNotTransferred, "%s: it is not listed there after %d attempts",
		what, copyRounds)
}

func descriptorOf(mediaType string, raw []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
}

// blob stores bytes unless they are there.
func (r *Repository) blob(ctx context.Context, mediaType string, raw []byte, what string) (ocispec.Descriptor, error) {
	d := descriptorOf(mediaType, raw)
	ctx, pause := withPause(ctx)
	there, err := r.remote.Blobs().Exists(ctx, d)
	if err == nil && !there {
		err = r.remote.Blobs().Push(ctx, d, bytes.NewReader(raw))
	}
	if err != nil {
		return d, r.failure(err, what, pause)
	}

	return d, nil
}
