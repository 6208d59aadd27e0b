package chart

import (
	"bytes"
	"container/list"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"helm.sh/helm/v3/pkg/chart"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// DefaultBudget is how many bytes of parsed charts a Cache keeps.
const DefaultBudget = 64 << 20

// maxEntries is how many charts of sources are remembered, those counted that share what they parse to.
const maxEntries = 4096

// Cache keeps parsed charts, the least recently used go first. One chart is parsed once, however many releases
// of a source ask for it at the same time. A source gets a chart only when it has opened the archive itself: neither a
// digest that it names, nor what another source has opened under that digest, counts. Sources that opened the same
// bytes share what they parse to.
type Cache struct {
	budget int64

	mu      sync.Mutex
	size    int64
	recency *list.List // of *entry, newest first
	entries map[proof]*list.Element
	parsed  map[content]*shared
}

// proof is what a source has opened.
type proof struct {
	source   string
	revision v1beta1.ChartRevision
}

// content is the digest of an archive's bytes, and what they have to say that they are.
type content struct {
	digest        [sha256.Size]byte
	name, version string
}

// shared is a chart that users entries have.
type shared struct {
	chart *chart.Chart
	size  int64
	users int
}

type entry struct {
	proof proof
	bytes content
	once  sync.Once
	chart *chart.Chart
	err   error
	// settled is set once the chart is parsed and counted; the cache's lock guards it.
	settled bool
}

// NewCache returns a cache that keeps about budget bytes.
func NewCache(budget int64) *Cache {
	return &Cache{budget: budget, recency: list.New(), entries: map[proof]*list.Element{}, parsed: map[content]*shared{}}
}

// Load returns a chart that the caller may change. source names where it comes from, and open is asked for the archive
// when the source has not opened it before. A failure is not kept.
func (c *Cache) Load(
	source string, want v1beta1.ChartRevision, open func() (io.ReadCloser, error),
) (*chart.Chart, error) {
	e := c.entry(proof{source, want})
	e.once.Do(func() {
		e.err = errors.New("loading the chart was broken off")
		defer c.settle(e)
		e.err = guard.Do("loading a chart", func() (err error) { // a panic would leave an entry without a chart or an error
			e.chart, e.bytes, err = c.parse(want, open)
			return err
		})
	})
	if e.err != nil {
		return nil, e.err
	}

	return Copy(e.chart)
}

// Has reports whether Load would not ask source for the archive.
func (c *Cache) Has(source string, want v1beta1.ChartRevision) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[proof{source, want}]
	return ok && element.Value.(*entry).settled
}

// parse reads an archive, and parses it unless another source has brought the same bytes.
func (c *Cache) parse(want v1beta1.ChartRevision, open func() (io.ReadCloser, error)) (*chart.Chart, content, error) {
	archive, err := open()
	if err != nil {
		return nil, content{}, err
	}

	defer archive.Close()
	raw, err := io.ReadAll(io.LimitReader(archive, MaxArchive+1))
	if err != nil {
		return nil, content{}, fmt.Errorf("reading chart %s: %w", want, err)
	}

	is := content{sha256.Sum256(raw), want.Name, want.Version}
	c.mu.Lock()
	known := c.parsed[is]
	c.mu.Unlock()
	if known != nil {
		return known.chart, is, nil
	}

	loaded, err := Load(bytes.NewReader(raw), want)
	return loaded, is, err
}

func (c *Cache) entry(digest proof) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[digest]; ok {
		c.recency.MoveToFront(element)
		return element.Value.(*entry)
	}
	e := &entry{proof: digest}
	c.entries[digest] = c.recency.PushFront(e)
	return e
}

// settle accounts for a chart that was just parsed, or drops it when that failed, and makes room.
func (c *Cache) settle(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.err != nil {
		c.drop(e)
		return
	}

	e.settled = true
	own := c.parsed[e.bytes]
	if own == nil {
		own = &shared{chart: e.chart, size: footprint(e.chart)}
		c.parsed[e.bytes] = own
		c.size += own.size
	}

	own.users++
	e.chart = own.chart
	for element := c.recency.Back(); element != nil && (c.size > c.budget || c.recency.Len() > maxEntries); {
		older := element
		element = element.Prev()
		if candidate := older.Value.(*entry); candidate.settled && candidate != e {
			c.drop(candidate)
		}
	}
}

// drop removes an entry, and what it was counted for. One that is still being parsed is only ever dropped by itself.
func (c *Cache) drop(e *entry) {
	element, ok := c.entries[e.proof]
	if !ok || element.Value.(*entry) != e {
		return
	}

	c.recency.Remove(element)
	delete(c.entries, e.proof)
	if !e.settled {
		return
	}

	own := c.parsed[e.bytes]
	if own.users--; own.users == 0 {
		c.size -= own.size
		delete(c.parsed, e.bytes)
	}
}

// footprint estimates what a parsed chart takes: the bytes of its files, which are kept twice, and as much again for
// the parsed values.
func footprint(in *chart.Chart) int64 {
	var size int64
	for _, file := range in.Raw {
		size += int64(len(file.Data)) * 2
	}
	return size + int64(len(in.Schema))
}
