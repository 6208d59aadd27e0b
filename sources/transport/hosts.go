package transport

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/lru"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

const (
	// perSecond and atOnce bound the requests to one host, of all sources together: many objects on one registry must not look like an attack.
	perSecond = 50
	atOnce    = 100
	// maxHosts is how many hosts are remembered, maxTruce how long one of them may silence all sources.
	maxHosts = 1024
	maxTruce = 10 * time.Minute
)

// host is what is remembered of one host.
type host struct {
	limiter *rate.Limiter

	mu    sync.Mutex
	until time.Time
}

var hosts = struct {
	sync.Mutex
	all *lru.Cache
}{all: lru.New(maxHosts)}

func hostOf(name string) *host {
	hosts.Lock()
	defer hosts.Unlock()
	if known, ok := hosts.all.Get(name); ok {
		return known.(*host)
	}
	made := &host{limiter: rate.NewLimiter(perSecond, atOnce)}
	hosts.all.Add(name, made)
	return made
}

// admit waits for the turn of a request. While a host has asked to be left alone, it fails at once, and says for how long.
func (h *host) admit(ctx context.Context, now time.Time) error {
	h.mu.Lock()
	left := h.until.Sub(now)
	h.mu.Unlock()
	if left > 0 {
		return sources.Fail(v1beta1.FetchFailedReason, nil, "the host has asked to be left alone for %s more", left.Round(time.Second)).After(left)
	}
	return h.limiter.Wait(ctx)
}

// heed remembers that a host asks to be left alone.
func (h *host) heed(resp *http.Response, now time.Time) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return
	}
	if pause := min(RetryAfter(resp.Header, now), maxTruce); pause > 0 {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.until = now.Add(pause)
	}
}
