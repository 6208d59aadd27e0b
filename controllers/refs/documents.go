package refs

import (
	"container/list"
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// MaxDocuments bounds what is kept of ConfigMaps and Secrets, in bytes.
const MaxDocuments = 16 << 20

// Document names a ConfigMap or Secret.
type Document struct {
	Kind string
	types.NamespacedName
}

// document is the content of a ConfigMap or Secret at one version, or that there is none.
type document struct {
	key     Document
	exists  bool
	uid     types.UID
	version string
	data    map[string][]byte
	size    int
}

// Documents reads the ConfigMaps and Secrets that objects name. What was read is kept until the metadata in the cache
// shows another version, so looking again costs no request; and no longer than an object names it, because it may be
// secret.
type Documents struct {
	cached client.Reader // metadata
	live   client.Reader
	budget int

	mu    sync.Mutex
	users map[Document]map[types.NamespacedName]struct{} // who names what
	named map[types.NamespacedName][]Document            // the same by document
	kept  map[Document]*list.Element                     // of *document
	order *list.List                                     // the one that was used last is in front
	size  int
	reads map[version]*reading // under way
}

// version is what the cache has seen of a document.
type version struct {
	Document
	uid     types.UID
	version string
}

// reading is a request for a document. What it found is there when done is closed, nil when the request failed.
type reading struct {
	done  chan struct{}
	found *document
}

// NewDocuments returns documents that keep up to budget bytes. cached knows the metadata, live is the API server.
func NewDocuments(cached, live client.Reader, budget int) *Documents {
	return &Documents{
		cached: cached, live: live, budget: budget, order: list.New(),
		users: map[Document]map[types.NamespacedName]struct{}{}, named: map[types.NamespacedName][]Document{},
		kept: map[Document]*list.Element{}, reads: map[version]*reading{},
	}
}

// Name records what an object names now. What no object names any more is dropped.
func (d *Documents) Name(user types.NamespacedName, keys ...Document) {
	d.mu.Lock()
	defer d.mu.Unlock()
	former := d.named[user]
	delete(d.named, user)
	if len(keys) > 0 {
		d.named[user] = keys
	}

	for _, key := range former {
		delete(d.users[key], user)
	}

	for _, key := range keys {
		if d.users[key] == nil {
			d.users[key] = map[types.NamespacedName]struct{}{}
		}
		d.users[key][user] = struct{}{}
	}

	for _, key := range former {
		if len(d.users[key]) == 0 {
			delete(d.users, key)
			d.drop(key)
		}
	}
}

// Get returns the content of a ConfigMap or Secret, by key. It is shared: callers do not change it.
func (d *Documents) Get(ctx context.Context, key Document) (map[string][]byte, error) {
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(key.Kind))
	if err := d.cached.Get(ctx, key.NamespacedName, metadata); client.IgnoreNotFound(err) != nil {
		return nil, err
	}

	found, err := d.at(ctx, version{key, metadata.UID, metadata.ResourceVersion})
	if err != nil {
		return nil, err
	}

	return found.content()
}

// content returns the data, or the answer of an API server that has no such object.
func (d *document) content() (map[string][]byte, error) {
	if !d.exists {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: d.key.Kind}, d.key.Name)
	}
	return d.data, nil
}

// at returns a document at that version or a later one. A change of what many objects name brings all of them here
// together: one reads, the others wait for it. Only who has seen the same version waits, because the answer may be
// older than others.
func (d *Documents) at(ctx context.Context, seen version) (*document, error) {
	for {
		found, other, mine := d.findOrBegin(seen)
		if found != nil {
			return found, nil
		}

		if mine != nil {
			found, err := d.read(ctx, seen.Document)
			d.end(seen, mine, found)
			return found, err
		}

		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}

		if other.found != nil {
			return other.found, nil
		}
	}
}

// findOrBegin returns a document that is kept, or else a request that is under way, or else a request that the caller
// has to make and to end.
func (d *Documents) findOrBegin(seen version) (found *document, other, mine *reading) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if found = d.find(seen); found != nil {
		return found, nil, nil
	}
	if other = d.reads[seen]; other != nil {
		return nil, other, nil
	}

	mine = &reading{done: make(chan struct{})}
	d.reads[seen] = mine
	return nil, nil, mine
}

// end gives those who wait what was found, nil for a failure, and keeps it.
func (d *Documents) end(seen version, mine *reading, found *document) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.reads, seen)
	mine.found = found
	close(mine.done)
	if found != nil {
		d.put(found)
	}
}

// read asks the API server. That there is no such object is an answer too: the cache may only be behind.
func (d *Documents) read(ctx context.Context, key Document) (*document, error) {
	return fetchDocument(ctx, d.live, key)
}

// Read reads a ConfigMap or Secret, and keeps nothing.
func Read(ctx context.Context, reader client.Reader, key Document) (map[string][]byte, error) {
	found, err := fetchDocument(ctx, reader, key)
	if err != nil {
		return nil, err
	}
	return found.content()
}

func fetchDocument(ctx context.Context, reader client.Reader, key Document) (*document, error) {
	found := &document{key: key, exists: true, data: map[string][]byte{}}
	var err error
	if key.Kind == "Secret" {
		secret := &corev1.Secret{}
		err = reader.Get(ctx, key.NamespacedName, secret)
		found.uid = secret.UID
		found.version = secret.ResourceVersion
		for name, value := range secret.Data {
			found.add(name, value)
		}
	} else {
		config := &corev1.ConfigMap{}
		err = reader.Get(ctx, key.NamespacedName, config)
		found.uid = config.UID
		found.version = config.ResourceVersion
		for name, value := range config.Data {
			found.add(name, []byte(value))
		}

		for name, value := range config.BinaryData {
			found.add(name, value)
		}
	}

	if apierrors.IsNotFound(err) {
		return &document{key: key}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", key.Kind, key.NamespacedName, err)
	}

	return found, nil
}

func (d *document) add(name string, value []byte) {
	if value == nil {
		value = []byte{} // the key is there
	}
	d.data[name] = value
	d.size += len(name) + len(value)
}

// find returns what is kept of the object at that version. The caller holds the lock.
func (d *Documents) find(seen version) *document {
	element := d.kept[seen.Document]
	if element == nil {
		return nil
	}

	found := element.Value.(*document)
	if found.uid != seen.uid || found.version != seen.version {
		return nil
	}

	d.order.MoveToFront(element)
	return found
}

// put keeps a document. The caller holds the lock.
func (d *Documents) put(found *document) {
	d.drop(found.key)
	if len(d.users[found.key]) == 0 || found.size > d.budget {
		return
	}
	d.kept[found.key] = d.order.PushFront(found)
	d.size += found.size
	for d.size > d.budget {
		d.drop(d.order.Back().Value.(*document).key)
	}
}

// drop forgets a document. The caller holds the lock.
func (d *Documents) drop(key Document) {
	if element := d.kept[key]; element != nil {
		d.size -= element.Value.(*document).size
		d.order.Remove(element)
		delete(d.kept, key)
	}
}
