package storage

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	helmtime "helm.sh/helm/v3/pkg/time"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/helmops/kube/ssa"
)

const (
	// room that a new record leaves for what the action notes on it later: how it ended, and when each hook ran.
	room        = 8 << 10
	roomPerHook = 64
)

// Create implements driver.Driver. It is Helm's lock: a record of that name that is there already means that another
// client is at work on the release, or, with a TakenError, that another release has it. It fails with a TooLargeError,
// before anything is applied, when the release does not fit.
func (d *Driver) Create(name string, rel *release.Release) error {
	return d.noteError(d.create(name, rel))
}

// Update implements driver.Driver. It fails with ErrModified when the record is no longer the one that the action read.
func (d *Driver) Update(name string, rel *release.Release) error {
	return d.noteError(d.update(name, rel))
}

// Delete implements driver.Driver. What it returns may be a stub.
func (d *Driver) Delete(name string) (*release.Release, error) {
	base, err := d.base(name)
	if err != nil {
		return nil, err
	}
	if err := d.noteError(d.store.remove(d.ctx, d.reader, &base)); err != nil {
		return nil, err
	}
	if full, found := d.store.releases.get(contentKey{d.reader.As, base.uid, base.resourceVersion}); found {
		return copyOf(full.release), nil
	}

	return &release.Release{
		Name: d.key.Name, Namespace: d.key.Namespace, Version: base.version, Info: &release.Info{},
	}, nil
}

func (d *Driver) noteError(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = err
	}
	return err
}

func (d *Driver) create(name string, rel *release.Release) error {
	data, err := d.store.encoder.pack(rel, d.note.ApplyMethod, maxSecret-room-roomPerHook*len(rel.Hooks))
	if err != nil {
		return fmt.Errorf("creating release record %s: %w", name, err)
	}

	about := note(rel, data, d.note, nil, d.failsAs())
	secret := newSecret(name, rel, data)
	annotate(secret, about, d.note.Owner)
	secret.Labels["createdAt"] = strconv.FormatInt(d.store.now().Unix(), 10)
	defer d.store.writing(secretKey{namespace: d.key.StorageNamespace, name: name})()
	created, err := d.reader.Secrets.Create(d.ctx, secret, metav1.CreateOptions{})
	if err != nil {
		d.store.index.doubt(d.key.of())
		if apierrors.IsAlreadyExists(err) {
			return d.exists(name)
		}

		return fmt.Errorf("creating release record %s: %w", name, ssa.Reworded(err, true))
	}

	d.wrote(rel, data, created)
	return nil
}

func (d *Driver) update(name string, rel *release.Release) error {
	base, err := d.base(name)
	if err != nil {
		return err
	}

	whole, err := d.hydrate(name, rel)
	if err != nil {
		return err
	}

	whole = d.concealed(whole)
	method, err := d.method(name)
	if err != nil {
		return err
	}

	data, err := d.store.encoder.pack(whole, method, maxSecret)
	if err != nil {
		return fmt.Errorf("updating release record %s: %w", name, err)
	}

	about := note(whole, data, Note{}, base.note, d.failsAs())
	owner := d.note.Owner
	if owner.IsZero() {
		owner = base.owner
	}

	if base.note != nil && base.note.Content == about.Content && owner == base.owner {
		d.setLast(rel)
		return nil // Helm writes records again that it did not change
	}

	secret := newSecret(name, whole, data)
	annotate(secret, about, owner)
	secret.UID = base.uid
	secret.ResourceVersion = base.resourceVersion
	if base.createdAt != "" {
		secret.Labels["createdAt"] = base.createdAt
	}

	secret.Labels["modifiedAt"] = strconv.FormatInt(d.store.now().Unix(), 10)
	defer d.store.writing(base.key())()
	updated, err := d.reader.Secrets.Update(d.ctx, secret, metav1.UpdateOptions{})
	if err != nil {
		d.store.index.doubt(d.key.of())
	}

	switch {
	case apierrors.IsNotFound(err):
		return driver.ErrReleaseNotFound
	case apierrors.IsConflict(err):
		return fmt.Errorf("updating release record %s: %w", name, ErrModified)
	case err != nil:
		return fmt.Errorf("updating release record %s: %w", name, ssa.Reworded(err, true))
	}
	d.wrote(whole, data, updated)
	d.setLast(rel)
	return nil
}

func (d *Driver) setLast(rel *release.Release) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = rel
}

// wrote takes in a record as the API server stored it.
func (d *Driver) wrote(rel *release.Release, data packed, stored *corev1.Secret) {
	e := newEntry(stored)
	if e.of.storageNamespace == "" {
		e.of.storageNamespace = d.key.StorageNamespace
	}

	d.mu.Lock()
	d.seen[e.secret] = *e
	d.methods[e.secret] = data.method
	d.last = rel
	d.mu.Unlock()
	d.store.wrote(d.reader, e, rel, data)
}

// writing holds back what the watch reports of a record until the function it returns is called.
func (s *Store) writing(key secretKey) func() {
	s.index.begin(key)
	return func() { s.notify(s.index.end(key)) }
}

func (s *Store) wrote(writer Reader, e *entry, rel *release.Release, data packed) {
	kept := copyOf(rel)
	kept.Labels = ownLabels(rel.Labels)
	if kept.Chart != nil {
		for _, part := range data.degraded {
			if part == degradedFiles {
				kept.Chart.Files = nil
			} else {
				kept.Chart.Templates = nil
			}
		}
	}

	of := storedRelease{release: kept, method: data.method, size: data.size}
	s.remember(writer, e, contentOf(of, e, digest(data.data)))
	if s.watched() {
		s.index.wrote(e)
	}
}

// remove deletes a record in the state it was read in. One that is gone is no error.
func (s *Store) remove(ctx context.Context, writer Reader, e *entry) error {
	options := metav1.DeleteOptions{}
	if e.uid != "" && e.resourceVersion != "" {
		options.Preconditions = &metav1.Preconditions{UID: &e.uid, ResourceVersion: &e.resourceVersion}
	}

	defer s.writing(e.key())()
	err := writer.Secrets.Delete(ctx, e.secret, options)
	if apierrors.IsConflict(err) {
		s.index.doubt(e.of)
		return fmt.Errorf("deleting release record %s: %w", e.fullName(), ErrModified)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		s.index.doubt(e.of)
		return fmt.Errorf("deleting release record %s: %w", e.fullName(), err)
	}

	if s.watched() {
		gone := *e
		s.index.deleted(&gone)
	}

	return nil
}

func newSecret(name string, rel *release.Release, data packed) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}},
		Type:       secretType,
		Data:       map[string][]byte{dataKey: data.data},
	}
	maps.Copy(secret.Labels, ownLabels(rel.Labels))
	maps.Copy(secret.Labels, map[string]string{
		"name": rel.Name, "owner": "helm", "status": rel.Info.Status.String(), "version": strconv.Itoa(rel.Version),
	})
	return secret
}

// HookDone notes on the revision written last that the Job or Pod of a hook has finished, and stores that immediately,
// so that the hook is not run a second time after a crash. It must be called from the goroutine of the action. An error
// is kept for Err: Helm's next write of the record meets it again.
func (d *Driver) HookDone(kind, namespace, name string, succeeded bool) {
	d.mu.Lock()
	rel := d.last
	d.mu.Unlock()
	hook := findHook(rel, kind, namespace, name)
	if hook == nil {
		return
	}

	hook.LastRun.CompletedAt = helmtime.Time{Time: d.store.now()}
	hook.LastRun.Phase = release.HookPhaseFailed
	if succeeded {
		hook.LastRun.Phase = release.HookPhaseSucceeded
	}

	_ = d.Update(secretName(rel.Name, rel.Version), rel)
}

// findHook prefers the hook that is running: one object can be the hook of several events.
func findHook(rel *release.Release, kind, namespace, name string) *release.Hook {
	if rel == nil {
		return nil
	}

	var found *release.Hook
	for _, hook := range rel.Hooks {
		var object struct {
			Kind     string `json:"kind"`
			Metadata struct {
				Name      string `json:"name"`
				Namespace string `json:"namespace"`
			} `json:"metadata"`
		}
		if err := yaml.Unmarshal([]byte(hook.Manifest), &object); err != nil {
			continue
		}

		in := object.Metadata.Namespace
		if in == "" {
			in = rel.Namespace
		}
		if object.Kind != kind || object.Metadata.Name != name || namespace != "" && in != namespace {
			continue
		}

		running := hook.LastRun.Phase == release.HookPhaseRunning || hook.LastRun.Phase == release.HookPhaseUnknown
		if running && !hook.LastRun.StartedAt.IsZero() {
			return hook
		}
		if found == nil {
			found = hook
		}
	}

	return found
}
