package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/ignore"
)

// object is what a list says of one object.
type object struct {
	key  string
	etag string
	size int64
}

// Revision is what a bucket holds at one time.
type Revision struct {
	digest  string
	objects []object // sorted by key, without the markers of directories
	filter  ignore.Matcher
}

// String is sha256: and the digest over the names, sizes and ETags of the objects, and over what decides which of them
// are ignored. Objects that are ignored for sure do not count.
func (r Revision) String() string { return r.digest }

// Resolve lists the bucket and downloads nothing. Errors are a sources.Error with reason AuthenticationFailed, NotFound
// for an unknown bucket, URLInvalid for an endpoint that leads elsewhere or to an address that is refused, FetchFailed,
// InvalidContent for a list above the limits, or InvalidReference, stalled, for patterns in Ignore that cannot be read.
func (b *Bucket) Resolve(ctx context.Context) (Revision, error) {
	filter, err := ignore.New(b.opts.Ignore, nil)
	if err != nil {
		return Revision{}, err
	}

	objects, err := b.list(ctx)
	if err != nil {
		return Revision{}, err
	}

	r := Revision{objects: objects, filter: filter}
	// A .sourceignore may take back what the defaults ignore, so every object counts beside one.
	all := b.opts.Ignore == nil && slices.ContainsFunc(objects, isIgnoreFile)
	hash := sha256.New()
	fmt.Fprintf(hash, "files named %s count: %v\n", ignore.File, b.opts.Ignore == nil)
	for _, o := range objects {
		if err := ctx.Err(); err != nil {
			return Revision{}, b.failure(err, "listing "+b.String())
		}
		if all || !filter.Match(o.key, false) {
			fmt.Fprintf(hash, "%q %q %d\n", o.key, o.etag, o.size)
		}
	}

	r.digest = sources.DigestPrefix + hex.EncodeToString(hash.Sum(nil))
	return r, nil
}

func isIgnoreFile(o object) bool { return path.Base(o.key) == ignore.File }

// list returns the objects below the prefix, sorted.
func (b *Bucket) list(ctx context.Context) ([]object, error) {
	what := "listing " + b.String()
	client, err := b.client()
	if err != nil {
		return nil, err
	}

	bad := func(format string, args ...any) error {
		return sources.Fail(v1beta1.InvalidContentReason, nil, "%s: %s", what, fmt.Sprintf(format, args...))
	}
	owner := false
	var objects []object
	count := 0
	for found := range client.ListObjectsIter(ctx, b.opts.Bucket,
		minio.ListObjectsOptions{Prefix: b.opts.Prefix, Recursive: true, FetchOwner: &owner}) {
		if found.Err != nil {
			return nil, b.failure(found.Err, what)
		}
		if count++; count > b.opts.Limits.Objects {
			return nil, bad("it has more than the %d objects that are allowed; spec.prefix narrows them down",
				b.opts.Limits.Objects)
		}

		switch {
		case !strings.HasPrefix(found.Key, b.opts.Prefix):
			return nil, bad("the server listed %.200q, which does not begin with the prefix", found.Key)
		case strings.HasSuffix(found.Key, "/"):
			continue // it marks a directory
		case found.ETag == "" || found.Size < 0:
			return nil, bad("the server gave no ETag or size for %.200q", found.Key)
		}

		objects = append(objects, object{key: found.Key, etag: found.ETag, size: found.Size})
	}

	// The library ends its list quietly when the context does.
	if err := ctx.Err(); err != nil {
		return nil, b.failure(err, what)
	}

	slices.SortFunc(objects, func(a, b object) int { return strings.Compare(a.key, b.key) })
	for i := 1; i < len(objects); i++ {
		if objects[i].key == objects[i-1].key {
			return nil, bad("the server listed %.200q twice", objects[i].key)
		}
	}

	return objects, nil
}
