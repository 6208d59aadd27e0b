package storage

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// Bounds of what one look at a release on a cluster that is not trusted may bring, in bytes. The cluster can make up
// any number of revisions.
const (
	// maxHistory is for the facts of all revisions, about 800 of them.
	maxHistory = 1 << 20
	// maxRevisions is for the releases of all revisions, unpacked.
	maxRevisions = 32 << 20
)

// What an entry, a note, a record and a test take without their texts.
const (
	entryCost  = 512
	noteCost   = 512
	recordCost = 512
	testCost   = 96
)

// HistoryError says that a cluster of a kubeconfig has more revisions of a release than are read. Trying again helps
// when it has less.
type HistoryError struct {
	Key Key
	// Limit in bytes.
	Limit int
}

// Error implements error.
func (e *HistoryError) Error() string {
	return fmt.Sprintf("the records of release %s in namespace %s take more than %d KiB, which is what is read of a "+
		"cluster of a kubeconfig; "+
		"delete the oldest of these Secrets", e.Key.Name, e.Key.StorageNamespace, e.Limit>>10)
}

// Reason is the reason for conditions.
func (e *HistoryError) Reason() string { return v1beta1.StorageErrorReason }

// sizeOfRecord estimates what the facts of a revision take.
func sizeOfRecord(r *plan.Record) int {
	size := recordCost + len(r.Namespace) + len(r.Status) + len(r.Description) + len(r.Chart.Name) + len(r.Chart.Version) +
		len(r.AppVersion) +
		len(r.Chart.Digest) + len(r.ConfigDigest) + len(r.RenderDigest) + len(r.ForwardOnly) + len(r.Degraded) +
		len(r.ApplyMethod) + len(r.Outcome) + len(r.Action)
	for _, test := range r.Tests {
		size += testCost + len(test.Name) + len(test.Phase)
	}
	return size
}

// sizeOf estimates what an entry takes.
func sizeOf(e *entry) int64 {
	size := entryCost + len(e.of.storageNamespace) + len(e.of.name) + len(e.secret) + len(e.uid) + len(e.resourceVersion) +
		len(e.createdAt) +
		len(e.owner.Namespace) + len(e.owner.Name) + len(e.owner.UID)
	if e.note != nil {
		size += sizeOfNote(e.note)
	}
	return int64(size)
}

func sizeOfNote(n *noted) int {
	size := noteCost + len(n.Namespace) + len(n.Status) + len(n.ChartName) + len(n.ChartVersion) + len(n.AppVersion) +
		len(n.ChartDigest) +
		len(n.ConfigDigest) + len(n.RenderDigest) + len(n.Content) + len(n.Description) + len(n.ForwardOnly) +
		len(n.ApplyMethod) + len(n.Outcome) + len(n.Action)
	for _, test := range n.Tests {
		size += testCost + len(test.Name) + len(test.Phase)
	}

	for _, part := range n.Degraded {
		size += testCost + len(part)
	}

	return size
}

// uncounted returns what the index takes more than was counted before, and takes it as counted.
func (x *index) uncounted() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	more := x.bytes - x.counted
	x.counted = x.bytes
	return more
}

// clear forgets everything.
func (x *index) clear() {
	x.mu.Lock()
	defer x.mu.Unlock()
	clear(x.entries)
	clear(x.gone)
	clear(x.unsure)
	for _, flight := range x.writing { // their ends are still to come
		flight.told = nil
	}
	x.bytes = 0
}

// count has the account of the cluster follow what the index takes. No lock may be held.
func (s *Store) count() {
	_ = s.memory.Add(s.index.uncounted()) // when the account has ended, the watch ends, too
}

// forget lets go of everything when the watch of a cluster with an account has ended.
func (s *Store) forget() {
	if !s.memory.Bounded() {
		return // the process ends
	}
	s.index.clear()
	s.count()
	s.pages.Done()
	s.releases.clear()
	s.facts.clear()
	s.encoder.members.clear()
}

// page reduces a page of a list, so that the pages before the last are not held in full.
func (s *Store) page(o metav1.ListOptions, list *metav1.PartialObjectMetadataList) (runtime.Object, error) {
	if err := s.pages.Take(o.Continue == ""); err != nil {
		return nil, err
	}

	out := &internalversion.List{ListMeta: list.ListMeta}
	for i := range list.Items {
		e := newEntry(&list.Items[i])
		out.Items = append(out.Items, e)
		if err := s.pages.Add(sizeOf(e)); err != nil {
			return nil, err
		}
	}

	return out, nil
}

var (
	_ runtime.Object            = (*entry)(nil)
	_ metav1.ObjectMetaAccessor = (*entry)(nil)
)

// GetObjectMeta implements metav1.ObjectMetaAccessor, for the reflector.
func (e *entry) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: e.of.storageNamespace, Name: e.secret}
}

// GetObjectKind implements runtime.Object, for the reflector.
func (e *entry) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject implements runtime.Object.
func (e *entry) DeepCopyObject() runtime.Object {
	out := *e
	return &out
}
