package oci

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Bounds of one copy.
const (
	// DefaultCopyBytes is how many bytes an artifact and all that refers to it may have.
	DefaultCopyBytes = 512 << 20
	// maxReferrerDepth is how far referrers of referrers are followed, maxReferrers how many are copied.
	maxReferrerDepth = 3
	maxReferrers     = 200
	// copyRounds is how often referrers that are missing at the destination are written again.
	copyRounds = 3
	// parallel is how many blobs of one copy are transferred at a time.
	parallel = 3
)

// Why an artifact cannot be copied, so that a retry does not help.
var (
	// ErrTagConflict says that the destination has other content under a tag that must not move.
	ErrTagConflict = errors.New("the tag has other content")
	// ErrNotTransferred says that signatures or other referrers are not at the destination after the copy.
	ErrNotTransferred = errors.New("not all that refers to it is at the destination")
	// ErrGone says that the source no longer has the artifact.
	ErrGone = errors.New("the source no longer has it")
	// ErrCopyTooLarge says that the artifact, with what refers to it, is more than a copy may carry.
	ErrCopyTooLarge = errors.New("more than one copy may carry")
)

// sourceError is a failure of a copy at its source.
type sourceError struct{ error }

// Unwrap makes errors.Is and errors.As look through.
func (e *sourceError) Unwrap() error { return e.error }

// AtSource reports whether a copy failed at its source, and not at its destination.
func AtSource(err error) bool {
	var e *sourceError
	return errors.As(err, &e)
}

// CopyOptions say what is copied.
type CopyOptions struct {
	// Digest of the manifest. It is what is copied, even when tags move meanwhile.
	Digest string
	// Tag of the destination that is written last, unless it is there. It never moves. "+" becomes the "_" of tags.
	Tag string
	// Channel is a tag that moves to the manifest after Tag was written; empty for none.
	Channel string
	// Bytes bounds the artifact and all that refers to it, DefaultCopyBytes when zero.
	Bytes int64
	// Progress is called as bytes arrive, from several goroutines; nil for not at all.
	Progress func(done, total int64)
	// BeforeTags is called when everything but Tag and Channel is at the destination; an error ends the copy. nil for
	// nothing.
	BeforeTags func(context.Context) error
}

// Copied is what a copy came to.
type Copied struct {
	// Bytes of the artifact and of all that refers to it.
	Bytes int64
	// Referrers is how many manifests refer to the artifact, those of referrers included.
	Referrers int
	// Signatures are the tags of cosign's first layout that were found.
	Signatures []string
}

// Copy copies an artifact by its digest to another repository, with its referrers and the signatures that are found by
// tag. The tags are written last, so a consumer never sees an artifact without its signatures. Every step compares
// first: a repeated copy writes nothing, and one that ended anywhere is completed by the next.
//
// Errors are a sources.Error with the reasons of Resolve, or one of ErrTagConflict, ErrNotTransferred, ErrGone and
// ErrCopyTooLarge in its chain, which another attempt does not change.
func Copy(ctx context.Context, from, to *Repository, o CopyOptions) (Copied, error) {
	c := &copying{from: from, to: to, options: o, what: "copying " + v1beta1.ShortDigest(o.Digest) + " of " + from.name +
		" to " + to.name}
	if !sources.IsDigest(o.Digest) {
		return Copied{}, sources.Stall(v1beta1.InvalidReferenceReason, nil, "%.150q is not a sha256 digest", o.Digest)
	}
	if err := c.compare(ctx); err != nil {
		return Copied{}, err
	}

	plan, err := c.plan(ctx)
	if err != nil {
		return Copied{}, &sourceError{err}
	}
	if err := c.transfer(ctx, plan); err != nil {
		return Copied{}, err
	}
	if err := c.complete(ctx, plan); err != nil {
		return Copied{}, err
	}

	if o.BeforeTags != nil {
		if err := o.BeforeTags(ctx); err != nil {
			return Copied{}, err
		}
	}

	if err := c.tag(ctx, plan.root, o.Tag, false); err != nil {
		return Copied{}, err
	}

	if o.Channel != "" {
		if err := c.tag(ctx, plan.root, o.Channel, true); err != nil {
			return Copied{}, err
		}
	}

	return Copied{Bytes: plan.bytes, Referrers: len(plan.referrers), Signatures: plan.signatures()}, nil
}

// copying is one copy.
type copying struct {
	from, to *Repository
	options  CopyOptions
	what     string
	done     atomic.Int64
	total    int64
}

// compare looks at the tag of the destination before anything is transferred.
func (c *copying) compare(ctx context.Context) error {
	if c.options.Tag == "" {
		return sources.Stall(v1beta1.InvalidReferenceReason, nil, "%s: no tag is named", c.what)
	}
	had, err := c.to.Resolve(ctx, c.options.Tag)
	if err != nil {
		return ignoreNotFound(err)
	}
	return c.conflict(c.options.Tag, had)
}

// conflict says that a tag has other content.
func (c *copying) conflict(tag, had string) error {
	if had == c.options.Digest {
		return nil
	}
	return sources.Stall(v1beta1.InvalidContentReason, ErrTagConflict, "%s has the tag %s with %s, not with %s",
		c.to.name, tag, v1beta1.ShortDigest(had), v1beta1.ShortDigest(c.options.Digest))
}

func ignoreNotFound(err error) error {
	if sources.Reason(err) == v1beta1.NotFoundReason {
		return nil
	}
	return err
}

// transfer copies what the destination lacks, but for tags of versions.
func (c *copying) transfer(ctx context.Context, p *plan) error {
	c.total = p.bytes
	roots := append([]ocispec.Descriptor{p.root}, p.referrers...)
	for _, t := range p.tagged {
		roots = append(roots, t.manifest)
	}

	for _, root := range roots {
		if err := c.graph(ctx, root); err != nil {
			return err
		}
	}

	for _, t := range p.tagged {
		if err := c.signature(ctx, t); err != nil {
			return err
		}
	}

	return nil
}

// graph copies a manifest with its blobs. Within one registry the blobs are mounted where the registry allows that.
func (c *copying) graph(ctx context.Context, root ocispec.Descriptor) error {
	o := oras.CopyGraphOptions{Concurrency: parallel, MaxMetadataBytes: c.from.opts.Limits.Manifest}
	note := func(_ context.Context, d ocispec.Descriptor) error {
		c.arrived(d.Size)
		return nil
	}
	o.OnCopySkipped = note
	o.OnMounted = note
	if c.from.Host() == c.to.Host() && c.from.remote.PlainHTTP == c.to.remote.PlainHTTP {
		o.MountFrom = func(context.Context, ocispec.Descriptor) ([]string, error) {
			return []string{c.from.remote.Reference.Repository}, nil
		}
	}

	from := &counted{ReadOnlyStorage: c.from.remote, arrived: c.arrived}
	ctx, pause := withPause(ctx)
	err := oras.CopyGraph(ctx, from, c.to.remote, root, o)
	if err != nil && o.MountFrom != nil && refusesMount(err) {
		o.MountFrom = nil
		err = oras.CopyGraph(ctx, from, c.to.remote, root, o)
	}
	if err != nil {
		return c.failed(err, pause)
	}

	return nil
}

// refusesMount reports whether a registry answers that a blob of another repository cannot be mounted: by its status,
// since the credentials of the destination may have no right to the source.
func refusesMount(err error) bool {
	var response *errcode.ErrorResponse
	if !errors.As(err, &response) {
		return false
	}
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		return true
	}
	return false
}

func (c *copying) arrived(bytes int64) {
	done := c.done.Add(bytes)
	if c.options.Progress != nil {
		c.options.Progress(min(done, c.total), c.total)
	}
}

// failed says on which side a copy failed.
func (c *copying) failed(err error, pause *time.Duration) error {
	side := c.to
	var failed *oras.CopyError
	if errors.As(err, &failed) && failed.Origin == oras.CopyErrorOriginSource {
		side = c.from
	}

	failure := side.failure(err, c.what+": "+side.name, pause)
	if side == c.from {
		return &sourceError{c.gone(failure)}
	}

	return failure
}

// tag points a tag of the destination to the manifest, unless it does already. One that may not move is compared again
// afterwards: another writer may have been faster.
func (c *copying) tag(ctx context.Context, root ocispec.Descriptor, tag string, moves bool) error {
	had, err := c.to.Resolve(ctx, tag)
	switch {
	case err == nil && had == c.options.Digest:
		return nil
	case err == nil && !moves:
		return c.conflict(tag, had)
	case ignoreNotFound(err) != nil:
		return err
	}

	written := c.write(ctx, root, tag)
	now, err := c.to.Resolve(ctx, tag)
	switch {
	case err == nil && now == c.options.Digest:
		return nil // also when the registry refused to write what was there by then
	case written != nil:
		return written
	case err != nil:
		return err
	}

	return c.conflict(tag, now)
}

func (c *copying) write(ctx context.Context, d ocispec.Descriptor, tag string) error {
	tag = strings.ReplaceAll(tag, "+", "_")
	if err := (registry.Reference{Registry: "r", Repository: "r", Reference: tag}).ValidateReferenceAsTag(); err != nil {
		return sources.Stall(v1beta1.InvalidReferenceReason, nil, "%.150q is not a tag", tag)
	}
	ctx, pause := withPause(ctx)
	if err := c.to.remote.Tag(ctx, d, tag); err != nil {
		return c.to.failure(err, c.what+": writing the tag "+tag, pause)
	}
	return nil
}

// gone turns the answer that the source has no such manifest, or not all of it, into ErrGone.
func (c *copying) gone(err error) error {
	if sources.Reason(err) == v1beta1.NotFoundReason {
		return sources.Stall(v1beta1.NotFoundReason, ErrGone, "%s", c.what)
	}
	return err
}
