package store

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/quota"
)

const (
	blobsDir  = "blobs"
	claimsDir = "claims"
	namesDir  = "names"
	tmpDir    = "tmp"
	lockFile  = "lock"
	dirMode   = 0o700
	fileMode  = 0o600
)

// errMissing is what IsMissing looks for.
var errMissing = errors.New("not in the cache")

// IsMissing reports whether a digest is not in the store, or was and turned out broken. Fetching it again helps.
func IsMissing(err error) bool { return errors.Is(err, errMissing) }

// Store is a directory of files by digest. Many goroutines may use it, but only one process.
type Store struct {
	dir  string
	lock *os.File
	now  func() time.Time

	mu    sync.Mutex
	known map[string]state     // by digest: what was verified in this process
	used  map[string]time.Time // by path: the last use in this process
	blobs map[string]*blob     // by digest without its algorithm
	taken map[string]int64     // bytes by namespace, those that are being written included
	total int64                // bytes of all, likewise
	// evicted is how many artifacts gave way to others since the start.
	evicted int64

	bounds quota.Bounds
	needed func(context.Context) (map[Claim]bool, error)
}

// state is how a file looked when its hash was last seen to be right.
type state struct {
	size    int64
	changed time.Time
}

// Open prepares the directory, creating it when needed, and removes what interrupted writes left behind. It fails when
// another process uses the directory. Failures are a sources.Error with reason StorageOperationFailed.
func Open(dir string) (*Store, error) {
	for _, sub := range []string{"", blobsDir, claimsDir, namesDir, tmpDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), dirMode); err != nil {
			return nil, failed(err, "creating the cache directory")
		}
	}

	lock, err := lockDir(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, failed(err, "locking the cache directory %s", dir)
	}

	s := &Store{
		dir: dir, lock: lock, now: time.Now, known: map[string]state{}, used: map[string]time.Time{},
		blobs: map[string]*blob{}, taken: map[string]int64{},
	}
	if err := s.clean(); err != nil {
		return nil, errors.Join(failed(err, "removing interrupted writes"), lock.Close())
	}
	if err := s.loadClaims(); err != nil {
		return nil, errors.Join(failed(err, "reading what is in the cache"), lock.Close())
	}

	return s, nil
}

// Scratch returns an empty file for what is kept until it is closed. It has no name any more, so it goes with the
// process, too.
func (s *Store) Scratch() (*os.File, error) {
	f, err := os.CreateTemp(filepath.Join(s.dir, tmpDir), "scratch-")
	if err != nil {
		return nil, failed(err, "writing to the cache")
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(failed(err, "writing to the cache"), f.Close())
	}
	return f, nil
}

// Close lets another process use the directory. The store must not be used after it.
func (s *Store) Close() error { return s.lock.Close() }

func (s *Store) clean() error {
	left, err := os.ReadDir(filepath.Join(s.dir, tmpDir))
	if err != nil {
		return err
	}

	for _, entry := range left {
		if err := os.RemoveAll(filepath.Join(s.dir, tmpDir, entry.Name())); err != nil {
			return err
		}
	}

	return nil
}

// blob is the path of the file with a digest, with or without its algorithm.
func (s *Store) blob(digest string) string {
	return filepath.Join(s.dir, blobsDir, hexOf(digest))
}

// touch remembers the use of a file, also beyond this process when the last one is long ago.
func (s *Store) touch(path string, info fs.FileInfo) (changed time.Time) {
	const coarse = time.Hour
	now := s.now()
	s.used[path] = now
	if now.Sub(info.ModTime()) < coarse || os.Chtimes(path, now, now) != nil {
		return info.ModTime()
	}
	if fresh, err := os.Stat(path); err == nil {
		return fresh.ModTime()
	}

	return info.ModTime()
}

func failed(err error, format string, args ...any) *sources.Error {
	return sources.Fail(v1beta1.StorageFailedReason, err, format, args...)
}

// firstError returns the first error that is not nil, or the context's.
func firstError(ctx context.Context, errs ...error) error {
	return cmp.Or(cmp.Or(errs...), ctx.Err())
}

// syncDir makes a rename in a directory last through a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
