package memory

import "sync"

// pageCost is what a page of a list counts for until its list is complete. A server can answer with pages without an
// end, even with empty ones.
const pageCost = 64 << 10

// Pages counts what is held of a list that comes in pages while it is not complete. It is safe for concurrent use.
type Pages struct {
	Of *Account

	mu      sync.Mutex
	pending int64
}

// Take counts a page; the first one begins a new list. The error is that of Account.Add.
func (p *Pages) Take(first bool) error {
	if first {
		p.Done()
	}
	return p.Add(pageCost)
}

// Add counts bytes of what is in a page.
func (p *Pages) Add(bytes int64) error {
	p.mu.Lock()
	p.pending += bytes
	p.mu.Unlock()
	return p.Of.Add(bytes)
}

// Done gives back what was counted: the list is complete, or dropped.
func (p *Pages) Done() {
	p.mu.Lock()
	bytes := p.pending
	p.pending = 0
	p.mu.Unlock()
	_ = p.Of.Add(-bytes) // it gives back
}
