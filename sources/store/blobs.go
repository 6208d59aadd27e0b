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
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// put is what View.Put promises.
func (s *Store) put(
	ctx context.Context, h Holder, want string, write func(io.Writer) error,
) (digest string, size int64, err error) {
	if want != "" && !sources.IsDigest(want) {
		return "", 0, sources.Fail(v1beta1.InvalidContentReason, nil, "%q is not a sha256 digest", want)
	}

	f, err := os.CreateTemp(filepath.Join(s.dir, tmpDir), "put-")
	if err != nil {
		return "", 0, failed(err, "writing to the cache")
	}

	defer os.Remove(f.Name()) //nolint:errcheck // after the rename there is nothing left to remove
	c := claimantOf(h)
	sink := &sink{ctx: ctx, file: f, hash: sha256.New(), reserve: func(bytes int64) error {
		return s.reserve(ctx, c.namespace, bytes)
	}}
	defer func() { s.release(c.namespace, sink.reserved) }()
	err = write(sink)
	if firstError(ctx, sink.broken, err) == nil {
		sink.broken = f.Sync()
	}

	sink.broken = errors.Join(sink.broken, f.Close())
	switch {
	case ctx.Err() != nil:
		return "", 0, ctx.Err()
	case sink.full != nil:
		return "", 0, sink.full
	case sink.broken != nil:
		return "", 0, failed(sink.broken, "writing to the cache")
	case err != nil:
		return "", 0, err
	}

	digest = sources.DigestPrefix + hex.EncodeToString(sink.hash.Sum(nil))
	if want != "" && want != digest {
		return "", 0, sources.Fail(v1beta1.InvalidContentReason, nil, "the content has the digest %s instead of %s", digest,
			want)
	}
	if err := s.keep(f.Name(), digest, c, sink); err != nil {
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
	// reserve takes room for bytes, reserved is what it has taken, and full is why it took no more.
	reserve  func(bytes int64) error
	reserved int64
	full     error
}

func (s *sink) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}

	if err := s.reserve(int64(len(p))); err != nil {
		s.full = err
		return 0, err
	}

	s.reserved += int64(len(p))
	n, err := s.file.Write(p)
	s.hash.Write(p[:n])
	s.size += int64(n)
	if err != nil {
		s.broken = err
	}

	return n, err
}

// keep gives a finished file its name, and its holder the claim. What was reserved for it becomes what it takes.
func (s *Store) keep(tmp, digest string, c claimant, written *sink) error {
	path := s.blob(digest)
	if err := s.admit(tmp, digest, c, written); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func (s *Store) admit(tmp, digest string, c claimant, written *sink) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.rename(tmp, s.blob(digest), digest); err != nil {
		return err
	}

	s.free(c.namespace, written.reserved)
	s.total -= written.reserved
	written.reserved = 0
	if s.blobs[hexOf(digest)] == nil {
		s.blobs[hexOf(digest)] = &blob{size: written.size, claims: map[claimant]time.Time{}}
		s.total += written.size
	}

	return s.claim(c, hexOf(digest))
}

// rename needs the lock.
func (s *Store) rename(tmp, path, digest string) error {
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

// open is what View.Open promises, without looking at who asks.
func (s *Store) open(digest string) (io.ReadCloser, error) {
	path := s.blob(digest)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		s.lost(digest)
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
		s.forget(hexOf(digest))
	}
}

// lost forgets a file that another process has removed.
func (s *Store) lost(digest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Stat(s.blob(digest)); errors.Is(err, fs.ErrNotExist) {
		s.forget(hexOf(digest))
	}
}
