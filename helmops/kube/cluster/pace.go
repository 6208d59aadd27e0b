package cluster

import (
	"sync"

	"golang.org/x/time/rate"
	"k8s.io/utils/lru"
)

// maxPaces bounds the cache of paces. A namespace that the cache evicts gets a new pace, with its whole burst.
const maxPaces = 1000

// paces are those of the watches of each namespace.
type paces struct {
	limit rate.Limit // bytes per second
	burst int

	mu          sync.Mutex
	ofNamespace *lru.Cache
}

func newPaces(limit rate.Limit, burst int) *paces {
	return &paces{limit: limit, burst: burst, ofNamespace: lru.New(maxPaces)}
}

// of returns the pace that all watches of a namespace share.
func (p *paces) of(namespace string) *rate.Limiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found, ok := p.ofNamespace.Get(namespace); ok {
		return found.(*rate.Limiter)
	}
	made := rate.NewLimiter(p.limit, p.burst)
	p.ofNamespace.Add(namespace, made)
	return made
}
