package quota

import (
	"context"
	"sync"
)

// Meter counts what is under way. It is safe for concurrent use.
type Meter struct {
	what   string
	bounds Bounds
	each   int

	mu      sync.Mutex
	total   int64
	used    map[string]int64 // by namespace
	running map[string]int   // by namespace
	changed chan struct{}
}

// NewMeter returns a meter of what, which is the subject of messages. Of one namespace each are under way at a time.
func NewMeter(what string, b Bounds, each int) *Meter {
	return &Meter{
		what: what, bounds: b, each: each, used: map[string]int64{}, running: map[string]int{}, changed: make(chan struct{}),
	}
}

// Account is what one piece of work takes.
type Account struct {
	meter     *Meter
	namespace string
	taken     int64
	ended     bool
}

// Enter waits for the turn of a namespace. The account has to be closed.
func (m *Meter) Enter(ctx context.Context, namespace string) (*Account, error) {
	for {
		m.mu.Lock()
		if m.running[namespace] < m.each {
			m.running[namespace]++
			m.mu.Unlock()
			return &Account{meter: m, namespace: namespace}, nil
		}

		changed := m.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Grow takes bytes until the account is closed. It never waits: what is above the share or the total is an error with
// reason BudgetExceeded.
func (a *Account) Grow(bytes int64) error {
	m := a.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used[a.namespace]+bytes > m.bounds.Share || m.total+bytes > m.bounds.Total {
		return Exceeded(m.what, a.namespace, bytes, m.bounds)
	}

	m.used[a.namespace] += bytes
	m.total += bytes
	a.taken += bytes
	return nil
}

// Close gives back what the account has taken.
func (a *Account) Close() {
	m := a.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.ended {
		return
	}

	a.ended = true
	m.total -= a.taken
	if m.used[a.namespace] -= a.taken; m.used[a.namespace] == 0 {
		delete(m.used, a.namespace)
	}
	if m.running[a.namespace]--; m.running[a.namespace] == 0 {
		delete(m.running, a.namespace)
	}

	close(m.changed)
	m.changed = make(chan struct{})
}
