package store

import (
	"os"
	"path/filepath"
	"testing"
)

// A scratch file can be written and read, and leaves nothing behind, also when it is never closed.
func TestScratchHasNoName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	scratch, err := s.Scratch()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := scratch.WriteString("content"); err != nil {
		t.Fatal(err)
	}
	read := make([]byte, 4)
	if _, err := scratch.ReadAt(read, 3); err != nil || string(read) != "tent" {
		t.Errorf("read %q, %v", read, err)
	}
	left, err := os.ReadDir(filepath.Join(dir, tmpDir))
	if err != nil || len(left) != 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
	if err := scratch.Close(); err != nil {
		t.Error(err)
	}
}
