package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// document is how a value is stored: the name is kept with it, for people and against mixing two up.
type document struct {
	Name string          `json:"name"`
	Doc  json.RawMessage `json:"doc"`
}

// Bind stores a small value, which has to encode as JSON, under a name of any form; it replaces an earlier one when it
// returns, and lastingly. Names are for what belongs to a digest but is not in the bytes: validators of an index, the
// digest that an archive without one turned out to have.
func (s *Store) Bind(name string, doc any) error {
	raw, err := json.Marshal(doc)
	if err != nil {
		return failed(err, "encoding what is known about %q", name)
	}

	content, err := json.Marshal(document{Name: name, Doc: raw})
	if err != nil {
		return failed(err, "encoding what is known about %q", name)
	}
	if err := s.writeDocument(s.document(name), content); err != nil {
		return failed(err, "writing what is known about %q", name)
	}

	return nil
}

func (s *Store) writeDocument(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Join(s.dir, tmpDir), "bind-")
	if err != nil {
		return err
	}

	defer os.Remove(f.Name()) //nolint:errcheck // after the rename there is nothing left to remove
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}

	s.mu.Lock()
	err = s.rename(f.Name(), path, "")
	s.mu.Unlock()
	if err != nil {
		return err
	}

	return syncDir(filepath.Dir(path))
}

// Bound reads the value of a name into doc, a pointer, and reports whether there is one. A broken file counts as none
// and is removed; doc is then left in an unknown state.
func (s *Store) Bound(name string, doc any) (bool, error) {
	path := s.document(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, failed(err, "reading what is known about %q", name)
	}

	var stored document
	if json.Unmarshal(content, &stored) != nil || stored.Name != name || json.Unmarshal(stored.Doc, doc) != nil {
		_ = os.Remove(path)
		delete(s.used, path)
		return false, nil
	}

	if info, err := os.Stat(path); err == nil {
		s.touch(path, info)
	}

	return true, nil
}

func (s *Store) document(name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(s.dir, namesDir, hex.EncodeToString(sum[:])+".json")
}
