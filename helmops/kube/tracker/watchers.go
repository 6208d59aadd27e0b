package tracker

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// key names an object within its kind.
type key struct{ namespace, name string }

// Change is one change of an object. Before is nil when it appeared, After when it went. Entries are never changed.
type Change struct {
	Ref           Ref
	Before, After *Entry
}

// watchers are those who want to hear of changes.
type watchers struct {
	mu          sync.RWMutex
	byObject    map[schema.GroupVersionKind]map[key][]chan struct{}
	subscribers []func(Change)
	kinds       []func(schema.GroupVersionKind)
}

func (w *watchers) add(refs []Ref) (changed <-chan struct{}, cancel func()) {
	signal := make(chan struct{}, 1)
	refs = slices.Clone(refs)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byObject == nil {
		w.byObject = map[schema.GroupVersionKind]map[key][]chan struct{}{}
	}

	for _, ref := range refs {
		of := w.byObject[ref.GVK]
		if of == nil {
			of = map[key][]chan struct{}{}
			w.byObject[ref.GVK] = of
		}

		if k := (key{ref.Namespace, ref.Name}); !slices.Contains(of[k], signal) {
			of[k] = append(of[k], signal)
		}
	}

	return signal, sync.OnceFunc(func() { w.remove(refs, signal) })
}

func (w *watchers) remove(refs []Ref, signal chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ref := range refs {
		of := w.byObject[ref.GVK]
		k := key{ref.Namespace, ref.Name}
		if of == nil {
			continue // it was named twice
		}

		of[k] = slices.DeleteFunc(of[k], func(c chan struct{}) bool { return c == signal })
		if len(of[k]) == 0 {
			delete(of, k)
		}
		if len(of) == 0 {
			delete(w.byObject, ref.GVK)
		}
	}
}

func (w *watchers) subscribe(f func(Change)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subscribers = append(slices.Clip(w.subscribers), f)
}

// notify all watchers that objects of a kind have changed. No lock may be held that a subscriber could want.
func (w *watchers) notify(gvk schema.GroupVersionKind, changed []change) {
	if len(changed) == 0 {
		return
	}

	w.mu.RLock()
	of := w.byObject[gvk]
	subscribers := w.subscribers
	for _, c := range changed {
		raise(of[c.key])
	}

	w.mu.RUnlock()
	for _, c := range changed {
		for _, f := range subscribers {
			f(Change{Ref: Ref{GVK: gvk, Namespace: c.key.namespace, Name: c.key.name}, Before: c.before, After: c.after})
		}
	}
}

// wake those who watch any object of a kind, or kinds: what is known of the kind as a whole has changed. No lock may be
// held that a subscriber could want.
func (w *watchers) wake(gvk schema.GroupVersionKind) {
	w.mu.RLock()
	for _, signals := range w.byObject[gvk] {
		raise(signals)
	}
	kinds := w.kinds
	w.mu.RUnlock()
	for _, f := range kinds {
		f(gvk)
	}
}

func (w *watchers) subscribeKinds(f func(schema.GroupVersionKind)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kinds = append(slices.Clip(w.kinds), f)
}

func raise(signals []chan struct{}) {
	for _, signal := range signals {
		select {
		case signal <- struct{}{}:
		default: // it is raised already
		}
	}
}
