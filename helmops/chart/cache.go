package chart

import (
	"container/list"
	"io"
	"sync"

	"helm.sh/helm/v3/pkg/chart"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/guard"
)

// DefaultBudget is how many bytes of parsed charts a Cache keeps.
const DefaultBudget = 64 << 20

// Cache keeps parsed charts by digest, the least recently used go first. One chart is parsed once, however many releases
// ask for it at the same time.
type Cache struct {
	budget int64

	mu      sync.Mutex
	size    int64
	recency *list.List // of *entry, newest first
	entries map[string]*list.Element
}

type entry struct {
	digest string
	once   sync.Once
	chart  *chart.Chart
	size   int64
	err    error
	// settled is set once the chart is parsed and counted; the cache's lock guards it.
	settled bool
}

// NewCache returns a cache that keeps about budget bytes.
func NewCache(budget int64) *Cache {
	return &Cache{budget: budget, recency: list.New(), entries: map[string]*list.Element{}}
}

// Load returns a chart that the caller may change. open is asked for the archive when the chart is not in the cache. A
// failure is not kept.
func (c *Cache) Load(want v1beta1.ChartRevision, open func() (io.ReadCloser, error)) (*chart.Chart, error) {
	e := c.entry(want.Digest)
	e.once.Do(func() {
		e.err = guard.Do("loading a chart", func() (err error) { // a panic would leave an entry without a chart or an error
			if e.chart, err = parse(want, open); err == nil {
				e.size = footprint(e.chart)
			}
			return err
		})
		c.settle(e)
	})
	if e.err != nil {
		return nil, e.err
	}
	return Copy(e.chart)
}

func parse(want v1beta1.ChartRevision, open func() (io.ReadCloser, error)) (*chart.Chart, error) {
	archive, err := open()
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	return Load(archive, want)
}

func (c *Cache) entry(digest string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[digest]; ok {
		c.recency.MoveToFront(element)
		return element.Value.(*entry)
	}
	e := &entry{digest: digest}
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
	c.size += e.size
	for element := c.recency.Back(); element != nil && c.size > c.budget; {
		older := element
		element = element.Prev()
		if candidate := older.Value.(*entry); candidate.settled && candidate != e {
			c.drop(candidate)
		}
	}
}

// drop removes an entry, and what it was counted for. One that is still being parsed is only ever dropped by itself.
func (c *Cache) drop(e *entry) {
	element, ok := c.entries[e.digest]
	if !ok || element.Value.(*entry) != e {
		return
	}
	c.recency.Remove(element)
	delete(c.entries, e.digest)
	if e.settled {
		c.size -= e.size
	}
}

// footprint estimates what a parsed chart takes: the bytes of its files, which are kept twice, and as much again for the
// parsed values.
func footprint(in *chart.Chart) int64 {
	var size int64
	for _, file := range in.Raw {
		size += int64(len(file.Data)) * 2
	}
	return size + int64(len(in.Schema))
}
