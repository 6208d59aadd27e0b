package storage

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	helmtime "helm.sh/helm/v3/pkg/time"

	"fairlead.dev/fairlead/helmops/plan"
)

// ErrModified says that another client wrote a record between our reading and writing it.
var ErrModified = errors.New("the release record was changed by another Helm client")

// Driver is the storage of one Helm action on one release. Each action has its own, because Helm's interface has no
// context and because every write is conditional on the state that the action read first.
type Driver struct {
	ctx    context.Context //nolint:containedctx // Helm's driver interface takes none.
	store  *Store
	reader Reader
	key    Key
	note   Note
	// conceal is never nil.
	conceal func(cause string) string
	// failsAs is never nil.
	failsAs func() plan.RevisionOutcome

	mu   sync.Mutex
	seen map[string]entry
	// methods of the records whose content was read or written. Helm's type of a release has no field for it.
	methods map[string]plan.ApplyMethod
	stubs   map[*release.Release]struct{}
	last    *release.Release
	err     error
}

var _ driver.Driver = (*Driver)(nil)

// Driver returns the storage for one action on a release, as the identity of reader. note is kept with each revision
// that the action creates.
func (s *Store) Driver(ctx context.Context, reader Reader, key Key, note Note) *Driver {
	return &Driver{
		ctx: ctx, store: s, reader: reader, key: key, note: note,
		seen: map[string]entry{}, methods: map[string]plan.ApplyMethod{}, stubs: map[*release.Release]struct{}{},
		conceal: func(cause string) string { return cause },
		failsAs: func() plan.RevisionOutcome { return plan.OutcomeFailed },
	}
}

// Conceal has secrets hidden in the cause that Helm notes on a failed revision; it often quotes the API server, which
// quotes values. It is called before the action begins.
func (d *Driver) Conceal(hide func(cause string) string) { d.conceal = hide }

// FailsAs sets what is asked for the outcome of a revision when Helm marks it as failed; otherwise it is OutcomeFailed.
// It is called before the action begins.
func (d *Driver) FailsAs(outcome func() plan.RevisionOutcome) { d.failsAs = outcome }

// concealed is a release whose description is fit to be stored.
func (d *Driver) concealed(rel *release.Release) *release.Release {
	if rel.Info == nil || rel.Info.Status != release.StatusFailed {
		return rel
	}

	cause := Cause(rel.Info.Description)
	hidden := d.conceal(cause)
	if hidden == cause {
		return rel
	}

	changed := *rel
	info := *rel.Info
	info.Description = strings.TrimSuffix(strings.TrimSpace(info.Description), cause) + hidden
	changed.Info = &info
	return &changed
}

// Name implements driver.Driver. Helm shows it to people; it is the name of Helm's own driver of the same format.
func (d *Driver) Name() string { return driver.SecretsDriverName }

// Expect makes the writes of d conditional on revisions being still what they were when they were read.
func (d *Driver) Expect(revisions ...Revision) {
	for i := range revisions {
		d.keepFirst(&revisions[i].entry)
		d.keepMethod(revisions[i].entry.secret, revisions[i].ApplyMethod)
	}
}

// Err returns the first error of a write. Helm only logs some of them.
func (d *Driver) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// Get implements driver.Driver.
func (d *Driver) Get(name string) (*release.Release, error) {
	i, err := d.item(name)
	if err != nil {
		return nil, err
	}
	return d.whole(i)
}

// List implements driver.Driver. It knows the records of its own release.
func (d *Driver) List(filter func(*release.Release) bool) ([]*release.Release, error) {
	found, err := d.query(nil)
	if err != nil {
		return nil, err
	}

	var kept []*release.Release
	for _, rel := range found {
		if filter(rel) {
			kept = append(kept, rel)
		}
	}

	return kept, nil
}

// Query implements driver.Driver. Revisions that are neither the newest nor deployed are stubs: name, namespace,
// version and how they ended, which is all that Helm's actions want of them.
func (d *Driver) Query(labels map[string]string) ([]*release.Release, error) {
	found, err := d.query(labels)
	if err == nil && len(found) == 0 {
		return nil, driver.ErrReleaseNotFound
	}
	return found, err
}

func (d *Driver) query(labels map[string]string) ([]*release.Release, error) {
	items, err := d.store.look(d.ctx, d.reader, d.key)
	if err != nil {
		return nil, err
	}

	var found []*release.Release
	for n, i := range items {
		matches, own := d.matches(i, labels)
		if !matches {
			continue
		}

		var rel *release.Release
		if n == 0 || own || i.record.Status == plan.StatusDeployed {
			rel, err = d.whole(i)
		} else {
			rel = d.stub(i)
		}

		if errors.Is(err, driver.ErrReleaseNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if own && !hasLabels(rel, labels) {
			continue
		}

		found = append(found, rel)
	}

	return found, nil
}

// matches also reports whether there are labels that only the release itself has.
func (d *Driver) matches(i *item, labels map[string]string) (matches, own bool) {
	for name, value := range labels {
		var is string
		switch name {
		case "name":
			is = d.key.Name
		case "owner":
			is = "helm"
		case "status":
			is = i.record.Status
		case "version":
			is = strconv.Itoa(i.record.Version)
		default:
			own = true
			continue
		}

		if is != value {
			return false, own
		}
	}
	return true, own
}

func hasLabels(rel *release.Release, labels map[string]string) bool {
	for name, value := range labels {
		switch name {
		case "name", "owner", "status", "version":
		default:
			if rel.Labels[name] != value {
				return false
			}
		}
	}
	return true
}

// item finds a record of the release by the name of its Secret.
func (d *Driver) item(name string) (*item, error) {
	items, err := d.store.look(d.ctx, d.reader, d.key)
	if err != nil {
		return nil, err
	}

	for _, i := range items {
		if i.secret == name {
			return i, nil
		}
	}

	return nil, driver.ErrReleaseNotFound
}

func (d *Driver) whole(i *item) (*release.Release, error) {
	full, err := d.store.load(d.ctx, d.reader, i)
	if errors.Is(err, errGone) {
		return nil, driver.ErrReleaseNotFound
	}
	if err != nil {
		return nil, err
	}

	d.keepFirst(&i.entry)
	d.keepMethod(i.secret, full.record.ApplyMethod)
	return copyOf(full.release), nil
}

func (d *Driver) keepMethod(secret string, method plan.ApplyMethod) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.methods[secret] = method
}

// method returns how the objects of a record were written, which stays as it is when the record is written again.
func (d *Driver) method(secret string) (plan.ApplyMethod, error) {
	d.mu.Lock()
	method, known := d.methods[secret]
	d.mu.Unlock()
	if known {
		return method, nil
	}

	i, err := d.item(secret)
	if err != nil {
		return "", err
	}

	return i.record.ApplyMethod, nil
}

func (d *Driver) stub(i *item) *release.Release {
	d.keepFirst(&i.entry)
	record := i.record
	rel := &release.Release{
		Name: d.key.Name, Namespace: record.Namespace, Version: record.Version,
		Info: &release.Info{
			Status: release.Status(record.Status), Description: record.Description,
			FirstDeployed: helmtime.Time{Time: record.FirstDeployed}, LastDeployed: helmtime.Time{Time: record.LastDeployed},
			Deleted: helmtime.Time{Time: record.Deleted},
		},
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stubs[rel] = struct{}{}
	return rel
}

// keepFirst keeps the first state of a record that the action met; what it does is based on that one.
func (d *Driver) keepFirst(e *entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.seen[e.secret]; !known {
		d.seen[e.secret] = *e
	}
}

// base returns the state that a write of a record has to be based on.
func (d *Driver) base(name string) (entry, error) {
	d.mu.Lock()
	known, found := d.seen[name]
	d.mu.Unlock()
	if found {
		return known, nil
	}

	i, err := d.item(name)
	if err != nil {
		return entry{}, err
	}

	d.keepFirst(&i.entry)
	return i.entry, nil
}

// hydrate returns the whole release that a stub stands for, with what was changed in the stub.
func (d *Driver) hydrate(name string, rel *release.Release) (*release.Release, error) {
	d.mu.Lock()
	_, isStub := d.stubs[rel]
	d.mu.Unlock()
	if !isStub {
		return rel, nil
	}

	full, err := d.Get(name)
	if err != nil {
		return nil, fmt.Errorf("reading release record %s before changing it: %w", name, err)
	}
	if rel.Info.Description == bound(full.Info.Description) {
		rel.Info.Description = full.Info.Description
	}

	full.Info.Status = rel.Info.Status
	full.Info.Description = rel.Info.Description
	full.Info.Deleted = rel.Info.Deleted
	return full, nil
}
