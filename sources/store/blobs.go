package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Put writes what the callback writes and returns its digest, as sha256:hex, and its size in bytes. With a digest in
// want only those bytes are accepted: others are an error with reason InvalidContent, and nothing is kept. Nothing is
// kept either when the callback fails, whose error is returned as it is, or when ctx ends. Writing the same content
// twice, at once too, is harmless.
func (s *Store) Put(ctx context.Context, want string, write func(io.Writer) error) (digest string, size int64, err error) {
	if want != "" && !sources.IsDigest(want) {
		return "", 0, sources.Fail(v1beta1.InvalidContentReason, nil, "%q is not a sha256 digest", want)
	}
	f, err := os.CreateTemp(filepath.Join(s.dir, tmpDir), "put-")
	if err != nil {
		return "", 0, failed(err, "writing to the cache")
	}
	defer os.Remove(f.Name()) //nolint:errcheck // after the rename there is nothing left to remove
	sink := &sink{ctx: ctx, file: f, hash: sha256.New()}
	err = write(sink)
	if firstError(ctx, sink.broken, err) == nil {
		sink.broken = f.Sync()
	}
	sink.broken = errors.Join(sink.broken, f.Close())
	switch {
	case ctx.Err() != nil:
		return "", 0, ctx.Err()
	case sink.broken != nil:
		return "", 0, failed(sink.broken, "writing to the cache")
	case err != nil:
		return "", 0, err
	}
	digest = sources.DigestPrefix + hex.EncodeToString(sink.hash.Sum(nil))
	if want != "" && want != digest {
		return "", 0, sources.Fail(v1beta1.InvalidContentReason, nil, "the content has the digest %s instead of %s", digest, want)
	}
	if err := s.keep(f.Name(), digest); err != nil {
		return "", 0, failed(err, "keeping %s in the cache", digest)
	}
	return digest, sink.size, nil
}

// sink writes to the file and the hash, and remembers whether it was the disk that failed.
type sink struct {
	ctx    context.Context //nolint:containedctx // it lives for one Put
	file   *os.File
	hash   hash.Hash
	size   int64
	broken error
}

func (s *sink) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.file.Write(p)
	s.hash.Write(p[:n])
	s.size += int64(n)
	if err != nil {
		s.broken = err
	}
	return n, err
}

// keep gives a finished file its name, for good.
func (s *Store) keep(tmp, digest string) error {
	path := s.blob(digest)
	if err := s.rename(tmp, path, digest); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func (s *Store) rename(tmp, path, digest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	s.used[path] = s.now()
	if digest == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	s.known[digest] = state{info.Size(), info.ModTime()}
	return nil
}

// Open returns the bytes of a digest; what is returned is an *os.File, so it can be sought and closed. The hash is
// compared the first time in this process and whenever the file has changed since. A digest that is not there, or that is
// broken and therefore removed, is an error that IsMissing reports.
func (s *Store) Open(digest string) (io.ReadCloser, error) {
	if !sources.IsDigest(digest) {
		return nil, failed(errMissing, "reading %q", digest)
	}
	path := s.blob(digest)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failed(errMissing, "reading %s", digest)
	}
	if err != nil {
		return nil, failed(err, "reading %s from the cache", digest)
	}
	if err := s.verify(f, path, digest); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (s *Store) verify(f *os.File, path, digest string) error {
	info, err := f.Stat()
	if err != nil {
		return failed(err, "reading %s from the cache", digest)
	}
	s.mu.Lock()
	seen, ok := s.known[digest]
	s.mu.Unlock()
	if !ok || seen.size != info.Size() || !seen.changed.Equal(info.ModTime()) {
		sum := sha256.New()
		if _, err := io.Copy(sum, f); err != nil {
			return failed(err, "reading %s from the cache", digest)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return failed(err, "reading %s from the cache", digest)
		}
		if hex.EncodeToString(sum.Sum(nil)) != digest[len(sources.DigestPrefix):] {
			s.drop(path, digest, info)
			return failed(errMissing, "reading %s: the file was broken and has been removed", digest)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[digest] = state{info.Size(), s.touch(path, info)}
	return nil
}

// drop removes a broken file, unless a good one has taken its place meanwhile.
func (s *Store) drop(path, digest string, broken fs.FileInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, err := os.Stat(path); err == nil && os.SameFile(now, broken) {
		_ = os.Remove(path)
		delete(s.known, digest)
		delete(s.used, path)
	}
}
