package records

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

const (
	// secretType marks a Secret as a Helm 3 release record.
	secretType = "helm.sh/release.v1" //nolint:gosec // a type, no credential
	dataKey    = "release"

	// ChartDigestAnnotation is the exact chart of the revision.
	ChartDigestAnnotation = "fairlead.dev/chart-digest"
	// WriterAnnotation marks a record that Fairlead wrote last.
	WriterAnnotation = "fairlead.dev/written-by"
)

// systemLabels are set by the driver and never part of a release's own labels.
var systemLabels = []string{"name", "owner", "status", "version", "createdAt", "modifiedAt"}

// ErrModified says that somebody else wrote a record between our reading and writing it.
var ErrModified = errors.New("the release record was changed by another Helm client")

// Driver stores the records of one Helm action. It is made anew for every action, because Helm's interface has no context
// and because it remembers what it read, to notice writes of others.
type Driver struct {
	ctx         context.Context //nolint:containedctx // Helm's driver interface takes none.
	secrets     typedcorev1.SecretInterface
	chartDigest string
	now         func() time.Time

	mu   sync.Mutex
	seen map[string]*corev1.Secret
}

var _ driver.Driver = (*Driver)(nil)

// NewDriver returns a driver for one action on releases whose records are behind secrets. chartDigest is noted on each
// revision that the action creates.
func NewDriver(ctx context.Context, secrets typedcorev1.SecretInterface, chartDigest string, now func() time.Time) *Driver {
	return &Driver{ctx: ctx, secrets: secrets, chartDigest: chartDigest, now: now, seen: map[string]*corev1.Secret{}}
}

// Name implements driver.Driver. Helm shows it to people; it is the name of Helm's own driver of the same format.
func (d *Driver) Name() string { return driver.SecretsDriverName }

// Create implements driver.Driver. It is Helm's lock: a record of that name that is there already means that somebody
// else is at work on the release.
func (d *Driver) Create(key string, rel *release.Release) error {
	secret, err := d.secret(key, rel, nil)
	if err != nil {
		return err
	}
	secret.Labels["createdAt"] = strconv.FormatInt(d.now().Unix(), 10)
	created, err := d.secrets.Create(d.ctx, secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return driver.ErrReleaseExists
	}
	if err != nil {
		return fmt.Errorf("creating release record %s: %w", key, err)
	}
	d.remember(created)
	return nil
}

// Update implements driver.Driver. It fails with ErrModified when the record is no longer the one this driver read.
func (d *Driver) Update(key string, rel *release.Release) error {
	before, err := d.last(key)
	if err != nil {
		return err
	}
	secret, err := d.secret(key, rel, before)
	if err != nil {
		return err
	}
	if digest(secret.Data[dataKey]) == digest(before.Data[dataKey]) && before.Annotations[WriterAnnotation] != "" {
		return nil // Helm writes records again that it did not change
	}
	secret.Labels["modifiedAt"] = strconv.FormatInt(d.now().Unix(), 10)
	updated, err := d.secrets.Update(d.ctx, secret, metav1.UpdateOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return driver.ErrReleaseNotFound
	case apierrors.IsConflict(err):
		return fmt.Errorf("updating release record %s: %w", key, ErrModified)
	case err != nil:
		return fmt.Errorf("updating release record %s: %w", key, err)
	}
	d.remember(updated)
	return nil
}

// Delete implements driver.Driver.
func (d *Driver) Delete(key string) (*release.Release, error) {
	rel, err := d.Get(key)
	if err != nil {
		return nil, err
	}
	if err := d.secrets.Delete(d.ctx, key, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("deleting release record %s: %w", key, err)
	}
	return rel, nil
}

// Get implements driver.Driver.
func (d *Driver) Get(key string) (*release.Release, error) {
	secret, err := d.secrets.Get(d.ctx, key, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, driver.ErrReleaseNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading release record %s: %w", key, err)
	}
	d.remember(secret)
	return decodeSecret(secret)
}

// List implements driver.Driver.
func (d *Driver) List(filter func(*release.Release) bool) ([]*release.Release, error) {
	found, err := d.query(labels.Set{"owner": "helm"})
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

// Query implements driver.Driver.
func (d *Driver) Query(keyvals map[string]string) ([]*release.Release, error) {
	found, err := d.query(keyvals)
	if err == nil && len(found) == 0 {
		return nil, driver.ErrReleaseNotFound
	}
	return found, err
}

func (d *Driver) query(selector labels.Set) ([]*release.Release, error) {
	list, err := d.secrets.List(d.ctx, metav1.ListOptions{LabelSelector: selector.AsSelector().String()})
	if err != nil {
		return nil, fmt.Errorf("listing release records: %w", err)
	}
	var found []*release.Release
	for i := range list.Items {
		if list.Items[i].Type != secretType {
			continue
		}
		rel, err := decodeSecret(&list.Items[i])
		if err != nil {
			return nil, fmt.Errorf("release record %s: %w", list.Items[i].Name, err)
		}
		d.remember(&list.Items[i])
		found = append(found, rel)
	}
	return found, nil
}

// secret builds the record. What an earlier version of it said about the chart stays.
func (d *Driver) secret(key string, rel *release.Release, before *corev1.Secret) (*corev1.Secret, error) {
	data, err := encode(rel)
	if err != nil {
		return nil, fmt.Errorf("encoding release record %s: %w", key, err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: key, Labels: map[string]string{}, Annotations: map[string]string{WriterAnnotation: "fairlead"}},
		Type:       secretType,
		Data:       map[string][]byte{dataKey: data},
	}
	chartDigest := d.chartDigest
	if before != nil {
		secret.UID, secret.ResourceVersion = before.UID, before.ResourceVersion
		chartDigest = before.Annotations[ChartDigestAnnotation]
		if created := before.Labels["createdAt"]; created != "" {
			secret.Labels["createdAt"] = created
		}
	}
	if chartDigest != "" {
		secret.Annotations[ChartDigestAnnotation] = chartDigest
	}
	maps.Copy(secret.Labels, ownLabels(rel.Labels))
	maps.Copy(secret.Labels, map[string]string{
		"name": rel.Name, "owner": "helm", "status": rel.Info.Status.String(), "version": strconv.Itoa(rel.Version),
	})
	return secret, nil
}

func (d *Driver) remember(secret *corev1.Secret) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[secret.Name] = secret
}

// last returns the record as this driver saw it last, reading it when it never did.
func (d *Driver) last(key string) (*corev1.Secret, error) {
	d.mu.Lock()
	secret := d.seen[key]
	d.mu.Unlock()
	if secret != nil {
		return secret, nil
	}
	if _, err := d.Get(key); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen[key], nil
}

func decodeSecret(secret *corev1.Secret) (*release.Release, error) {
	rel, err := decode(secret.Data[dataKey])
	if err != nil {
		return nil, err
	}
	rel.Labels = ownLabels(secret.Labels)
	return rel, nil
}

func ownLabels(all map[string]string) map[string]string {
	own := maps.Clone(all)
	for _, name := range systemLabels {
		delete(own, name)
	}
	if len(own) == 0 {
		return nil
	}
	return own
}
