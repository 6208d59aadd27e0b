// Package memory bounds what the controller keeps of other clusters. A tenant can run the API server of a kubeconfig,
// and it can make up objects without an end; what it says is read at a pace, but kept for as long as the cluster is in
// use.
//
//	Budget ─► share of a namespace ─► Account of one cluster ◄─ Add: objects, records, APIs
//
// When a share or the total is exceeded, the largest account of the namespace that takes the most ends: what it counts
// is dropped as a whole, because a part of what a cluster has cannot be distinguished from the whole.
package memory

import (
	"fmt"
	"sync"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Bounds of a budget, in bytes.
type Bounds struct {
	// Total is what the clusters of all namespaces may take together.
	Total int64
	// Share is what the clusters that one namespace names may take.
	Share int64
}

// Clusters bounds what is kept of the clusters of kubeconfigs. A share holds 200,000 objects, or 80 clusters with 500
// objects and 50 releases each. It goes with the bounds of sources/quota: a namespace that takes all of its shares
// there and here keeps 544 MiB, which with GOGC=50 is a heap of 816 MiB, within the limit of 1 GiB of the pod.
var Clusters = Bounds{Total: 192 << 20, Share: 96 << 20}

// Pause is how long nothing is asked of a cluster after its account has ended.
const Pause = 5 * time.Minute

// ExceededError says that the account of a cluster has ended. Trying again helps after the Pause, when the cluster has
// less by then.
type ExceededError struct {
	// Namespace whose clusters take too much.
	Namespace string
	// Bounds that one of was exceeded; OfAll is set when it was the total.
	Bounds Bounds
	OfAll  bool
}

// Error implements error.
func (e *ExceededError) Error() string {
	what := fmt.Sprintf("the clusters that namespace %s names have more objects, records and APIs than the controller "+
		"keeps for one namespace, "+
		"which is %d MiB, and this one has the most of them", e.Namespace, e.Bounds.Share>>20)
	if e.OfAll {
		what = fmt.Sprintf("all clusters of kubeconfigs have more objects, records and APIs than the controller keeps, "+
			"which is %d MiB, "+
			"and this one has the most of those that namespace %s names, which takes most", e.Bounds.Total>>20, e.Namespace)
	}
	return fmt.Sprintf("%s; the controller has dropped what it kept of this cluster, and connects to it again %s later",
		what, Pause)
}

// Reason is the reason for a condition.
func (e *ExceededError) Reason() string { return v1beta1.ClusterUnreachableReason }

// Budget is what all accounts share. It is safe for concurrent use.
type Budget struct {
	bounds Bounds

	mu         sync.Mutex
	total      int64
	namespaces map[string]*share
}

// share is what the accounts of one namespace take.
type share struct {
	used     int64
	accounts map[*Account]bool
}

// New returns a budget that nothing is taken of.
func New(bounds Bounds) *Budget { return &Budget{bounds: bounds, namespaces: map[string]*share{}} }

// Open returns the account of a cluster that a namespace names; it has to be closed. end is called once if the account
// ends, by a caller of Add of any account, who must not hold a lock that end needs.
func (b *Budget) Open(namespace string, end func(*ExceededError)) *Account {
	a := &Account{budget: b, namespace: namespace, end: end}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.namespaces[namespace] == nil {
		b.namespaces[namespace] = &share{accounts: map[*Account]bool{}}
	}
	b.namespaces[namespace].accounts[a] = true
	return a
}

// Used returns how many bytes a namespace takes, and all together.
func (b *Budget) Used(namespace string) (own, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if of := b.namespaces[namespace]; of != nil {
		own = of.used
	}
	return own, b.total
}

// Account is what is kept of one cluster. A nil account is that of a cluster that is trusted: it has no bounds. It is
// safe for concurrent use.
type Account struct {
	budget    *Budget
	namespace string
	end       func(*ExceededError)

	// The lock of the budget guards these.
	used     int64
	closed   bool
	exceeded *ExceededError
}

// Bounded reports whether the account has bounds.
func (a *Account) Bounded() bool { return a != nil }

// Add counts bytes that are kept from now on; a negative number, that they no longer are. It never waits. The error is
// an *ExceededError once the account has ended, which this call may have caused; what is kept has to be dropped then.
// An account that was closed counts nothing.
func (a *Account) Add(bytes int64) error {
	if a == nil {
		return nil
	}
	for _, over := range a.budget.add(a, bytes) {
		over.end(over.exceeded)
	}
	return a.Err()
}

// Spare counts bytes of something that can be read again. It returns false, and counts nothing, where half of the
// share or of the total would be exceeded: the other half is for what cannot.
func (a *Account) Spare(bytes int64) bool {
	if a == nil {
		return true
	}

	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.namespaces[a.namespace]
	if a.closed || of.used+bytes > b.bounds.Share/2 || b.total+bytes > b.bounds.Total/2 {
		return false
	}

	b.count(a, bytes)
	return true
}

// Err returns an *ExceededError once the account has ended.
func (a *Account) Err() error {
	if a == nil {
		return nil
	}
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	if a.exceeded == nil {
		return nil
	}
	return a.exceeded
}

// Close ends the account of a cluster that is no longer in use.
func (a *Account) Close() {
	if a == nil {
		return
	}
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	a.budget.close(a)
}

// add counts, and returns the accounts that have ended by it.
func (b *Budget) add(a *Account, bytes int64) (ended []*Account) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.closed {
		return nil
	}

	b.count(a, bytes)
	for b.namespaces[a.namespace] != nil && b.namespaces[a.namespace].used > b.bounds.Share {
		ended = append(ended, b.exceed(a.namespace, false))
	}

	for b.total > b.bounds.Total {
		ended = append(ended, b.exceed(b.largest(), true))
	}

	return ended
}

// exceed ends the largest account of a namespace. It needs the lock.
func (b *Budget) exceed(namespace string, ofAll bool) *Account {
	var most *Account
	for a := range b.namespaces[namespace].accounts {
		if most == nil || a.used > most.used {
			most = a
		}
	}
	b.close(most)
	most.exceeded = &ExceededError{Namespace: namespace, Bounds: b.bounds, OfAll: ofAll}
	return most
}

// largest is the namespace that takes the most. It needs the lock.
func (b *Budget) largest() string {
	most := int64(-1)
	name := ""
	for namespace, of := range b.namespaces {
		if of.used > most {
			most = of.used
			name = namespace
		}
	}
	return name
}

// count needs the lock.
func (b *Budget) count(a *Account, bytes int64) {
	a.used += bytes
	b.namespaces[a.namespace].used += bytes
	b.total += bytes
}

// close needs the lock.
func (b *Budget) close(a *Account) {
	if a.closed {
		return
	}

	b.count(a, -a.used)
	a.closed = true
	of := b.namespaces[a.namespace]
	delete(of.accounts, a)
	if len(of.accounts) == 0 {
		delete(b.namespaces, a.namespace)
	}
}
