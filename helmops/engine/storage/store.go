package storage

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/memory"
)

const (
	// releaseBytes bounds the decoded releases that are kept, by the size of their JSON.
	releaseBytes = 16 << 20
	// factsBytes bounds the facts that are kept of records of other Helm clients, about 16,000 of them.
	factsBytes = 16 << 20
)

// Store is the release records of one cluster. It is safe for concurrent use.
type Store struct {
	metadata metadata.Interface
	now      func() time.Time
	// memory is the account of the cluster; nil when it is trusted. pages are what the reflector holds of a list.
	memory   *memory.Account
	pages    memory.Pages
	index    *index
	encoder  *encoder
	releases *lru[contentKey, content]
	facts    *lru[identityKey, facts]
	reviews  *lru[reviewKey, review]

	mu                                        sync.Mutex
	running, synced, everSynced, failedBefore bool
	isSettled                                 bool
	settled                                   chan struct{}
	err                                       error
	subscribers                               []func(storageNamespace, releaseName string)
}

// Key names a Helm release and where its records are.
type Key struct {
	StorageNamespace, Name, Namespace string
}

func (k Key) of() releaseKey {
	return releaseKey{storageNamespace: k.StorageNamespace, name: k.Name}
}

// Reader is who reads or writes records.
type Reader struct {
	// Secrets of the storage namespace.
	Secrets typedcorev1.SecretInterface
	// As names the identity of Secrets. The content of a record that one identity read is never given to another.
	As string
	// Trusted is set when what the controller has read may be given to As without a review: it is the controller itself,
	// or its own namespace. Reviews asks what As may do; nil has the records read as As each time.
	Trusted bool
	Reviews Reviews
}

// Revision is a record together with the release it stands for.
type Revision struct {
	plan.Record
	// Release as Helm stored it. The caller may change it.
	Release *release.Release
	entry   entry
	size    int
}

// BrokenError says that a record cannot be read, so that nothing can be decided about its release.
type BrokenError struct {
	// Name of the Secret, with its namespace.
	Name  string
	Cause error
}

// Error implements error.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("release record %s is broken (%v); repair or delete that Secret", e.Name, e.Cause)
}

// Unwrap returns the cause.
func (e *BrokenError) Unwrap() error { return e.Cause }

// Reason is the reason for conditions.
func (e *BrokenError) Reason() string { return v1beta1.StorageErrorReason }

// contentKey and identityKey keep apart what different identities read.
type contentKey struct {
	as              string
	uid             types.UID
	resourceVersion string
}

type identityKey struct {
	as  string
	uid types.UID
}

// content is shared; nothing of it may be changed or handed out.
type content struct {
	release *release.Release
	// size of the JSON of the release.
	size   int
	record plan.Record
	note   *noted
}

type facts struct {
	resourceVersion string
	record          plan.Record
	note            *noted
}

// NewStore returns the records of the cluster that metadata, which reads Secrets of all namespaces, belongs to. Until
// Run is called, or for ever without metadata, every look at a release lists its records.
func NewStore(metadata metadata.Interface, now func() time.Time) *Store {
	return &Store{
		metadata: metadata, now: now, index: newIndex(), encoder: newEncoder(), settled: make(chan struct{}),
		err:      errNotWatching,
		releases: newLRU[contentKey, content](releaseBytes), facts: newLRU[identityKey, facts](factsBytes),
		reviews: newLRU[reviewKey, review](reviewCount),
	}
}

// Within bounds what is kept of a cluster that is not trusted by its account. The context of Run has to end when the
// account does. It is for setting up.
func (s *Store) Within(account *memory.Account) *Store {
	s.memory = account
	s.pages.Of = account
	s.releases.memory = account
	s.facts.memory = account
	s.encoder.members.memory = account
	return s
}

// History returns the revisions of a release, newest first. None is no error. It fails with a BrokenError when one of
// them cannot be read.
func (s *Store) History(ctx context.Context, reader Reader, key Key) ([]plan.Record, error) {
	items, err := s.look(ctx, reader, key)
	if err != nil {
		return nil, err
	}
	var history []plan.Record
	for _, i := range items {
		history = append(history, i.record)
	}
	return history, nil
}

// Revisions returns the revisions of a release with their releases, newest first.
func (s *Store) Revisions(ctx context.Context, reader Reader, key Key) ([]Revision, error) {
	items, err := s.look(ctx, reader, key)
	if err != nil {
		return nil, err
	}

	var revisions []Revision
	size := 0
	for _, i := range items {
		revision, err := s.revision(ctx, reader, i)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if size += revision.size; s.memory.Bounded() && size > maxRevisions {
			return nil, &HistoryError{Key: key, Limit: maxRevisions}
		}

		revisions = append(revisions, *revision)
	}

	return revisions, nil
}

// Newest returns the newest revision of a release, nil when there is none.
func (s *Store) Newest(ctx context.Context, reader Reader, key Key) (*Revision, error) {
	return s.first(ctx, reader, key, func(*item) bool { return true })
}

// One returns a revision of a release, nil when it is not there.
func (s *Store) One(ctx context.Context, reader Reader, key Key, version int) (*Revision, error) {
	return s.first(ctx, reader, key, func(i *item) bool { return i.record.Version == version })
}

func (s *Store) first(ctx context.Context, reader Reader, key Key, wanted func(*item) bool) (*Revision, error) {
	items, err := s.look(ctx, reader, key)
	if err != nil {
		return nil, err
	}

	for _, i := range items {
		if !wanted(i) {
			continue
		}

		revision, err := s.revision(ctx, reader, i)
		if errors.Is(err, errGone) {
			continue
		}

		return revision, err
	}

	return nil, nil //nolint:nilnil // None is no error.
}

func (s *Store) revision(ctx context.Context, reader Reader, i *item) (*Revision, error) {
	full, err := s.load(ctx, reader, i)
	if err != nil {
		return nil, err
	}
	return &Revision{Record: full.record, Release: copyOf(full.release), entry: i.entry, size: full.size}, nil
}

// Prune deletes the oldest revisions of a release until keep are left; 0 keeps all. The newest and deployed ones stay,
// and those that except names.
func (s *Store) Prune(ctx context.Context, writer Reader, key Key, keep int, except func(plan.Record) bool) error {
	items, err := s.look(ctx, writer, key)
	if err != nil || keep <= 0 {
		return err
	}

	sort.SliceStable(items, func(a, b int) bool { return items[a].record.Version > items[b].record.Version })
	var failures []error
	left := len(items)
	for n := len(items) - 1; n > 0 && left > keep; n-- {
		i := items[n]
		if i.record.Status == plan.StatusDeployed || except != nil && except(i.record) {
			continue
		}

		if err := s.remove(ctx, writer, &i.entry); err != nil {
			failures = append(failures, err)
			continue
		}

		left--
	}

	return errors.Join(failures...)
}
