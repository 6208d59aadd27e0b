package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/process/memory"
)

// watchedResources are those whose objects decide what an API server serves.
var watchedResources = []schema.GroupVersionResource{
	{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"},
	{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"},
}

// patience is how long the first reading waits for the watches to begin.
const patience = 5 * time.Second

// watch reports any change to the objects of one resource. It keeps nothing of them.
type watch struct {
	from    metadata.Getter
	changed func()
	pages   memory.Pages

	mu      sync.Mutex
	running bool
	healthy bool
	settled chan struct{} // closed once it is known whether the watch hears
}

func newWatch(from metadata.Getter, changed func(), account *memory.Account) *watch {
	return &watch{from: from, changed: changed, pages: memory.Pages{Of: account}}
}

// ensure starts the watch unless it runs. One that was refused ends, and is started again by the next reading.
func (w *watch) ensure(done <-chan struct{}) {
	select {
	case <-done:
		return
	default:
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running {
		return
	}

	w.running = true
	w.healthy = false
	w.settled = make(chan struct{})
	ctx, cancel := context.WithCancel(logr.NewContext(wait.ContextForChannel(done), logr.Discard()))
	guard.Go("watching the APIs of a cluster", func() {
		defer cancel()
		defer func() { // also after a panic: the next reading starts it again
			w.mu.Lock()
			defer w.mu.Unlock()
			w.running = false
			w.setHealthy(false)
		}()
		w.reflector(cancel).RunWithContext(ctx)
	})
}

// settle waits until it is known whether the watch hears.
func (w *watch) settle(ctx context.Context) {
	w.mu.Lock()
	settled := w.settled
	w.mu.Unlock()
	if settled == nil {
		return
	}

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-settled:
	case <-ctx.Done():
	}
}

func (w *watch) listening() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.healthy
}

// setHealthy needs the lock.
func (w *watch) setHealthy(hears bool) {
	w.healthy = hears
	select {
	case <-w.settled:
	default:
		close(w.settled)
	}
}

func (w *watch) reflector(stop func()) *cache.Reflector {
	logger := logr.Discard() // what fails here is made up for by reading more often
	check := func(err error) {
		if err == nil {
			return
		}
		if refused(err) {
			stop()
		}

		w.mu.Lock()
		defer w.mu.Unlock()
		w.setHealthy(false)
	}
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list, err := w.from.List(ctx, options)
			check(err)
			if err != nil {
				return nil, err
			}

			list.Items = nil // the reflector would hold all pages until the last
			return list, w.pages.Take(options.Continue == "")
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (apiwatch.Interface, error) {
			stream, err := w.from.Watch(ctx, options)
			check(err)
			return stream, err
		},
	}
	return cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(source, w.from),
		&metav1.PartialObjectMetadata{}, watchStore{w}, cache.ReflectorOptions{Logger: &logger})
}

// refused tells errors that trying again at once does not help against.
func refused(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) ||
		apierrors.IsMethodNotSupported(err)
}

// watchStore implements cache.ReflectorStore without storing anything.
type watchStore struct{ *watch }

var _ cache.TransformingStore = watchStore{}

// Transformer implements cache.TransformingStore. The reflector keeps the first objects until it has them all, by
// name: of objects that have none it keeps one.
func (e watchStore) Transformer() cache.TransformFunc {
	return func(any) (any, error) { return &metav1.PartialObjectMetadata{}, nil }
}

// Add implements cache.ReflectorStore.
func (e watchStore) Add(any) error { return e.heard() }

// Update implements cache.ReflectorStore.
func (e watchStore) Update(any) error { return e.heard() }

// Delete implements cache.ReflectorStore.
func (e watchStore) Delete(any) error { return e.heard() }

// Resync implements cache.ReflectorStore.
func (e watchStore) Resync() error { return nil }

// Replace implements cache.ReflectorStore. The first time nothing was missed: readings wait for it.
func (e watchStore) Replace([]any, string) error {
	e.mu.Lock()
	first := !isClosed(e.settled)
	e.setHealthy(true)
	e.mu.Unlock()
	e.pages.Done()
	if !first {
		e.changed()
	}
	return nil
}

func (e watchStore) heard() error {
	e.mu.Lock()
	e.setHealthy(true)
	e.mu.Unlock()
	e.changed()
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
