package transport

import (
	"container/list"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

const (
	// perSecond and atOnce bound the requests to one host with one setting and credential, of all sources together: many
	// objects on one registry must not look like an attack.
	perSecond = 50
	atOnce    = 100
	// maxHosts is how many hosts are remembered, maxHostsEach how many of them for one tenant, and maxHostsShared for
	// hosts that several tenants use.
	maxHosts       = 4096
	maxHostsEach   = 256
	maxHostsShared = 2048
	// maxTruce is how long a host may ask to be left alone.
	maxTruce = 10 * time.Minute
)

// hostKey is what an answer counts for: the scheme, host and port, the way there, and who signs in. It is a digest, so
// it holds no secret.
type hostKey [sha256.Size]byte

// keyOfHost identifies a host. An answer that came through a proxy, or from a server that only a private CA vouches
// for, or because of a credential, says nothing about requests without them.
func keyOfHost(u *url.URL, way setting, credential string) hostKey {
	sum := sha256.New()
	parts := []string{strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), port(u), string(way[:]), credential}
	for _, part := range parts {
		fmt.Fprintf(sum, "%d %s", len(part), part)
	}
	return hostKey(sum.Sum(nil))
}

// host is what is remembered of one host.
type host struct {
	key     hostKey
	limiter *rate.Limiter
	// tenant is whose requests made the host known, sharedHosts once another tenant has used it, too. The lock of hosts
	// guards it.
	tenant string

	mu    sync.Mutex
	until time.Time
}

// sharedHosts is the account of hosts that more than one tenant uses. It is no name of a namespace.
const sharedHosts = "*"

// hosts remembers hosts, a bounded number for each tenant: one that asks many hosts pushes out its own only.
type hosts struct {
	mu     sync.Mutex
	known  map[hostKey]*list.Element // of *host
	recent map[string]*list.List     // of *host by tenant, the last used first
}

func newHosts() *hosts {
	return &hosts{known: map[hostKey]*list.Element{}, recent: map[string]*list.List{}}
}

// of returns what is remembered of a host, for a request of a tenant.
func (h *hosts) of(key hostKey, tenant string, now time.Time) *host {
	h.mu.Lock()
	defer h.mu.Unlock()
	if element, ok := h.known[key]; ok {
		known := element.Value.(*host) //nolint:forcetypeassert // nothing else is put there
		if known.tenant != tenant && known.tenant != sharedHosts {
			h.remove(element)
			known.tenant = sharedHosts
			h.add(known, now)
			return known
		}

		h.recent[known.tenant].MoveToFront(element)
		return known
	}

	made := &host{key: key, tenant: tenant, limiter: rate.NewLimiter(perSecond, atOnce)}
	h.add(made, now)
	return made
}

// add needs the lock.
func (h *hosts) add(added *host, now time.Time) {
	limit := maxHostsEach
	if added.tenant == sharedHosts {
		limit = maxHostsShared
	}
	if own := h.recent[added.tenant]; own != nil && own.Len() >= limit {
		h.evict(own, now)
	}
	if len(h.known) >= maxHosts {
		h.evict(h.largest(), now)
	}
	if h.recent[added.tenant] == nil {
		h.recent[added.tenant] = list.New()
	}

	h.known[added.key] = h.recent[added.tenant].PushFront(added)
}

// evict forgets the host of a tenant that was used longest ago, and one that asked to be left alone only when all have.
// It needs the lock.
func (h *hosts) evict(of *list.List, now time.Time) {
	for element := of.Back(); element != nil; element = element.Prev() {
		if element.Value.(*host).pause(now) <= 0 { //nolint:forcetypeassert // nothing else is put there
			h.remove(element)
			return
		}
	}
	h.remove(of.Back())
}

// largest returns the list of the tenant with the most hosts. It needs the lock.
func (h *hosts) largest() *list.List {
	var most *list.List
	for _, own := range h.recent {
		if most == nil || own.Len() > most.Len() {
			most = own
		}
	}
	return most
}

// remove needs the lock.
func (h *hosts) remove(element *list.Element) {
	gone := element.Value.(*host) //nolint:forcetypeassert // nothing else is put there
	own := h.recent[gone.tenant]
	own.Remove(element)
	if own.Len() == 0 {
		delete(h.recent, gone.tenant)
	}
	delete(h.known, gone.key)
}

// pause is how long a host has to be left alone from now on.
func (h *host) pause(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until.Sub(now)
}

// admit waits for the turn of a request. While a host has asked to be left alone, it fails without a request, and says
// for how long.
func (h *host) admit(ctx context.Context, now time.Time) error {
	if left := h.pause(now); left > 0 {
		return sources.Fail(v1beta1.FetchFailedReason, nil, "the host has asked to be left alone for %s more",
			left.Round(time.Second)).After(left)
	}
	started := time.Now()
	err := h.limiter.Wait(ctx)
	noteWait(time.Since(started))
	return err
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
