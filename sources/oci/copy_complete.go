package oci

import (
	"bytes"
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// complete compares the referrers of the destination with those of the source. Without the referrers API they are in an
// index under a tag, which two writers can overwrite for each other: what is missing is written again.
func (c *copying) complete(ctx context.Context, p *plan) error {
	for round := 1; ; round++ {
		missing, err := c.missing(ctx, p)
		if err != nil || len(missing) == 0 {
			return err
		}

		if round > copyRounds {
			return sources.Stall(v1beta1.InvalidContentReason, ErrNotTransferred,
				"%s: %d of %d manifests that refer to it are not listed there after %d attempts, for example %s", c.what,
				len(missing), len(p.referrers), copyRounds, v1beta1.ShortDigest(missing[0].Digest.String()))
		}

		for _, d := range missing {
			if err := c.again(ctx, d); err != nil {
				return err
			}
		}
	}
}

// missing are the referrers that the destination does not list.
func (c *copying) missing(ctx context.Context, p *plan) ([]ocispec.Descriptor, error) {
	var missing []ocispec.Descriptor
	for _, subject := range append([]ocispec.Descriptor{p.root}, p.referrers...) {
		want := p.refer[subject.Digest]
		if len(want) == 0 {
			continue
		}

		found, err := fresh(c.to).referrers(ctx, subject, c.what)
		if err != nil {
			return nil, err
		}

		has := map[digest.Digest]bool{}
		for _, d := range found {
			has[d.Digest] = true
		}

		for _, d := range want {
			if !has[d.Digest] {
				missing = append(missing, d)
			}
		}
	}

	return missing, nil
}

// fresh is a repository that knows nothing yet of what its registry can do: some registries claim in the answer to a
// push that they have the referrers API, and do not.
func fresh(r *Repository) *Repository {
	copied := *r
	copied.remote = &remote.Repository{
		Client: r.remote.Client, Reference: r.remote.Reference, PlainHTTP: r.remote.PlainHTTP,
		TagListPageSize: r.remote.TagListPageSize, TagListMaxPages: r.remote.TagListMaxPages,
		ReferrerListMaxPages: r.remote.ReferrerListMaxPages, MaxMetadataBytes: r.remote.MaxMetadataBytes,
		SkipReferrersGC: r.remote.SkipReferrersGC,
	}
	return &copied
}

// again writes the manifest of a referrer once more, and the index where the registry has no referrers API.
func (c *copying) again(ctx context.Context, d ocispec.Descriptor) error {
	ctx, pause := withPause(ctx)
	raw, err := content.FetchAll(ctx, c.from.remote, d)
	if err != nil {
		return &sourceError{c.from.failure(err, c.what+": reading a referrer", pause)}
	}
	return c.to.writeReferrer(ctx, d, raw, c.what+": writing a referrer")
}

// writeReferrer writes a manifest that refers to another, and the index where the registry has no referrers API.
func (r *Repository) writeReferrer(ctx context.Context, d ocispec.Descriptor, raw []byte, what string) error {
	ctx, pause := withPause(ctx)
	api, err := fresh(r).hasReferrersAPI(ctx, d)
	if err != nil {
		return r.failure(err, what+": asking "+r.name+" for referrers", pause)
	}

	to := fresh(r)
	if err := to.remote.SetReferrersCapability(api); err != nil {
		return r.failure(err, what, pause)
	}
	if err := to.remote.Push(ctx, d, bytes.NewReader(raw)); err != nil {
		return r.failure(err, what, pause)
	}

	return nil
}

// hasReferrersAPI asks for the referrers of a manifest by the API alone.
func (r *Repository) hasReferrersAPI(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	if err := r.remote.SetReferrersCapability(true); err != nil {
		return false, err
	}
	err := r.remote.Referrers(ctx, d, "", func([]ocispec.Descriptor) error { return nil })
	if errors.Is(err, errdef.ErrUnsupported) {
		return false, nil
	}
	return err == nil, err
}

// signature points a tag of cosign's first layout to the manifest of the source. What the destination has in addition,
// signatures of its own, is kept: then the tag stays as it is.
func (c *copying) signature(ctx context.Context, t taggedManifest) error {
	had, err := c.to.Resolve(ctx, t.tag)
	switch {
	case err == nil && had == t.manifest.Digest.String():
		return nil
	case ignoreNotFound(err) != nil:
		return err
	case err == nil:
		more, err := c.hasMore(ctx, t, had)
		if err != nil || more {
			return err
		}
	}

	written := c.write(ctx, t.manifest, t.tag)
	now, err := c.to.Resolve(ctx, t.tag)
	switch {
	case err == nil && now == t.manifest.Digest.String():
		return nil
	case written != nil:
		return written
	case err != nil:
		return err
	}

	return sources.Fail(v1beta1.FetchFailedReason, nil, "%s: another writer wrote the tag %s meanwhile", c.what, t.tag)
}

// hasMore reports whether a signature tag of the destination holds something that the one of the source does not.
func (c *copying) hasMore(ctx context.Context, t taggedManifest, had string) (bool, error) {
	there, err := c.to.get(ctx, had, c.what)
	if err != nil {
		return false, err
	}

	here, err := c.from.get(ctx, t.manifest.Digest.String(), c.what)
	if err != nil {
		return false, err
	}

	own := layersOf(here)
	for layer := range layersOf(there) {
		if !own[layer] {
			return true, nil
		}
	}

	return false, nil
}
