package tracker

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// What an entry and a verdict take without their texts: the struct, its place in a map, and what allocations round up
// to.
const (
	entryCost   = 400
	verdictCost = 192
)

// maxFault bounds the text that is kept of why a kind cannot be watched.
const maxFault = 1024

// sizeOf estimates what an entry takes.
func sizeOf(k key, e *Entry) int64 {
	size := entryCost + len(k.namespace) + len(k.name) + len(e.UID) + len(e.Release) + len(e.ReleaseNamespace) +
		len(e.Ready.Message) + len(e.Complete.Message) + len(e.Ready.Quote) + len(e.Complete.Quote)
	if e.verdicts != nil {
		for _, v := range *e.verdicts {
			size += verdictCost + len(v.ready.Message) + len(v.ready.Quote) +
				len(v.complete.Message) + len(v.complete.Quote)
		}
	}
	return int64(size)
}

// putLocked puts an entry in its place. The lock is held.
func (c *contents) putLocked(k key, entry *Entry) {
	if old := c.entries[k]; old != nil {
		c.held -= sizeOf(k, old)
	}
	c.held += sizeOf(k, entry)
	c.entries[k] = entry
}

// uncounted returns what the entries take more than was counted before, and takes it as counted.
func (c *contents) uncounted() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	more := c.held - c.counted
	c.counted = c.held
	return more
}

// count has the account of the cluster follow what the contents take. No lock may be held.
func (s *stream) count() {
	_ = s.tracker.clients.Memory.Add(s.contents.uncounted()) // when the account has ended, the tracker ends, too
}

// drop releases everything when the watch has ended with the tracker of a cluster with an account. It notifies no
// owner: nothing is known any more, which is not the same as that it is gone.
func (s *stream) drop() {
	if !s.tracker.clients.Memory.Bounded() {
		return // the process ends
	}
	s.contents.clear()
	s.count()
	s.first.Done()
	_ = s.tracker.clients.Memory.Add(-streamCost) // it gives back
}

// page reduces a page of a list, so that the pages before the last are not held in full.
func (s *stream) page(o metav1.ListOptions, list runtime.Object) (runtime.Object, error) {
	if err := s.first.Take(o.Continue == ""); err != nil {
		return nil, err
	}

	about, err := meta.ListAccessor(list)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", s.kind, err)
	}

	out := &internalversion.List{ListMeta: metav1.ListMeta{
		ResourceVersion: about.GetResourceVersion(), Continue: about.GetContinue(),
		RemainingItemCount: about.GetRemainingItemCount(),
	}}
	err = meta.EachListItem(list, func(object runtime.Object) error {
		r, err := (*store)(s).take(object)
		if err != nil {
			return err
		}

		out.Items = append(out.Items, r)
		return s.first.Add(sizeOf(r.key, &r.entry))
	})
	return out, err
}

// nameless is what is kept of an object for which there is no room.
var nameless = &reduced{}

var (
	_ runtime.Object            = (*reduced)(nil)
	_ metav1.ObjectMetaAccessor = (*reduced)(nil)
)

// GetObjectMeta implements metav1.ObjectMetaAccessor, for the reflector.
func (r *reduced) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: r.key.namespace, Name: r.key.name}
}

// GetObjectKind implements runtime.Object, for the reflector.
func (r *reduced) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject implements runtime.Object.
func (r *reduced) DeepCopyObject() runtime.Object {
	out := *r
	return &out
}

// brief returns an answer of the API server with a text that is bounded: it is kept, and can be anything.
func brief(err error) error {
	var status *apierrors.StatusError
	switch {
	case len(err.Error()) <= maxFault:
		return err
	case errors.As(err, &status):
		out := &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: status.ErrStatus.Status, Message: cut(status.ErrStatus.Message, maxFault),
			Reason: metav1.StatusReason(cut(string(status.ErrStatus.Reason), maxFault)), Code: status.ErrStatus.Code,
		}}
		return out
	default:
		return errors.New(cut(err.Error(), maxFault))
	}
}
