package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

func revision(n int) v1beta1.ChartRevision {
	return v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: fmt.Sprintf("sha256:%d", n)}
}

// shop opens one archive and counts how often.
type shop struct {
	archive []byte
	opened  atomic.Int64
	err     error
}

func (s *shop) open() (io.ReadCloser, error) {
	s.opened.Add(1)
	return io.NopCloser(bytes.NewReader(s.archive)), s.err
}

// nth opens an archive that differs from the others of the shop by its time.
func (s *shop) nth(n int) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		s.opened.Add(1)
		own := bytes.Clone(s.archive)
		own[4] = byte(n) // the time in the header of gzip
		return io.NopCloser(bytes.NewReader(own)), s.err
	}
}

func load(t *testing.T, c *Cache, n int, s *shop) {
	t.Helper()
	if _, err := c.Load("apps", revision(n), s.nth(n)); err != nil {
		t.Fatal(err)
	}
}

// A source that names the digest of a chart that another one has loaded has to open it itself.
func TestCacheGivesAChartOnlyToWhoHasOpenedIt(t *testing.T) {
	t.Parallel()
	c, victims := NewCache(DefaultBudget), &shop{archive: packed(t, "Chart.yaml", metadata, "values.yaml", "secret: 1\n")}
	if _, err := c.Load("victim", revision(1), victims.open); err != nil {
		t.Fatal(err)
	}
	refused := &shop{archive: victims.archive, err: errSentinel}
	for _, want := range []v1beta1.ChartRevision{
		revision(1), {Name: "mine", Version: "9.9.9", Digest: revision(1).Digest},
	} {
		if got, err := c.Load("mallory", want, refused.open); !errors.Is(err, errSentinel) || got != nil {
			t.Errorf("%s: got %v, %v", want, got, err)
		}
	}
	if refused.opened.Load() != 2 {
		t.Errorf("the upstream was asked %d times", refused.opened.Load())
	}
}

// A digest that a source names stands for what the source has opened, and changes nothing for others.
func TestCacheKeepsWhatOneSourceOpensFromOthers(t *testing.T) {
	t.Parallel()
	c := NewCache(DefaultBudget)
	forged := &shop{archive: packed(t, "Chart.yaml", metadata, "values.yaml", "evil: true\n")}
	if _, err := c.Load("mallory", revision(1), forged.open); err != nil {
		t.Fatal(err)
	}
	good := &shop{archive: packed(t, "Chart.yaml", metadata, "values.yaml", "evil: false\n")}
	got, err := c.Load("victim", revision(1), good.open)
	if err != nil || got.Values["evil"] != false {
		t.Errorf("the victim gets %v, %v", got, err)
	}
}

func TestCacheSharesWhatTheSameBytesParseTo(t *testing.T) {
	t.Parallel()
	c, s := NewCache(DefaultBudget), &shop{archive: packed(t, "Chart.yaml", metadata)}
	for _, source := range []string{"one", "other"} {
		if _, err := c.Load(source, revision(1), s.open); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.parsed) != 1 || len(c.entries) != 2 || s.opened.Load() != 2 {
		t.Errorf("%d charts are kept of %d sources, %d times opened", len(c.parsed), len(c.entries), s.opened.Load())
	}
}

// The upstream of one source hangs; another one that wants the same digest does not wait for it.
func TestCacheDoesNotWaitForAnotherSource(t *testing.T) {
	t.Parallel()
	c, s := NewCache(DefaultBudget), &shop{archive: packed(t, "Chart.yaml", metadata)}
	hanging, opened, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		_, err := c.Load("mallory", revision(1), func() (io.ReadCloser, error) {
			close(opened)
			<-hanging
			return nil, errSentinel
		})
		ended <- err
	}()
	<-opened
	if _, err := c.Load("victim", revision(1), s.open); err != nil {
		t.Error(err)
	}
	close(hanging)
	if err := <-ended; !errors.Is(err, errSentinel) {
		t.Errorf("got %v", err)
	}
}

func TestCacheParsesAChartOnce(t *testing.T) {
	t.Parallel()
	s := &shop{archive: packed(t, "Chart.yaml", metadata, "values.yaml", "a: 1\n")}
	c := NewCache(DefaultBudget)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			got, err := c.Load("apps", revision(1), s.open)
			if err != nil || got.Values["a"] != float64(1) {
				t.Errorf("loaded %v, error %v", got, err)
				return
			}
			got.Values["a"] = 2 // each has its own
		})
	}
	all.Wait()
	if got := s.opened.Load(); got != 1 {
		t.Errorf("the archive was opened %d times", got)
	}
}

func TestCacheKeepsNoFailure(t *testing.T) {
	t.Parallel()
	good := packed(t, "Chart.yaml", metadata)
	s := &shop{archive: good, err: errSentinel}
	c := NewCache(DefaultBudget)
	if _, err := c.Load("apps", revision(1), s.open); !errors.Is(err, errSentinel) {
		t.Errorf("error = %v, want that of the archive", err)
	}
	s.err, s.archive = nil, []byte("broken")
	if _, err := c.Load("apps", revision(1), s.open); err == nil {
		t.Error("a broken archive was taken")
	}
	s.archive = good
	load(t, c, 1, s)
	if got := s.opened.Load(); got != 3 || len(c.entries) != 1 {
		t.Errorf("opened %d times, %d entries", got, len(c.entries))
	}
}

func TestCacheForgetsTheLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	s := &shop{archive: packed(t, "Chart.yaml", metadata, "README.md", strings.Repeat("x", 1000))}
	c := NewCache(5000) // two of them
	load(t, c, 1, s)
	load(t, c, 2, s)
	load(t, c, 1, s)
	load(t, c, 3, s)
	if _, kept := c.entries[proof{"apps", revision(2)}]; kept || len(c.entries) != 2 {
		t.Errorf("%d entries, the least recently used kept: %v", len(c.entries), kept)
	}
	if c.size > c.budget || c.size <= 0 {
		t.Errorf("%d bytes of %d are taken", c.size, c.budget)
	}
	load(t, c, 1, s)
	if got := s.opened.Load(); got != 3 {
		t.Errorf("opened %d times, want one for each chart", got)
	}
}

func TestCacheKeepsAChartLargerThanItself(t *testing.T) {
	t.Parallel()
	s := &shop{archive: packed(t, "Chart.yaml", metadata)}
	c := NewCache(1)
	load(t, c, 1, s)
	load(t, c, 1, s)
	if got := s.opened.Load(); got != 1 {
		t.Errorf("the only chart in use was parsed %d times", got)
	}
	load(t, c, 2, s)
	if len(c.entries) != 1 || c.recency.Len() != 1 {
		t.Errorf("%d entries, want the newest alone", len(c.entries))
	}
}

// A chart that others push out while it is being parsed must not be counted for ever.
func TestCacheCountsWhatItKeeps(t *testing.T) {
	t.Parallel()
	s := &shop{archive: packed(t, "Chart.yaml", metadata)}
	c := NewCache(1)
	opening, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		_, err := c.Load("apps", revision(1), func() (io.ReadCloser, error) {
			close(opening)
			<-goOn
			return s.nth(1)()
		})
		done <- err
	}()
	<-opening
	load(t, c, 2, s)
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	load(t, c, 3, s)
	var kept int64
	for _, own := range c.parsed {
		kept += own.size
	}
	if kept != c.size || len(c.entries) != 1 || len(c.parsed) != 1 {
		t.Errorf("%d charts of %d bytes are kept, %d bytes are counted", len(c.entries), kept, c.size)
	}
}
