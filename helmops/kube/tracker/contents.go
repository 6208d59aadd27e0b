package tracker

import (
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// contents are the entries of one kind. Entries are replaced, never changed.
type contents struct {
	mu      sync.RWMutex
	entries map[key]*Entry
	// seen is the resource version up to which the stream has reported everything; zero before its first list.
	seen   uint64
	synced bool
	// over is set when the stream has ended: what still comes is ignored.
	over bool
	// held is what the entries take, counted what of it was counted in the account of the cluster.
	held, counted int64
}

// reduced is an object on its way into the contents.
type reduced struct {
	key   key
	entry Entry
}

func (s Scope) take(object any) (*reduced, error) {
	switch object := object.(type) {
	case *reduced:
		return object, nil
	case *unstructured.Unstructured:
		return &reduced{key{object.GetNamespace(), object.GetName()}, s.reduce(object)}, nil
	case *metav1.PartialObjectMetadata:
		return &reduced{key{object.Namespace, object.Name}, s.reduceMetadata(object)}, nil
	default:
		return nil, fmt.Errorf("a watch sent a %T", object)
	}
}

func (c *contents) get(k key) (Entry, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	entry, ok := c.entries[k]
	if !ok {
		return Entry{}, false
	}
	return *entry, true
}

// change is one change of the contents.
type change struct {
	key           key
	before, after *Entry
}

// put takes in a watch event, unless something newer is known already.
func (c *contents) put(r *reduced) []change {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = max(c.seen, r.entry.ResourceVersion)
	return c.set(r)
}

func (c *contents) set(r *reduced) []change {
	old, ok := c.entries[r.key]
	if c.over || ok && r.entry.ResourceVersion < old.ResourceVersion {
		return nil
	}

	entry := r.entry.after(old)
	if ok && entry.equal(*old) {
		return nil
	}

	c.putLocked(r.key, &entry)
	return []change{{r.key, old, &entry}}
}

// after is the entry with what is remembered of our own writes to the same object.
func (e Entry) after(old *Entry) Entry {
	if old != nil && old.UID == e.UID {
		e.Applied = old.Applied
		e.Payload = old.Payload
	}
	return e
}

// remove takes in that an object is gone as of a resource version.
func (c *contents) remove(k key, version uint64) []change {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = max(c.seen, version)
	old, ok := c.entries[k]
	if !ok || version < old.ResourceVersion {
		return nil // it was recreated since
	}

	c.held -= sizeOf(k, old)
	delete(c.entries, k)
	return []change{{k, old, nil}}
}

// replace takes in a list as of a resource version. What was written after it stays.
func (c *contents) replace(list []*reduced, version uint64) (changed []change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return nil
	}

	old := c.entries
	if version < c.seen {
		old = nil // the cluster was restored from a backup: what is known is of another history
		for k, entry := range c.entries {
			changed = append(changed, change{k, entry, nil})
		}
	}

	c.entries = make(map[key]*Entry, len(list))
	c.seen = version
	c.synced = true
	c.held = 0
	for k, entry := range old {
		if entry.ResourceVersion > version {
			c.putLocked(k, entry)
		}
	}

	for _, r := range list {
		before := old[r.key]
		if before != nil && r.entry.ResourceVersion < before.ResourceVersion {
			c.putLocked(r.key, before)
			continue
		}

		entry := r.entry.after(before)
		c.putLocked(r.key, &entry)
		if before == nil || !before.equal(entry) {
			changed = append(changed, change{r.key, before, &entry})
		}
	}

	for k, entry := range old {
		if c.entries[k] == nil {
			changed = append(changed, change{k, entry, nil})
		}
	}

	return changed
}

// wrote takes in the answer to a write of ours. An object that is absent is gone when the stream has reported versions
// beyond the answer. complete says whether the answer shows the object's health.
func (c *contents) wrote(r *reduced, payload uint64, complete bool) []change {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.entries[r.key]
	switch {
	case c.over:
		return nil
	case old == nil && c.synced && r.entry.ResourceVersion <= c.seen:
		return nil
	case old != nil && r.entry.ResourceVersion < old.ResourceVersion && r.entry.UID != old.UID:
		return nil // another client deleted and recreated it
	}

	entry := r.entry
	switch {
	case old == nil || old.UID != entry.UID:
	case entry.ResourceVersion < old.ResourceVersion:
		entry = *old
	case !complete && entry.Generation == old.Generation:
		entry.Ready = old.Ready
		entry.Complete = old.Complete
		entry.verdicts = old.verdicts
	}

	entry.Applied = r.entry.Ownership
	entry.Payload = payload
	if old != nil && old.equal(entry) {
		return nil
	}

	c.putLocked(r.key, &entry)
	return []change{{r.key, old, &entry}}
}

// passed takes in that there was nothing new up to a resource version.
func (c *contents) passed(version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = max(c.seen, version)
}

// clear forgets everything and returns what there was.
func (c *contents) clear() (gone []change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, entry := range c.entries {
		gone = append(gone, change{k, entry, nil})
	}

	c.entries = nil
	c.synced = false
	c.over = true
	c.held = 0
	return gone
}
