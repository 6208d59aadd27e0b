package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/quota"
)

var mallory = Holder{Namespace: "mallory", ID: "m1"}

func putFor(t *testing.T, s *Store, h Holder, content string) string {
	t.Helper()
	digest, _, err := s.For(h).Put(t.Context(), "", text(content))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// Knowing a digest opens nothing: who wants the bytes has to bring them once.
func TestOnlyWhoHasBroughtADigestMayReadIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	digest := putFor(t, s, apps, "private")
	refused := func(h Holder) {
		t.Helper()
		view := s.For(h)
		if _, err := view.Open(digest); !IsMissing(err) || view.Has(digest) {
			t.Errorf("%v: has %v, open: %v", h, view.Has(digest), err)
		}
		if _, err := view.Size(digest); !IsMissing(err) {
			t.Errorf("%v: size: %v", h, err)
		}
		if err := view.Share(digest, h); err == nil {
			t.Errorf("%v shares what it does not have", h)
		}
	}
	for _, other := range []Holder{mallory, {Namespace: "apps", ID: "u2"}, {Namespace: "mallory", ID: apps.ID}, {}} {
		refused(other)
	}
	_ = s.Close()
	s = open(t, dir)
	refused(mallory)
	if !s.For(apps).Has(digest) {
		t.Error("who has brought it lost it at a restart")
	}
	putFor(t, s, mallory, "private")
	if !s.For(mallory).Has(digest) {
		t.Error("who has brought it later may not read it")
	}
	chart := Holder{Namespace: "apps", ID: "chart"}
	if err := s.For(apps).Share(digest, chart); err != nil || !s.For(chart).Has(digest) {
		t.Errorf("it cannot be shared: %v", err)
	}
}

func TestAFileGoesWithTheLastClaim(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	now := time.Now()
	s.now = func() time.Time { return now }
	digest := putFor(t, s, apps, "content")
	putFor(t, s, mallory, "content")
	if own, total := s.Used("mallory"); own != 7 || total != 7 {
		t.Errorf("%d of %d bytes are taken", own, total)
	}
	now = now.Add(2 * time.Hour)
	removed, _, err := s.Collect(map[Claim]bool{{apps, digest}: true}, now.Add(-time.Hour))
	if removed != 0 || err != nil || s.For(mallory).Has(digest) || !s.For(apps).Has(digest) {
		t.Errorf("%d files are removed, %v", removed, err)
	}
	if removed, freed, err := s.Collect(nil, now.Add(-time.Hour)); removed != 1 || freed != 7 || err != nil {
		t.Errorf("%d files of %d bytes are removed, %v", removed, freed, err)
	}
	if own, total := s.Used("apps"); own != 0 || total != 0 || files(t, s, blobsDir) != 0 ||
		files(t, s, filepath.Join(claimsDir, "apps")) != 0 {
		t.Errorf("%d of %d bytes are left", own, total)
	}
}

func TestFilesWithoutAClaimGoAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	kept := putFor(t, s, apps, "kept")
	lost := putFor(t, s, apps, "lost")
	_ = s.Close()
	if err := os.Remove(s.claimFile(claimantOf(apps), hexOf(lost))); err != nil {
		t.Fatal(err)
	}
	gone := s.claimFile(claimantOf(apps), strings.Repeat("a", 64))
	if err := os.WriteFile(gone, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if !s.For(apps).Has(kept) || files(t, s, blobsDir) != 1 || files(t, s, filepath.Join(claimsDir, "apps")) != 1 {
		t.Errorf("%d files are left", files(t, s, blobsDir))
	}
	if own, total := s.Used("apps"); own != 4 || total != 4 {
		t.Errorf("%d of %d bytes are taken", own, total)
	}
}

// bounded opens a store of 100 bytes, 60 for a namespace, with a clock.
func bounded(t *testing.T, needed map[Claim]bool) (s *Store, pass func(time.Duration)) {
	t.Helper()
	s = open(t, t.TempDir())
	now := time.Now()
	s.now = func() time.Time { return now }
	s.Limit(quota.Bounds{Total: 100, Share: 60}, func(context.Context) (map[Claim]bool, error) { return needed, nil })
	return s, func(d time.Duration) { now = now.Add(d) }
}

// One namespace fills the cache as often as it likes. What others have stays, and they can write.
func TestAFullNamespaceHurtsOnlyItself(t *testing.T) {
	t.Parallel()
	needed := map[Claim]bool{}
	s, pass := bounded(t, needed)
	victims := putFor(t, s, apps, strings.Repeat("v", 20)) // it has no claim, and it is the oldest
	first := putFor(t, s, mallory, strings.Repeat("m", 30))
	pass(2 * settling)
	second := putFor(t, s, mallory, strings.Repeat("n", 31))
	if s.For(mallory).Has(first) || !s.For(mallory).Has(second) || !s.For(apps).Has(victims) {
		t.Error("something else gave way than what the same namespace has used longest ago")
	}
	if got := s.Evicted(); got != 1 {
		t.Errorf("%d artifacts are counted that gave way, want 1", got)
	}
	needed[Claim{mallory, second}] = true
	pass(2 * settling)
	_, _, err := s.For(mallory).Put(t.Context(), "", text(strings.Repeat("o", 40)))
	var known *sources.Error
	if !errors.As(err, &known) || known.Reason() != v1beta1.BudgetExceededReason || !known.Retryable() {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"namespace mallory", "31 bytes", "60 bytes", "100 bytes", "stays", "tried again"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	if !s.For(mallory).Has(second) {
		t.Error("what is needed gave way")
	}
	putFor(t, s, apps, strings.Repeat("w", 40))
	if own, total := s.Used("mallory"); own != 31 || total != 91 || files(t, s, tmpDir) != 0 {
		t.Errorf("%d of %d bytes are taken", own, total)
	}
}

// What is being written counts, too: an endless body ends at the share.
func TestWhatIsBeingWrittenCounts(t *testing.T) {
	t.Parallel()
	s, _ := bounded(t, nil)
	written := 0
	_, _, err := s.For(mallory).Put(t.Context(), "", func(w io.Writer) error {
		for {
			if _, err := io.WriteString(w, "0123456789"); err != nil {
				return fmt.Errorf("the upstream's own words: %w", err)
			}
			written++
			if _, _, err := s.For(apps).Put(t.Context(), "", text("victim")); err != nil {
				t.Errorf("the victim cannot write meanwhile: %v", err)
			}
		}
	})
	if sources.Reason(err) != v1beta1.BudgetExceededReason || written != 6 {
		t.Errorf("after %d parts: %v", written, err)
	}
	if own, total := s.Used("mallory"); own != 0 || total != 6 {
		t.Errorf("%d of %d bytes are taken", own, total)
	}
}

func TestTheLargestNamespaceGivesWayWhenAllIsFull(t *testing.T) {
	t.Parallel()
	s, pass := bounded(t, nil)
	small := putFor(t, s, apps, strings.Repeat("v", 20))
	large := putFor(t, s, mallory, strings.Repeat("m", 55))
	pass(2 * settling)
	putFor(t, s, Holder{Namespace: "third", ID: "t"}, strings.Repeat("t", 40))
	if !s.For(apps).Has(small) || s.For(mallory).Has(large) {
		t.Error("the smaller namespace gave way")
	}
}
