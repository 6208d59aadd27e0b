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

func load(t *testing.T, c *Cache, n int, s *shop) {
	t.Helper()
	if _, err := c.Load("apps", revision(n), s.open); err != nil {
		t.Fatal(err)
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
			return s.open()
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
	for _, element := range c.entries {
		kept += element.Value.(*entry).size
	}
	if kept != c.size || len(c.entries) != 1 {
		t.Errorf("%d charts of %d bytes are kept, %d bytes are counted", len(c.entries), kept, c.size)
	}
}
