package store

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Collect drops every claim that is not in keep and whose digest the holder has neither written nor opened since
// olderThan. A file goes with the last claim on it; Collect returns how many files and bytes that freed. Values that
// were neither bound nor read since then go too; they are not counted. A file that is being read stays readable to the
// end.
func (s *Store) Collect(keep map[Claim]bool, olderThan time.Time) (removed int, freed int64, err error) {
	kept := make(map[idle]bool, len(keep))
	for claim := range keep {
		kept[idle{claimant: claimantOf(claim.Holder), digest: hexOf(claim.Digest)}] = true
	}

	for _, digest := range s.digests() {
		size, gone, err := s.collectClaims(digest, kept, olderThan)
		if err != nil {
			return removed, freed, failed(err, "cleaning the cache")
		}

		if gone {
			removed++
			freed += size
		}
	}

	if err := s.collectNames(olderThan); err != nil {
		return removed, freed, failed(err, "cleaning the cache")
	}

	return removed, freed, nil
}

func (s *Store) digests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.blobs))
}

// collectClaims holds the lock for one file only, so that a large clean-up never holds up a reader.
func (s *Store) collectClaims(
	digest string, kept map[idle]bool, olderThan time.Time,
) (size int64, gone bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.blobs[digest]
	if b == nil {
		return 0, false, nil
	}

	for c, used := range b.claims {
		if kept[idle{claimant: c, digest: digest}] || !used.Before(olderThan) {
			continue
		}
		if err := s.leave(c, digest); err != nil {
			return 0, false, err
		}
	}

	return b.size, s.blobs[digest] == nil, nil
}

func (s *Store) collectNames(olderThan time.Time) error {
	files, err := os.ReadDir(filepath.Join(s.dir, namesDir))
	if err != nil {
		return err
	}

	for _, file := range files {
		if err := s.removeUnused(filepath.Join(s.dir, namesDir, file.Name()), olderThan); err != nil {
			return err
		}
	}

	return nil
}

// removeUnused holds the lock for one file only.
func (s *Store) removeUnused(path string, olderThan time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.ModTime().Before(olderThan) || !s.used[path].Before(olderThan) {
		return nil
	}
	if err := os.Remove(path); err != nil {
		return err
	}

	delete(s.used, path)
	return nil
}
