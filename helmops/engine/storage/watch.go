package storage

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

var (
	errNotWatching = errors.New("records are not being watched")
	secretResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	typeSelector   = fields.OneTermEqualSelector("type", secretType).String()
)

// Run watches the metadata of all records of the cluster until ctx ends. While the watch is refused or broken, looks at
// releases list their records instead. It must be called once at most.
func (s *Store) Run(ctx context.Context) error {
	if s.metadata == nil {
		return errors.New("watching release records: there is no metadata client")
	}

	s.mu.Lock()
	s.running = true
	s.err = errNotWatching
	s.mu.Unlock()
	secrets := s.metadata.Resource(secretResource)
	narrow := func(options *metav1.ListOptions) {
		options.LabelSelector, options.FieldSelector = labels.Set{"owner": "helm"}.String(), typeSelector
	}
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			narrow(&options)
			list, err := secrets.List(ctx, options)
			if err != nil {
				s.fail(err)
				return nil, err
			}

			return s.page(options, list)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			narrow(&options)
			s.pages.Done()
			events, err := secrets.Watch(ctx, options)
			switch initial := options.SendInitialEvents != nil; {
			case err == nil:
			case apierrors.IsTooManyRequests(err) || apierrors.IsInternalError(err) || utilnet.IsConnectionRefused(err):
				s.pause(err) // the reflector continues from where it was
			case !initial: // otherwise it lists next, which shows more
				s.fail(err)
			}

			return events, err
		},
	}
	reflector := cache.NewReflectorWithOptions(
		cache.ToListWatcherWithWatchListSemantics(source, s.metadata), &metav1.PartialObjectMetadata{}, (*reducer)(s),
		cache.ReflectorOptions{Name: "release records"})
	reflector.RunWithContext(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
	s.synced = false
	s.err = errNotWatching
	s.settle()
	s.forget()
	return nil
}

// fail notes that the watch is broken until the reflector has a new list.
func (s *Store) fail(err error) {
	s.mu.Lock()
	s.synced = false
	s.failedBefore = true
	s.err = fmt.Errorf("watching release records: %w", err)
	s.settle()
	s.mu.Unlock()
	s.index.failed()
}

// pause notes that the API server is out of reach. What is known already is as good as any answer there is.
func (s *Store) pause(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.synced {
		s.failedBefore = true
		s.err = fmt.Errorf("watching release records: %w", err)
		s.settle()
	}
}

// settle releases the callers that wait for the first result of the watch.
func (s *Store) settle() {
	if !s.isSettled {
		s.isSettled = true
		close(s.settled)
	}
}

// Err returns why looks at releases cost requests; nil while the watch works.
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Subscribe calls notify when a record appears, changes or goes by another client than this Store. What is there when
// the watch begins is no news. notify must not block; it can be called concurrently.
func (s *Store) Subscribe(notify func(storageNamespace, releaseName string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers = append(s.subscribers, notify)
}

// watching reports whether the index can be relied on. It waits until the watch has worked or failed once.
func (s *Store) watching(ctx context.Context) (bool, error) {
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if !running {
		return false, nil
	}

	select {
	case <-s.settled:
	case <-ctx.Done():
		return false, fmt.Errorf("waiting for the watch of release records: %w", ctx.Err())
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	return s.synced, nil
}

func (s *Store) notify(news map[releaseKey]struct{}) {
	s.mu.Lock()
	subscribers := s.subscribers
	s.mu.Unlock()
	for key := range news {
		for _, notify := range subscribers {
			notify(key.storageNamespace, key.name)
		}
	}
}

// reducer is the Store as the reflector sees it: it keeps an entry of each object and nothing of the object itself.
type reducer Store

var _ cache.TransformingStore = (*reducer)(nil)

// Add implements cache.ReflectorStore.
func (r *reducer) Add(object any) error { return r.take(object, r.index.observe) }

// Update implements cache.ReflectorStore.
func (r *reducer) Update(object any) error { return r.take(object, r.index.observe) }

// Delete implements cache.ReflectorStore.
func (r *reducer) Delete(object any) error { return r.take(object, r.index.vanished) }

func (r *reducer) take(object any, into func(*entry) bool) error {
	e, err := entryOf(object)
	if err != nil {
		return err
	}
	if into(e) {
		(*Store)(r).notify(map[releaseKey]struct{}{e.of: {}})
	}
	(*Store)(r).count()
	return nil
}

// entryOf is what is kept of an object of the watch.
func entryOf(object any) (*entry, error) {
	switch object := object.(type) {
	case *entry:
		return object, nil
	case *metav1.PartialObjectMetadata:
		return newEntry(object), nil
	default:
		return nil, fmt.Errorf("the watch of release records gave a %T", object)
	}
}

// Replace implements cache.ReflectorStore.
func (r *reducer) Replace(objects []any, resourceVersion string) error {
	entries := make([]*entry, 0, len(objects))
	for _, object := range objects {
		e, err := entryOf(object)
		if err != nil {
			return err
		}

		entries = append(entries, e)
	}

	news := r.index.replace(entries, resourceVersion)
	r.pages.Done()
	(*Store)(r).count()
	r.mu.Lock()
	first := !r.everSynced && !r.failedBefore
	r.synced = true
	r.everSynced = true
	r.err = nil
	(*Store)(r).settle()
	r.mu.Unlock()
	if !first {
		(*Store)(r).notify(news)
	}

	return nil
}

// Resync implements cache.ReflectorStore.
func (r *reducer) Resync() error { return nil }

// Transformer implements cache.TransformingStore: not even the first list is held in full.
func (r *reducer) Transformer() cache.TransformFunc {
	return func(object any) (any, error) {
		e, err := entryOf(object)
		if err != nil {
			return nil, err
		}
		if r.pages.Add(sizeOf(e)) != nil {
			return &entry{}, nil //nolint:nilerr // the watch ends; the reflector would log an error with the object
		}

		return e, nil
	}
}

// watched reports whether the watch will ever take up what is put into the index.
func (s *Store) watched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}
