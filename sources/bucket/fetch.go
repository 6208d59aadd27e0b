package bucket

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/ignore"
)

const (
	maxDepth       = 100
	maxIgnoreFiles = 1000
	maxIgnoreBytes = 4 << 20
)

// Fetch writes the objects of a revision that are not ignored to w as a tar.gz that is the same for the same objects:
// paths are the keys, sorted, times zero, modes 0644.
//
// Errors are a sources.Error with reason AuthenticationFailed, FetchFailed, also for an object that was changed since
// Resolve, or InvalidContent for objects above the limits, patterns that cannot be read, and keys that cannot be paths:
// those that lead out of the tree, have empty parts, backslashes or control characters, or stand for a file and a
// directory at once. What was written before an error is worthless.
func (b *Bucket) Fetch(ctx context.Context, rev Revision, w io.Writer) error {
	f := &fetch{bucket: b, rev: rev, what: "fetching " + b.String()}
	filter, err := f.patterns(ctx)
	if err != nil {
		return err
	}

	files, err := f.choose(ctx, filter)
	if err != nil {
		return err
	}

	zip := gzip.NewWriter(w)
	archive := tar.NewWriter(zip)
	err = b.download(ctx, files, func(o object, content io.Reader) error {
		header := &tar.Header{Name: o.key, Mode: 0o644, Size: o.size, Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}

		_, err := io.Copy(archive, content)
		return err
	})
	if err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}

	return zip.Close()
}

// fetch is one call of Fetch.
type fetch struct {
	bucket *Bucket
	rev    Revision
	what   string
}

func (f *fetch) bad(format string, args ...any) error {
	return sources.Fail(v1beta1.InvalidContentReason, nil, "%s: %s", f.what, fmt.Sprintf(format, args...))
}

// patterns reads the files named .sourceignore, unless the options say what is ignored.
func (f *fetch) patterns(ctx context.Context) (ignore.Matcher, error) {
	if f.bucket.opts.Ignore != nil {
		return f.rev.filter, nil
	}

	var named []object
	total := int64(0)
	for _, o := range f.rev.objects {
		if !isIgnoreFile(o) {
			continue
		}

		if total += o.size; o.size > ignore.MaxFileBytes || total > maxIgnoreBytes || len(named) == maxIgnoreFiles {
			return ignore.Matcher{}, f.bad("%.200q has more than %d bytes, or all files of its name have more than %d, or "+
				"there are more than %d of them",
				o.key, ignore.MaxFileBytes, maxIgnoreBytes, maxIgnoreFiles)
		}

		named = append(named, o)
	}

	files := map[string][]byte{}
	err := f.bucket.download(ctx, named, func(o object, content io.Reader) (err error) {
		files[o.key], err = io.ReadAll(content)
		return err
	})
	if err != nil {
		return ignore.Matcher{}, err
	}

	return ignore.New(nil, files)
}

// choose returns the objects that go into the archive.
func (f *fetch) choose(ctx context.Context, filter ignore.Matcher) ([]object, error) {
	var files []object
	room := f.bucket.opts.Limits.Bytes
	directories := map[string]bool{}
	for _, o := range f.rev.objects {
		if err := ctx.Err(); err != nil {
			return nil, f.bucket.failure(err, f.what)
		}
		if filter.Match(o.key, false) {
			continue
		}
		if !validKey(o.key) {
			return nil, f.bad("it has an object with the impossible name %.200q", o.key)
		}
		if room -= o.size; room < 0 {
			return nil, f.bad("its objects have more than the %d bytes that are allowed; spec.prefix and spec.ignore narrow "+
				"them down", f.bucket.opts.Limits.Bytes)
		}

		for i, c := range o.key {
			if c == '/' {
				directories[o.key[:i]] = true
			}
		}

		files = append(files, o)
	}

	for _, o := range files {
		if directories[o.key] {
			return nil, f.bad("%.200q is an object and a directory with others", o.key)
		}
	}

	return files, nil
}

// validKey reports whether a key is a path inside a tree on every system.
func validKey(key string) bool {
	if key == "" || len(key) > maxKey || !utf8.ValidString(key) || strings.ContainsFunc(key, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == '\\'
	}) {
		return false
	}
	parts := strings.Split(key, "/")
	return len(parts) <= maxDepth && !slices.ContainsFunc(parts, func(part string) bool {
		return part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git")
	})
}
