package loop

import (
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Written remembers the objects that this process wrote last, until the cache has them. The cache follows the API
// server with a delay; without this an object would be judged by a status that is already out of date, and an action be
// taken twice. Nothing sleeps or polls for the cache. The zero value is ready to use.
type Written[T client.Object] struct {
	mu      sync.Mutex
	objects map[types.NamespacedName]T
}

// Remember keeps a copy of an object as the API server returned it.
func (w *Written[T]) Remember(object T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.objects == nil {
		w.objects = map[types.NamespacedName]T{}
	}
	w.objects[client.ObjectKeyFromObject(object)] = object.DeepCopyObject().(T)
}

// Newer returns a copy of the later of the two: the object from the cache, or what was written.
func (w *Written[T]) Newer(key types.NamespacedName, cached T) T {
	w.mu.Lock()
	defer w.mu.Unlock()
	own, ok := w.objects[key]
	if !ok {
		return cached.DeepCopyObject().(T)
	}

	if own.GetUID() != cached.GetUID() || !precedes(cached.GetResourceVersion(), own.GetResourceVersion()) {
		delete(w.objects, key)
		return cached.DeepCopyObject().(T)
	}

	return own.DeepCopyObject().(T)
}

// Knows reports whether something that was written is kept.
func (w *Written[T]) Knows(key types.NamespacedName) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.objects[key]
	return ok
}

// Forget drops what was written of an object that is gone.
func (w *Written[T]) Forget(key types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.objects, key)
}

// Release drops what was written of an object when the cache has it, or something newer.
func (w *Written[T]) Release(cached client.Object) {
	key := client.ObjectKeyFromObject(cached)
	w.mu.Lock()
	defer w.mu.Unlock()
	own, ok := w.objects[key]
	if ok && (own.GetUID() != cached.GetUID() || !precedes(cached.GetResourceVersion(), own.GetResourceVersion())) {
		delete(w.objects, key)
	}
}

// precedes compares resource versions of one object, which are numbers that grow. What is not a number precedes
// nothing.
func precedes(a, b string) bool {
	left, err := strconv.ParseUint(a, 10, 64)
	if err != nil {
		return false
	}
	right, err := strconv.ParseUint(b, 10, 64)
	return err == nil && left < right
}
