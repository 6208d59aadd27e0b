package store

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// inChild marks the process whose files cannot grow.
const inChild = "STORE_TEST_FULL"

// A disk that takes no more costs nothing that is there: a process of its own, in which files cannot grow, stands for
// it.
func TestAFullDiskLosesNothing(t *testing.T) {
	if os.Getenv(inChild) != "" {
		fill(t, "cache")
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestAFullDiskLosesNothing$", "-test.v")
	child.Env, child.Dir = append(os.Environ(), inChild+"=1"), t.TempDir()
	if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func fill(t *testing.T, dir string) {
	s := open(t, dir)
	kept, _, err := s.For(apps).Put(t.Context(), "", text("kept"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bind("shelf", "small"); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 1<<20)
	if _, _, err := s.For(apps).Put(t.Context(), "", text(large)); err == nil ||
		!strings.Contains(err.Error(), "writing to the cache") {
		t.Errorf("writing to a full disk: %v", err)
	}
	if err := s.Bind("shelf", large); err == nil {
		t.Error("a document was written to a full disk")
	}
	if n := files(t, s, tmpDir); n != 0 {
		t.Errorf("%d temporary files are left", n)
	}
	content, err := s.For(apps).Open(kept)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	if got, err := io.ReadAll(content); err != nil || string(got) != "kept" {
		t.Errorf("what was there is %q, %v", got, err)
	}
	var bound string
	if ok, err := s.Bound("shelf", &bound); !ok || err != nil || bound != "small" {
		t.Errorf("what was known is %q, %v", bound, err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.For(apps).Put(t.Context(), "", text(large)); err != nil {
		t.Errorf("once there is room again: %v", err)
	}
}
