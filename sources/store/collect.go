package store

import (
	"os"
	"path/filepath"
	"time"

	"fairlead.dev/fairlead/sources"
)

// Collect removes every digest that is not in keep and was neither written nor opened since olderThan, and tells how many
// files and bytes that freed. Values that were neither bound nor read since then go too; they are not counted. A file
// somebody is reading stays readable to the end.
func (s *Store) Collect(keep map[string]bool, olderThan time.Time) (removed int, freed int64, err error) {
	kept := func(file string) bool { return keep[sources.DigestPrefix+file] }
	removed, freed, err = s.collect(blobsDir, kept, olderThan)
	if err != nil {
		return removed, freed, failed(err, "cleaning the cache")
	}
	if _, _, err := s.collect(namesDir, func(string) bool { return false }, olderThan); err != nil {
		return removed, freed, failed(err, "cleaning the cache")
	}
	return removed, freed, nil
}

func (s *Store) collect(sub string, kept func(file string) bool, olderThan time.Time) (removed int, freed int64, err error) {
	files, err := os.ReadDir(filepath.Join(s.dir, sub))
	if err != nil {
		return 0, 0, err
	}
	for _, file := range files {
		if kept(file.Name()) {
			continue
		}
		size, gone, err := s.removeUnused(filepath.Join(s.dir, sub, file.Name()), olderThan)
		if err != nil {
			return removed, freed, err
		}
		if gone {
			removed++
			freed += size
		}
	}
	return removed, freed, nil
}

// removeUnused holds the lock for one file only, so that a large clean-up never holds up a reader.
func (s *Store) removeUnused(path string, olderThan time.Time) (size int64, gone bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	if !info.ModTime().Before(olderThan) || s.used[path].After(olderThan) || s.used[path].Equal(olderThan) {
		return 0, false, nil
	}
	if err := os.Remove(path); err != nil {
		return 0, false, err
	}
	delete(s.used, path)
	delete(s.known, sources.DigestPrefix+filepath.Base(path))
	return info.Size(), true, nil
}
