package storage

import (
	"context"
	"errors"
	"fmt"
	"sort"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"fairlead.dev/fairlead/helmops/plan"
)

// errGone says that a record was deleted since it was looked at.
var errGone = errors.New("the release record is gone")

// item is a record as one look at a release found it.
type item struct {
	entry
	record plan.Record
	// full is the Secret itself when the look brought it along.
	full *corev1.Secret
}

// look returns the records of a release, newest first, with their facts.
func (s *Store) look(ctx context.Context, reader Reader, key Key) ([]*item, error) {
	items, _, err := s.lookAround(ctx, reader, key)
	return items, err
}

// lookAround returns the records of a release, and those of releases of the same name in other namespaces that share
// the place, both newest first, with their facts.
func (s *Store) lookAround(ctx context.Context, reader Reader, key Key) (own, others []*item, err error) {
	found, err := s.find(ctx, reader, key)
	if err != nil {
		return nil, nil, err
	}

	size := 0
	for _, i := range found {
		err := s.learn(ctx, reader, i)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if size += sizeOfRecord(&i.record); s.memory.Bounded() && size > maxHistory {
			return nil, nil, &HistoryError{Key: key, Limit: maxHistory}
		}

		if i.record.Namespace == key.Namespace {
			own = append(own, i)
		} else {
			others = append(others, i)
		}
	}

	for _, items := range [][]*item{own, others} {
		sort.Slice(items, func(a, b int) bool { return items[a].record.Version > items[b].record.Version })
	}

	return own, others, nil
}

// find returns the records of all releases that share the place, from the index if that can be relied on.
func (s *Store) find(ctx context.Context, reader Reader, key Key) ([]*item, error) {
	watching, err := s.watching(ctx)
	if err != nil {
		return nil, err
	}

	known := watching
	if watching {
		if known, err = s.mayRead(ctx, reader, key); err != nil {
			return nil, err
		}
	}

	if known {
		if entries, sure := s.index.of(key.of()); sure {
			items := make([]*item, 0, len(entries))
			for _, e := range entries {
				items = append(items, &item{entry: e})
			}

			return items, nil
		}
	}

	options := metav1.ListOptions{
		LabelSelector: labels.Set{"owner": "helm", "name": key.Name}.AsSelector().String(), FieldSelector: typeSelector,
	}
	list, err := reader.Secrets.List(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("listing the records of release %s in namespace %s: %w", key.Name, key.StorageNamespace, err)
	}

	var items []*item
	for n := range list.Items {
		if list.Items[n].Type == secretType {
			items = append(items, &item{entry: *newEntry(&list.Items[n]), full: &list.Items[n]})
		}
	}

	if watching {
		s.index.compare(key.of(), items)
	}

	return items, nil
}

// learn fills in the facts of a record, reading it only when neither its note nor an earlier look has them.
func (s *Store) learn(ctx context.Context, reader Reader, i *item) error {
	known, found := s.facts.get(identityKey{reader.As, i.uid})
	if found && i.resourceVersion != "" && known.resourceVersion == i.resourceVersion {
		i.record = known.record
		i.note = known.note
		i.doubted = false
		return nil
	}

	if i.full != nil && i.note != nil && i.note.Content != digest(i.full.Data[dataKey]) {
		i.note = nil
	}

	if i.note != nil && !i.note.Partial && (i.full != nil || !i.doubted) {
		i.record = i.note.record(i.version, i.modified)
		i.record.Owner = i.owner
		return nil
	}

	loaded, err := s.load(ctx, reader, i)
	if err != nil {
		return err
	}

	i.record = loaded.record
	return nil
}

// load returns the content of a record and brings i up to the state it is of.
func (s *Store) load(ctx context.Context, reader Reader, i *item) (content, error) {
	if known, found := s.releases.get(contentKey{reader.As, i.uid, i.resourceVersion}); found && i.resourceVersion != "" {
		i.record = known.record
		i.note = known.note
		i.doubted = false
		return known, nil
	}

	if i.full == nil {
		secret, err := reader.Secrets.Get(ctx, i.secret, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return content{}, errGone
		}
		if err != nil {
			return content{}, fmt.Errorf("reading release record %s: %w", i.fullName(), err)
		}

		i.full = secret
	}

	secret := i.full
	if secret.Type != secretType {
		return content{}, &BrokenError{Name: i.fullName(), Cause: errors.New("it is no Helm release record any more")}
	}

	found, err := decodeSecret(secret)
	if err != nil {
		return content{}, &BrokenError{Name: i.fullName(), Cause: err}
	}

	i.entry = *newEntry(secret)
	made := contentOf(found, &i.entry, digest(secret.Data[dataKey]))
	i.note = made.note
	i.record = made.record
	i.full = nil
	s.remember(reader, &i.entry, made)
	return made, nil
}

func (s *Store) remember(reader Reader, e *entry, c content) {
	known := facts{resourceVersion: e.resourceVersion, record: c.record, note: c.note}
	cost := sizeOfRecord(&c.record)
	if c.note != nil {
		cost += sizeOfNote(c.note)
	}
	s.facts.put(identityKey{reader.As, e.uid}, known, cost)
	s.releases.put(contentKey{reader.As, e.uid, e.resourceVersion}, c, c.size)
}

// contentOf drops a note that was made on another content.
func contentOf(of storedRelease, e *entry, digest string) content {
	c := content{release: of.release, size: of.size, record: recordOf(of.release), note: e.note}
	c.record.ApplyMethod = of.method
	c.record.Modified = e.modified
	c.record.Digest = digest
	c.record.Owner = e.owner
	if c.note != nil && c.note.Content != digest {
		c.note = nil
	}

	if c.note != nil {
		c.note.supplement(&c.record)
	} else {
		c.record.ConfigDigest = configDigest(of.release)
	}

	return c
}
