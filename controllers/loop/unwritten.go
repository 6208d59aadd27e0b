package loop

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// unwritten remembers the objects whose status could not be written. The next reconcile continues from there: the
// outcome of an action is reported only once, and without it the same action would be taken again, as fast as the API
// server refuses.
type unwritten[T Object] struct {
	mu      sync.Mutex
	objects map[types.NamespacedName]T
}

func (u *unwritten[T]) remember(object T) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.objects == nil {
		u.objects = map[types.NamespacedName]T{}
	}
	u.objects[client.ObjectKeyFromObject(object)] = object
}

// resume returns the object with the status that could not be written, unless another client changed the object since.
func (u *unwritten[T]) resume(object T) T {
	u.mu.Lock()
	defer u.mu.Unlock()
	own, ok := u.objects[client.ObjectKeyFromObject(object)]
	if !ok || own.GetUID() != object.GetUID() || own.GetResourceVersion() != object.GetResourceVersion() {
		return object
	}
	return own.DeepCopyObject().(T)
}

func (u *unwritten[T]) forget(key types.NamespacedName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.objects, key)
}
