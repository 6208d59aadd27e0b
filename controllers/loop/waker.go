package loop

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Waker makes a controller look at objects again.
type Waker struct {
	events chan event.GenericEvent
	ended  chan event.GenericEvent
}

// NewWaker returns a waker for one controller.
func NewWaker() *Waker {
	return &Waker{events: make(chan event.GenericEvent, 1024), ended: make(chan event.GenericEvent, 1024)}
}

// Wake has the controller look at an object. It can block while the controller is starting, so it is not for workers of
// another controller before that has started.
func (w *Waker) Wake(key types.NamespacedName) {
	w.events <- event.GenericEvent{Object: named(key)}
}

func (w *Waker) source() source.Source {
	return source.Channel(w.events, &handler.EnqueueRequestForObject{})
}

func named(key types.NamespacedName) client.Object {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
}
