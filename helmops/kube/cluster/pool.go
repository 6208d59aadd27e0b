package cluster

import (
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/process/memory"
	"fairlead.dev/fairlead/sources/egress"
)

// Access says on which cluster, and as which user, something is done.
type Access struct {
	// Kubeconfig of a remote cluster; empty for the one the controller runs for.
	Kubeconfig []byte
	// Token requests tokens for a kubeconfig without credentials, which has to name whose they are; nil where the
	// kubeconfig has credentials.
	Token RequestToken
	// User that is impersonated; empty for the controller itself, or the user of the kubeconfig.
	User string
	// Namespace is that of the object that is worked on. What the work holds of what all share counts for it.
	Namespace string
}

// Home returns the namespace of the ServiceAccount that is impersonated, in which it may be taken to read what it works
// on; empty for other users, and on a remote cluster, whose namespaces are others.
func (a Access) Home() string {
	account, is := strings.CutPrefix(a.User, "system:serviceaccount:")
	if !is || len(a.Kubeconfig) > 0 {
		return ""
	}
	namespace, _, _ := strings.Cut(account, ":")
	return namespace
}

// Key tells accesses apart. It holds no credentials.
func (a Access) Key() string {
	if len(a.Kubeconfig) == 0 {
		return "local/" + a.User
	}
	return digestOf(a.Kubeconfig) + "/" + a.User
}

func digestOf(kubeconfig []byte) string {
	sum := sha256.Sum256(kubeconfig)
	return hex.EncodeToString(sum[:])
}

// Pool keeps the connections to remote clusters, one for each content of a kubeconfig in each namespace: what the
// server of one namespace answers is not for another. What it answers is bounded, see answers.go, and so is what is
// kept of that: a cluster whose account has ended is closed. It is safe for concurrent use.
type Pool struct {
	max   int
	idle  time.Duration
	now   func() time.Time
	wrap  func(http.RoundTripper) http.RoundTripper
	large *fair.Shares // of answers of all clusters
	paces *paces       // of watches
	kept  *memory.Budget
	// addresses are refused for servers and proxies.
	addresses egress.Rules

	mu       sync.Mutex
	closed   bool
	clusters map[place]*list.Element // of *pooled
	recent   *list.List              // of *pooled, the last used first
	timer    *time.Timer
}

// place is where a cluster is kept.
type place struct{ namespace, digest string }

type pooled struct {
	place
	cluster *Cluster
	used    time.Time
	// exceeded is why the cluster was closed, which is repeated until again; nil while it is in use.
	exceeded *memory.ExceededError
	again    time.Time
}

// NewPool returns a pool of at most max clusters, at least one. A cluster that was not asked for during idle is closed;
// so is, when there is no room for another, the one that was asked for longest ago of the namespace that has the most:
// those of a namespace with few stay however many another one names.
func NewPool(maximum int, idle time.Duration, now func() time.Time) *Pool {
	return &Pool{
		max: max(maximum, 1), idle: idle, now: now,
		clusters: map[place]*list.Element{}, recent: list.New(),
		large: fair.New(largeAnswers, largePerNamespace), paces: newPaces(watchPace, watchBurst),
		kept: memory.New(memory.Clusters),
	}
}

// WrapTransport has every request to a cluster of the pool pass through what the function returns. It is called before
// the first Get.
func (p *Pool) WrapTransport(wrap func(http.RoundTripper) http.RoundTripper) { p.wrap = wrap }

// Restrict refuses more addresses for the servers and proxies of kubeconfigs. It is called before the first Get.
func (p *Pool) Restrict(addresses egress.Rules) { p.addresses = addresses }

// Keep has what is kept of all clusters count in a budget other than memory.Clusters. It is called before the first
// Get.
func (p *Pool) Keep(budget *memory.Budget) { p.kept = budget }

// Get returns the cluster of the kubeconfig of an access, which is connected to when something is asked of it. The
// error is a *KubeconfigError when the kubeconfig is not acceptable; trying again does not help then. It is a
// *memory.ExceededError when the cluster was closed because too much was kept of it; trying again helps after a pause.
func (p *Pool) Get(access Access) (*Cluster, error) {
	if err := checkSize(access.Kubeconfig); err != nil {
		return nil, err
	}

	at := place{namespace: access.Namespace, digest: digestOf(access.Kubeconfig)}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire()
	if element, ok := p.clusters[at]; ok {
		entry := element.Value.(*pooled)
		if entry.exceeded == nil {
			entry.used = p.now()
			p.recent.MoveToFront(element)
			return entry.cluster, nil
		}

		if p.now().Before(entry.again) {
			return nil, entry.exceeded
		}

		p.drop(element)
	}

	made, err := p.connect(access, at)
	if err != nil {
		return nil, err
	}

	if p.closed {
		made.Close()
		return made, nil
	}

	for p.recent.Len() >= p.max {
		p.evict(at.namespace)
	}

	p.clusters[at] = p.recent.PushFront(&pooled{place: at, cluster: made, used: p.now()})
	p.arm()
	return made, nil
}

// connect makes a cluster with an account of its own.
func (p *Pool) connect(access Access, at place) (*Cluster, error) {
	config, err := remoteConfig(access.Kubeconfig, p.addresses, p.wrap,
		func(next http.RoundTripper, server string) http.RoundTripper {
			next = boundAnswers(next, server, access.Namespace, p.large, p.paces.of(access.Namespace))
			if access.Token != nil {
				next = &bearer{next: next, tokens: newTokens(access.Token, p.now)}
			}

			return next
		})
	if err != nil {
		return nil, err
	}

	var account *memory.Account
	account = p.kept.Open(at.namespace, func(exceeded *memory.ExceededError) { p.exceed(at, account, exceeded) })
	made, err := newRemote(config, account, p.now)
	if err != nil {
		account.Close()
	}

	return made, err
}

// exceed closes a cluster whose account has ended, and remembers why for a while.
func (p *Pool) exceed(at place, account *memory.Account, exceeded *memory.ExceededError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	element, known := p.clusters[at]
	if !known || element.Value.(*pooled).cluster.memory != account {
		return // it was closed already
	}
	entry := element.Value.(*pooled)
	entry.exceeded, entry.again = exceeded, p.now().Add(memory.Pause)
	entry.cluster.Close()
}

// newRemote hides the cause, which could quote what the kubeconfig says.
func newRemote(config *rest.Config, account *memory.Account, now func() time.Time) (*Cluster, error) {
	made, err := newCluster(config, account, now)
	if err != nil {
		return nil, &KubeconfigError{
			Problem: "its server cannot be connected to as it is written", Fix: "compare it with one that kubectl accepts",
		}
	}
	return made, nil
}

// Len returns how many clusters are kept.
func (p *Pool) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.recent.Len()
}

// Close closes every cluster. Those that are asked for later are not kept.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for p.recent.Len() > 0 {
		p.drop(p.recent.Back())
	}
}

// expire needs the lock.
func (p *Pool) expire() {
	for last := p.recent.Back(); last != nil && p.now().Sub(last.Value.(*pooled).used) >= p.idle; last = p.recent.Back() {
		p.drop(last)
	}
}

// evict makes room for another cluster of a namespace. It needs the lock.
func (p *Pool) evict(namespace string) {
	counts := map[string]int{namespace: 1} // the one that is to come
	most := 0
	for element := p.recent.Front(); element != nil; element = element.Next() {
		of := element.Value.(*pooled).namespace
		counts[of]++
		most = max(most, counts[of])
	}

	last := p.recent.Back()
	for counts[last.Value.(*pooled).namespace] < most {
		last = last.Prev()
	}

	p.drop(last)
}

// drop needs the lock.
func (p *Pool) drop(element *list.Element) {
	entry := element.Value.(*pooled)
	p.recent.Remove(element)
	delete(p.clusters, entry.place)
	entry.cluster.Close()
}

// arm needs the lock. The timer only sees to it that clusters are dropped when there are no more callers.
func (p *Pool) arm() {
	if p.timer != nil {
		p.timer.Stop()
	}
	p.timer = time.AfterFunc(p.idle, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.expire()
		if p.recent.Len() > 0 && !p.closed {
			p.arm()
		}
	})
}
