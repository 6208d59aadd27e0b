package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// apps is a source.
var apps = Holder{Namespace: "apps", ID: "u1"}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return sources.DigestPrefix + hex.EncodeToString(sum[:])
}

func text(content string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, content)
		return err
	}
}

func put(t *testing.T, s *Store, content string) string {
	t.Helper()
	digest, size, err := s.For(apps).Put(t.Context(), "", text(content))
	if err != nil || size != int64(len(content)) || digest != digestOf(content) {
		t.Fatalf("put %q: %s, %d, %v", content, digest, size, err)
	}
	return digest
}

func read(t *testing.T, s *Store, digest string) string {
	t.Helper()
	r, err := s.For(apps).Open(digest)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// files counts what is below a directory of the store.
func files(t *testing.T, s *Store, sub string) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.dir, sub))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestWhatIsPutCanBeOpened(t *testing.T) {
	s := open(t, t.TempDir())
	digest := put(t, s, "chart")
	if got := read(t, s, digest); got != "chart" || !s.For(apps).Has(digest) {
		t.Errorf("got %q, has %v", got, s.For(apps).Has(digest))
	}
	r, err := s.For(apps).Open(digest)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, ok := r.(io.ReadSeeker); !ok {
		t.Error("what is opened cannot be sought")
	}
}

func TestPutKeepsNothingOfAFailure(t *testing.T) {
	broken := sources.Fail(v1beta1.FetchFailedReason, nil, "connection reset")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name   string
		ended  bool // the context has
		want   string
		write  func(io.Writer) error
		reason string
		is     error
	}{
		{name: "other content than wanted", want: digestOf("a"), write: text("b"), reason: v1beta1.InvalidContentReason},
		{name: "a digest of another kind", want: "md5:abc", write: text("b"), reason: v1beta1.InvalidContentReason},
		{
			name: "a transfer that breaks off", write: func(w io.Writer) error { _ = text("half")(w); return broken },
			reason: v1beta1.FetchFailedReason, is: broken,
		},
		{name: "a cancelled context", ended: true, write: text("x"), is: context.Canceled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			ctx := t.Context()
			if test.ended {
				ctx = cancelled
			}
			_, _, err := s.For(apps).Put(ctx, test.want, test.write)
			if err == nil || sources.Reason(err) != test.reason || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("got %v", err)
			}
			if blobs, left := files(t, s, blobsDir), files(t, s, tmpDir); blobs+left != 0 {
				t.Errorf("%d blobs and %d temporary files are left", blobs, left)
			}
		})
	}
}

func TestConcurrentWritersOfOneContent(t *testing.T) {
	s := open(t, t.TempDir())
	content := strings.Repeat("chart", 100_000)
	want := digestOf(content)
	var group sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		group.Go(func() {
			_, _, err := s.For(apps).Put(t.Context(), want, text(content))
			if err == nil {
				var r io.ReadCloser
				if r, err = s.For(apps).Open(want); err == nil {
					err = errors.Join(compare(r, content), r.Close())
				}
			}
			errs[i] = err
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := files(t, s, blobsDir); n != 1 {
		t.Errorf("%d files for one content", n)
	}
}

func compare(r io.Reader, want string) error {
	got, err := io.ReadAll(r)
	if err == nil && string(got) != want {
		err = fmt.Errorf("got %d bytes, want %d", len(got), len(want))
	}
	return err
}

func TestCorruptionIsFoundAndRepairedByFetchingAgain(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(path string) error
	}{
		{"other bytes of the same length", func(p string) error { return os.WriteFile(p, []byte("trahc"), 0o600) }},
		{"a file that is cut off", func(p string) error { return os.Truncate(p, 2) }},
		{"an empty file", func(p string) error { return os.Truncate(p, 0) }},
	}
	for _, test := range tests {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarted %v", test.name, restarted), func(t *testing.T) {
				dir := t.TempDir()
				s := open(t, dir)
				digest := put(t, s, "chart")
				if err := test.spoil(s.blob(digest)); err != nil {
					t.Fatal(err)
				}
				if restarted {
					_ = s.Close()
					s = open(t, dir)
				} else if err := os.Chtimes(s.blob(digest), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
					t.Fatal(err)
				}
				_, err := s.For(apps).Open(digest)
				if !IsMissing(err) || sources.Reason(err) != v1beta1.StorageFailedReason {
					t.Fatalf("got %v", err)
				}
				if s.For(apps).Has(digest) {
					t.Error("the broken file is still there")
				}
				put(t, s, "chart")
				if got := read(t, s, digest); got != "chart" {
					t.Errorf("after the repair got %q", got)
				}
			})
		}
	}
}

func TestMissingDigests(t *testing.T) {
	s := open(t, t.TempDir())
	for _, digest := range []string{digestOf("x"), "", "sha256:../../lock", "sha256:" + strings.Repeat("A", 64)} {
		if _, err := s.For(apps).Open(digest); !IsMissing(err) || s.For(apps).Has(digest) {
			t.Errorf("%q: %v, has %v", digest, err, s.For(apps).Has(digest))
		}
	}
	if IsMissing(errors.New("x")) || IsMissing(nil) {
		t.Error("other errors count as missing")
	}
}

func TestInterruptedWritesAreRemovedAtTheStart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	digest := put(t, s, "chart")
	if err := os.WriteFile(filepath.Join(dir, tmpDir, "put-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s = open(t, dir)
	if n := files(t, s, tmpDir); n != 0 {
		t.Errorf("%d interrupted writes are left", n)
	}
	if got := read(t, s, digest); got != "chart" {
		t.Errorf("finished content is gone: %q", got)
	}
}

func TestTwoStoresDoNotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "another process uses it") {
		t.Fatalf("got %v", err)
	}
	_ = s.Close()
	open(t, dir)
}

func TestCollect(t *testing.T) {
	start := time.Now().Add(time.Hour)
	now := start
	s := open(t, t.TempDir())
	s.now = func() time.Time { return now }
	kept, opened, old := put(t, s, "kept"), put(t, s, "opened"), put(t, s, "old one")
	if err := s.Bind("old", 1); err != nil {
		t.Fatal(err)
	}
	reader, err := s.For(apps).Open(old)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	now = start.Add(2 * time.Hour)
	read(t, s, opened)
	fresh := put(t, s, "fresh")
	removed, freed, err := s.Collect(map[Claim]bool{{apps, kept}: true}, start.Add(time.Hour))
	if err != nil || removed != 1 || freed != int64(len("old one")) {
		t.Fatalf("removed %d, freed %d, %v", removed, freed, err)
	}
	for digest, want := range map[string]bool{kept: true, opened: true, fresh: true, old: false} {
		if s.For(apps).Has(digest) != want {
			t.Errorf("%s: has %v, want %v", digest, !want, want)
		}
	}
	if err := compare(reader, "old one"); err != nil {
		t.Errorf("what was being read: %v", err)
	}
	if found, err := s.Bound("old", new(int)); found || err != nil {
		t.Errorf("an unused value is still bound: %v, %v", found, err)
	}
}

func TestCollectRemembersUsesOfAnEarlierProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	digest := put(t, s, "chart")
	before := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(s.blob(digest), before, before); err != nil {
		t.Fatal(err)
	}
	read(t, s, digest) // a use long after the last one is written down
	_ = s.Close()
	s = open(t, dir)
	if removed, _, err := s.Collect(nil, time.Now().Add(-24*time.Hour)); removed != 0 || err != nil {
		t.Errorf("removed %d, %v", removed, err)
	}
}

func TestValuesByName(t *testing.T) {
	type doc struct{ A, B string }
	dir := t.TempDir()
	s := open(t, dir)
	var got doc
	if found, err := s.Bound("../x/https://host?q", &got); found || err != nil {
		t.Fatalf("before: %v, %v", found, err)
	}
	for _, want := range []doc{{"1", ""}, {"2", "b"}} {
		if err := s.Bind("../x/https://host?q", want); err != nil {
			t.Fatal(err)
		}
	}
	_ = s.Close()
	s = open(t, dir)
	if found, err := s.Bound("../x/https://host?q", &got); !found || err != nil || got != (doc{"2", "b"}) {
		t.Fatalf("after: %v, %v, %v", got, found, err)
	}
	if err := os.WriteFile(s.document("../x/https://host?q"), []byte(`{"name":"other","doc":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := s.Bound("../x/https://host?q", &got); found || err != nil {
		t.Errorf("a broken value counts: %v, %v", found, err)
	}
	if n := files(t, s, namesDir); n != 0 {
		t.Errorf("%d broken values are left", n)
	}
	if err := s.Bind("x", func() {}); sources.Reason(err) != v1beta1.StorageFailedReason {
		t.Errorf("a value that cannot be encoded: %v", err)
	}
}

func TestALargeFileIsHashedOnce(t *testing.T) {
	s := open(t, t.TempDir())
	digest := put(t, s, string(bytes.Repeat([]byte{7}, 1<<20)))
	// Same size and time: as far as the store can see, the file is the one it verified.
	info, err := os.Stat(s.blob(digest))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.blob(digest), bytes.Repeat([]byte{8}, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(s.blob(digest), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, digest); got[0] != 8 {
		t.Error("the file was verified although nothing about it changed")
	}
}
