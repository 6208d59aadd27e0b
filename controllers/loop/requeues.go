package loop

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// leastRequeue is the shortest pause between two reconciles that a handler can ask for. A handler that asks for
	// less in every reconcile has a fault, and must not take a processor for it.
	leastRequeue = 100 * time.Millisecond
	// suspicious is how many reconciles in a row ask for less until that is logged. A single one can be the rest of a
	// longer pause that an event has interrupted.
	suspicious = 3
)

// requeues counts the reconciles of the objects of one kind, and keeps them from following each other too soon.
type requeues struct {
	kind string

	mu sync.Mutex
	// tooSoon is how many reconciles of an object in a row have asked for less than leastRequeue.
	tooSoon map[types.NamespacedName]int
	logged  map[types.NamespacedName]bool
}

// count counts a reconcile.
func (r *requeues) count(key types.NamespacedName) {
	reconciles().WithLabelValues(r.kind, key.Namespace, key.Name).Inc()
}

// notTooSoon returns the pause until the next reconcile of an object whose handler asks for it after again; zero is
// none. An object that asks for too little in several reconciles in a row is logged once.
func (r *requeues) notTooSoon(ctx context.Context, key types.NamespacedName, again time.Duration) time.Duration {
	if again <= 0 || again >= leastRequeue {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.tooSoon, key)
		return max(again, 0)
	}

	raisedRequeues().WithLabelValues(r.kind).Inc()
	if r.isNew(key) {
		const text = "the object asks again and again to be reconciled too soon; this is a fault of the controller"
		log.FromContext(ctx).Error(nil, text, "asked", again.String(), "after", leastRequeue.String())
	}

	return leastRequeue
}

// isNew counts a request that is too soon, and reports whether it is the one to log.
func (r *requeues) isNew(key types.NamespacedName) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tooSoon == nil {
		r.tooSoon = map[types.NamespacedName]int{}
		r.logged = map[types.NamespacedName]bool{}
	}

	r.tooSoon[key]++
	if r.tooSoon[key] < suspicious || r.logged[key] {
		return false
	}

	r.logged[key] = true
	return true
}

// forget drops what is kept of an object that is gone.
func (r *requeues) forget(key types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.tooSoon, key)
	delete(r.logged, key)
	reconciles().DeleteLabelValues(r.kind, key.Namespace, key.Name)
}
