package storage

import (
	"container/list"
	"sync"

	"fairlead.dev/fairlead/helmops/process/memory"
)

// lru keeps what was used last, up to a sum of costs. It is safe for concurrent use.
type lru[K comparable, V any] struct {
	limit int
	// memory is the account of the cluster; nil when it is trusted. What there is no room for is not kept.
	memory *memory.Account

	mu    sync.Mutex
	cost  int
	byKey map[K]*list.Element
	order *list.List // the front was used last
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
	cost  int
}

func newLRU[K comparable, V any](limit int) *lru[K, V] {
	return &lru[K, V]{limit: limit, byKey: map[K]*list.Element{}, order: list.New()}
}

func (l *lru[K, V]) get(key K) (V, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	element, found := l.byKey[key]
	if !found {
		var none V
		return none, false
	}
	l.order.MoveToFront(element)
	return element.Value.(*lruEntry[K, V]).value, true
}

// put keeps value, unless it alone costs more than the limit.
func (l *lru[K, V]) put(key K, value V, cost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if element, found := l.byKey[key]; found {
		l.drop(element)
	}
	if cost > l.limit || !l.memory.Spare(int64(cost)) {
		return
	}

	l.byKey[key] = l.order.PushFront(&lruEntry[K, V]{key: key, value: value, cost: cost})
	l.cost += cost
	for l.cost > l.limit {
		l.drop(l.order.Back())
	}
}

func (l *lru[K, V]) drop(element *list.Element) {
	entry := l.order.Remove(element).(*lruEntry[K, V])
	delete(l.byKey, entry.key)
	l.cost -= entry.cost
	_ = l.memory.Add(-int64(entry.cost)) // it gives back
}

// clear drops everything.
func (l *lru[K, V]) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.order.Len() > 0 {
		l.drop(l.order.Back())
	}
}
