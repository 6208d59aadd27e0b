package storage

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"fairlead.dev/fairlead/helmops/plan"
)

const (
	// secretType marks a Secret as a Helm 3 release record.
	secretType = "helm.sh/release.v1" //nolint:gosec // a type, no credential
	dataKey    = "release"
)

// systemLabels are set by the driver and never part of a release's own labels.
var systemLabels = []string{"name", "owner", "status", "version", "createdAt", "modifiedAt"}

// releaseKey is where the records of a release are. One storage namespace can hold releases of one name in several
// namespaces; they share it.
type releaseKey struct{ storageNamespace, name string }

// entry is one record reduced to what is known without its content.
type entry struct {
	of              releaseKey
	secret          string
	version         int
	uid             types.UID
	resourceVersion string
	createdAt       string
	modified        time.Time
	// note is nil when another Helm client wrote the record last.
	note *noted
	// owner is zero when no HelmRelease is named.
	owner plan.Owner
	// doubted is set when the record changed and its note did not, so that its content has to be compared with it.
	doubted bool
	// attempt of the watch in which this was learnt.
	attempt int
}

// secretName is how Helm names the Secret of a revision.
func secretName(name string, version int) string {
	return fmt.Sprintf("sh.helm.release.v1.%s.v%d", name, version)
}

func newEntry(secret metav1.Object) *entry {
	labels := secret.GetLabels()
	e := &entry{
		of:     releaseKey{storageNamespace: secret.GetNamespace(), name: labels["name"]},
		secret: secret.GetName(), uid: secret.GetUID(), resourceVersion: secret.GetResourceVersion(),
		createdAt: labels["createdAt"], modified: modified(secret),
		owner: parseOwner(secret.GetAnnotations()[OwnerAnnotation]),
	}
	version, err := strconv.Atoi(labels["version"])
	// Only the content shows what a record is that does not have the name its labels call for.
	if err == nil && version > 0 && e.secret == secretName(e.of.name, version) {
		e.version = version
		e.note = parseNote(secret.GetAnnotations()[Annotation])
	}

	return e
}

// newerThan reports whether e is of a later state of the cluster. Versions that cannot be compared count as news.
func (e *entry) newerThan(resourceVersion string) bool {
	order, err := resourceversion.CompareResourceVersion(e.resourceVersion, resourceVersion)
	if err != nil {
		return e.resourceVersion != resourceVersion
	}
	return order > 0
}

func (e *entry) key() secretKey { return secretKey{namespace: e.of.storageNamespace, name: e.secret} }

func (e *entry) fullName() string { return e.of.storageNamespace + "/" + e.secret }

// decodeSecret reads the content of a record.
func decodeSecret(secret *corev1.Secret) (storedRelease, error) {
	out, err := decode(secret.Data[dataKey])
	if err != nil {
		return storedRelease{}, err
	}

	rel := out.release
	// Helm's actions go by what is in the record, and would write to those of another release.
	if rel.Name != secret.Labels["name"] || secret.Name != secretName(rel.Name, rel.Version) {
		return storedRelease{}, fmt.Errorf("it is not named after the release and revision in it")
	}

	rel.Labels = ownLabels(secret.Labels)
	return out, nil
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

// modified is when the record was written last, as Helm notes it in labels.
func modified(secret metav1.Object) time.Time {
	for _, label := range []string{"modifiedAt", "createdAt"} {
		if seconds, err := strconv.ParseInt(secret.GetLabels()[label], 10, 64); err == nil {
			return time.Unix(seconds, 0)
		}
	}
	return secret.GetCreationTimestamp().Time
}
