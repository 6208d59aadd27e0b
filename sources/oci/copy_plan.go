package oci

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// maxCopied is how many manifests and blobs one copy may have.
const maxCopied = 2000

// signatureSuffixes end the tags by which cosign's first layout finds what belongs to a manifest.
var signatureSuffixes = []string{".sig", ".att", ".sbom"}

// plan is what one copy consists of.
type plan struct {
	root ocispec.Descriptor
	// referrers of the root and of its referrers, a referrer after what it refers to.
	referrers []ocispec.Descriptor
	// refer are the digests of the referrers by what they refer to.
	refer map[digest.Digest][]ocispec.Descriptor
	// tagged are what is found by a tag that the digest of the root makes.
	tagged []taggedManifest
	// bytes of all, and what was counted for it.
	bytes int64
	seen  map[digest.Digest]bool
}

// taggedManifest is a manifest that is found by a tag alone.
type taggedManifest struct {
	tag      string
	manifest ocispec.Descriptor
}

func (p *plan) signatures() []string {
	tags := make([]string, 0, len(p.tagged))
	for _, t := range p.tagged {
		tags = append(tags, t.tag)
	}
	return tags
}

// plan finds all that belongs to an artifact, within the bounds of a copy.
func (c *copying) plan(ctx context.Context) (*plan, error) {
	ctx, pause := withPause(ctx)
	root, err := c.from.remote.Resolve(ctx, c.options.Digest)
	if err != nil {
		return nil, c.gone(c.from.failure(err, c.what, pause))
	}
	if root.Digest.String() != c.options.Digest {
		return nil, invalid(c.what, "the source answers with the digest %s", root.Digest)
	}

	p := &plan{root: root, refer: map[digest.Digest][]ocispec.Descriptor{}, seen: map[digest.Digest]bool{}}
	if err := c.weigh(ctx, p, root); err != nil {
		return nil, c.gone(err)
	}
	if err := c.findReferrers(ctx, p); err != nil {
		return nil, err
	}

	return p, c.findTagged(ctx, p)
}

// findReferrers follows what refers to the root, level by level.
func (c *copying) findReferrers(ctx context.Context, p *plan) error {
	level := []ocispec.Descriptor{p.root}
	known := map[digest.Digest]bool{p.root.Digest: true}
	for depth := 0; depth < maxReferrerDepth && len(level) > 0; depth++ {
		var next []ocispec.Descriptor
		for _, subject := range level {
			found, err := c.from.referrers(ctx, subject, c.what)
			if err != nil {
				return err
			}

			p.refer[subject.Digest] = found
			for _, d := range found {
				if known[d.Digest] {
					continue
				}

				known[d.Digest] = true
				next = append(next, d)
				if err := c.weigh(ctx, p, d); err != nil {
					return err
				}
			}
		}

		p.referrers = append(p.referrers, next...)
		level = next
	}

	return nil
}

// referrers lists what refers to a manifest, by the API for that or by the tag that stands in for it.
func (r *Repository) referrers(
	ctx context.Context, subject ocispec.Descriptor, what string,
) ([]ocispec.Descriptor, error) {
	ctx, pause := withPause(ctx)
	var all []ocispec.Descriptor
	err := r.remote.Referrers(ctx, subject, "", func(found []ocispec.Descriptor) error {
		for _, d := range found {
			if !sources.IsDigest(d.Digest.String()) || d.Size <= 0 || d.Size > r.opts.Limits.Manifest {
				return invalid(what, "a referrer has %d bytes, or no sha256 digest", d.Size)
			}
		}

		if all = append(all, found...); len(all) > maxReferrers {
			return tooLarge(what, "more than %d manifests refer to it", maxReferrers)
		}

		return nil
	})
	if err != nil {
		return nil, r.failure(err, what+": listing what refers to it in "+r.name, pause)
	}

	return all, nil
}

func tooLarge(what, format string, args ...any) error {
	return sources.Stall(v1beta1.InvalidContentReason, ErrCopyTooLarge, what+": "+format, args...)
}

// findTagged finds what cosign's first layout keeps under tags.
func (c *copying) findTagged(ctx context.Context, p *plan) error {
	base := signatureTag(p.root.Digest.String())
	for _, suffix := range signatureSuffixes {
		ctx, pause := withPause(ctx)
		d, err := c.from.remote.Resolve(ctx, base+suffix)
		if err != nil {
			failure := c.from.failure(err, c.what+": looking for the tag "+base+suffix, pause)
			if err := ignoreNotFound(failure); err != nil {
				return err
			}

			continue
		}

		if !sources.IsDigest(d.Digest.String()) {
			return invalid(c.what, "the tag %s has no sha256 digest", base+suffix)
		}

		p.tagged = append(p.tagged, taggedManifest{tag: base + suffix, manifest: d})
		if err := c.weigh(ctx, p, d); err != nil {
			return err
		}
	}

	return nil
}

// signatureTag begins the tags of what cosign's first layout knows of a manifest.
func signatureTag(manifestDigest string) string { return strings.Replace(manifestDigest, ":", "-", 1) }

// weigh adds a manifest with what it consists of to the bytes of a plan.
func (c *copying) weigh(ctx context.Context, p *plan, root ocispec.Descriptor) error {
	limit := c.options.Bytes
	if limit <= 0 {
		limit = DefaultCopyBytes
	}

	left := []ocispec.Descriptor{root}
	for len(left) > 0 {
		d := left[len(left)-1]
		left = left[:len(left)-1]
		if p.seen[d.Digest] {
			continue
		}

		p.seen[d.Digest] = true
		if !sources.IsDigest(d.Digest.String()) || d.Size < 0 {
			return invalid(c.what, "a part of it has %d bytes, or no sha256 digest", d.Size)
		}

		if p.bytes += d.Size; p.bytes > limit || len(p.seen) > maxCopied {
			return tooLarge(c.what, "it has more than %d bytes, or than %d parts, with all that refers to it", limit,
				maxCopied)
		}

		parts, err := c.parts(ctx, d)
		if err != nil {
			return err
		}

		left = append(left, parts...)
	}

	return nil
}

// parts are what a manifest consists of, or refers to; none for a blob.
func (c *copying) parts(ctx context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	switch d.MediaType {
	case ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, dockerListMediaType, dockerManifestMediaType:
	default:
		return nil, nil
	}

	if d.Size > c.from.opts.Limits.Manifest {
		return nil, invalid(c.what, "a manifest has %d bytes, %d are allowed", d.Size, c.from.opts.Limits.Manifest)
	}

	ctx, pause := withPause(ctx)
	parts, err := content.Successors(ctx, c.from.remote, d)
	if err != nil {
		return nil, c.from.failure(err, c.what+": reading the manifest "+v1beta1.ShortDigest(d.Digest.String()), pause)
	}

	return parts, nil
}

// counted notes the bytes that are read of a storage.
type counted struct {
	content.ReadOnlyStorage
	arrived func(int64)
}

// Fetch implements content.Fetcher.
func (c *counted) Fetch(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	body, err := c.ReadOnlyStorage.Fetch(ctx, d)
	if err != nil {
		return nil, err
	}
	return &countedBody{ReadCloser: body, arrived: c.arrived}, nil
}

type countedBody struct {
	io.ReadCloser
	arrived func(int64)
}

// Read implements io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.arrived(int64(n))
	return n, err
}

// layersOf are the digests of the layers of a manifest; none when it cannot be read.
func layersOf(raw []byte) map[digest.Digest]bool {
	var m ocispec.Manifest
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	all := map[digest.Digest]bool{}
	for _, layer := range m.Layers {
		all[layer.Digest] = true
	}
	return all
}
