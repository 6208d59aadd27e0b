package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"fairlead.dev/fairlead/sources"
)

// Holder is a source. It may read what it has brought itself: that an artifact of another source has the same digest,
// or that a user names that digest, opens nothing.
type Holder struct {
	// Namespace of the source, against whose share its artifacts count.
	Namespace string
	// ID is unique among all sources, an earlier one of the same name included.
	ID string
}

// Claim says that a holder has brought the bytes of a digest.
type Claim struct {
	Holder
	Digest string
}

// View is the store as one holder sees it.
type View struct {
	store  *Store
	holder Holder
}

// For returns the store as a holder sees it.
func (s *Store) For(h Holder) View { return View{s, h} }

// blob is what is known of a file in blobs.
type blob struct {
	size   int64
	claims map[claimant]time.Time // the last use
}

// claimant is a holder as it is named on the disk.
type claimant struct{ namespace, id string }

// noNamespace is the directory of holders whose namespace is no name of one.
const noNamespace = "_"

var namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

func claimantOf(h Holder) claimant {
	if !namespaceName.MatchString(h.Namespace) {
		h.Namespace = noNamespace
	}
	sum := sha256.Sum256([]byte(h.ID))
	return claimant{namespace: h.Namespace, id: hex.EncodeToString(sum[:16])}
}

func hexOf(digest string) string { return strings.TrimPrefix(digest, sources.DigestPrefix) }

func (s *Store) claimFile(c claimant, digest string) string {
	return filepath.Join(s.dir, claimsDir, c.namespace, c.id+"-"+digest)
}

// loadClaims reads which source has brought what. Files without a claim, and claims on files that are gone, are
// removed.
func (s *Store) loadClaims() error {
	stored, err := os.ReadDir(filepath.Join(s.dir, blobsDir))
	if err != nil {
		return err
	}

	for _, file := range stored {
		if info, err := file.Info(); err == nil && info.Mode().IsRegular() {
			s.blobs[file.Name()] = &blob{size: info.Size(), claims: map[claimant]time.Time{}}
			s.total += info.Size()
			s.used[s.blob(file.Name())] = info.ModTime()
		}
	}

	namespaces, err := os.ReadDir(filepath.Join(s.dir, claimsDir))
	if err != nil {
		return err
	}

	for _, namespace := range namespaces {
		if err := s.loadNamespace(namespace.Name()); err != nil {
			return err
		}
	}

	for name, b := range s.blobs {
		if len(b.claims) == 0 {
			_ = s.removeBlob(name) // it is tried again when garbage is collected
		}
	}

	return nil
}

func (s *Store) loadNamespace(namespace string) error {
	files, err := os.ReadDir(filepath.Join(s.dir, claimsDir, namespace))
	if err != nil {
		return err
	}

	for _, file := range files {
		id, digest, _ := strings.Cut(file.Name(), "-")
		c := claimant{namespace: namespace, id: id}
		if s.blobs[digest] == nil {
			if err := os.Remove(s.claimFile(c, digest)); err != nil {
				return err
			}
			continue
		}

		s.enter(c, digest, s.used[s.blob(digest)])
	}

	return nil
}

// enter counts a claim. It needs the lock.
func (s *Store) enter(c claimant, digest string, used time.Time) {
	b := s.blobs[digest]
	if !b.counts(c.namespace) {
		s.taken[c.namespace] += b.size
	}
	b.claims[c] = used
}

// counts reports whether a blob counts against the share of a namespace.
func (b *blob) counts(namespace string) bool {
	for c := range b.claims {
		if c.namespace == namespace {
			return true
		}
	}
	return false
}

// leave removes a claim, and the file with the last one. It needs the lock.
func (s *Store) leave(c claimant, digest string) error {
	b := s.blobs[digest]
	if b == nil {
		return nil
	}
	if err := os.Remove(s.claimFile(c, digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	delete(b.claims, c)
	if !b.counts(c.namespace) {
		s.free(c.namespace, b.size)
	}
	if len(b.claims) == 0 {
		return s.removeBlob(digest)
	}

	return nil
}

// free gives bytes back to a namespace. It needs the lock.
func (s *Store) free(namespace string, bytes int64) {
	if s.taken[namespace] -= bytes; s.taken[namespace] == 0 {
		delete(s.taken, namespace)
	}
}

// removeBlob removes a file without a claim. It needs the lock.
func (s *Store) removeBlob(digest string) error {
	path := s.blob(digest)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.total -= s.blobs[digest].size
	delete(s.blobs, digest)
	delete(s.used, path)
	delete(s.known, sources.DigestPrefix+digest)
	return nil
}

// forget removes all claims on a file that is gone or broken. It needs the lock.
func (s *Store) forget(digest string) {
	b := s.blobs[digest]
	if b == nil {
		return
	}
	for c := range b.claims {
		_ = s.leave(c, digest) // what stays behind on the disk is removed at the next start
	}
}

// holds reports whether the holder has brought a digest.
func (v View) holds(digest string) bool {
	if !sources.IsDigest(digest) {
		return false
	}

	v.store.mu.Lock()
	defer v.store.mu.Unlock()
	b := v.store.blobs[hexOf(digest)]
	if b == nil {
		return false
	}

	_, ok := b.claims[claimantOf(v.holder)]
	return ok
}

// Has reports whether a digest is there that the holder has brought, without looking inside. Open may still find it
// broken.
func (v View) Has(digest string) bool {
	if !v.holds(digest) {
		return false
	}
	info, err := os.Stat(v.store.blob(hexOf(digest)))
	return err == nil && info.Mode().IsRegular()
}

// Size is the size of a digest's bytes, without looking inside. IsMissing recognises the error of a digest that the
// holder has not brought, or that is not there.
func (v View) Size(digest string) (int64, error) {
	if !v.holds(digest) {
		return 0, errMissing
	}

	info, err := os.Stat(v.store.blob(hexOf(digest)))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, errMissing
	}
	if err != nil {
		return 0, err
	}

	return info.Size(), nil
}

// Open returns the bytes of a digest that the holder has brought; what is returned is an *os.File, so it can be sought
// and closed. The hash is compared the first time in this process and whenever the file has changed since. A digest
// that is not there, that the holder has not brought, or that is broken and therefore removed, is an error that
// IsMissing reports.
func (v View) Open(digest string) (io.ReadCloser, error) {
	if !v.holds(digest) {
		return nil, failed(errMissing, "reading %.100q", digest)
	}

	file, err := v.store.open(digest)
	v.store.mu.Lock()
	defer v.store.mu.Unlock()
	if b := v.store.blobs[hexOf(digest)]; b != nil && err == nil {
		b.claims[claimantOf(v.holder)] = v.store.now()
	}

	return file, err
}

// Put writes what the callback writes and returns its digest, as sha256:hex, and its size in bytes. With a digest in
// want only those bytes are accepted: others are an error with reason InvalidContent, and nothing is kept. Nothing is
// kept either when the callback fails, whose error is returned as it is, or when ctx ends. Writing the same content
// twice, also at the same time, is harmless. What does not fit into the share of the namespace is an error with reason
// BudgetExceeded.
func (v View) Put(
	ctx context.Context, want string, write func(io.Writer) error,
) (digest string, size int64, err error) {
	return v.store.put(ctx, v.holder, want, write)
}

// Share lets another source read a digest that this one has brought, as a source may that is made from this one.
func (v View) Share(digest string, with Holder) error {
	if !v.Has(digest) {
		return failed(errMissing, "reading %.100q", digest)
	}

	s := v.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blobs[hexOf(digest)] == nil {
		return failed(errMissing, "reading %s", digest)
	}

	return s.claim(claimantOf(with), hexOf(digest))
}

// claim writes down and counts that a holder has brought what is in a file. It needs the lock.
func (s *Store) claim(c claimant, digest string) error {
	path := s.claimFile(c, digest)
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return failed(err, "keeping %s in the cache", digest)
	}
	if err := os.WriteFile(path, nil, fileMode); err != nil {
		return failed(err, "keeping %s in the cache", digest)
	}
	s.enter(c, digest, s.now())
	return nil
}
