package records

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"time"

	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/values"
)

// Revision is a record together with the release it stands for.
type Revision struct {
	plan.Record
	// Release as Helm stored it.
	Release *release.Release
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

// History reads all revisions of a release in namespace, newest first.
func History(ctx context.Context, secrets typedcorev1.SecretInterface, name, namespace string) ([]Revision, error) {
	selector := labels.Set{"owner": "helm", "name": name}.AsSelector().String()
	list, err := secrets.List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("listing the records of release %s: %w", name, err)
	}
	var revisions []Revision
	for i := range list.Items {
		if list.Items[i].Type != secretType {
			continue
		}
		revision, err := newRevision(&list.Items[i])
		if err != nil {
			return nil, &BrokenError{Name: list.Items[i].Namespace + "/" + list.Items[i].Name, Cause: err}
		}
		// One storage namespace can hold releases of one name in several namespaces.
		if revision.Release.Namespace == namespace {
			revisions = append(revisions, revision)
		}
	}
	sort.Slice(revisions, func(i, j int) bool { return revisions[i].Version > revisions[j].Version })
	return revisions, nil
}

func newRevision(secret *corev1.Secret) (Revision, error) {
	rel, err := decodeSecret(secret)
	if err != nil {
		return Revision{}, err
	}
	record := plan.Record{
		Version:       rel.Version,
		Status:        rel.Info.Status.String(),
		Description:   rel.Info.Description,
		ChartDigest:   secret.Annotations[ChartDigestAnnotation],
		ConfigDigest:  values.Digest(rel.Config),
		Digest:        digest(secret.Data[dataKey]),
		Ours:          secret.Annotations[WriterAnnotation] != "",
		Modified:      modified(secret),
		FirstDeployed: rel.Info.FirstDeployed.Time,
		LastDeployed:  rel.Info.LastDeployed.Time,
		Deleted:       rel.Info.Deleted.Time,
	}
	if rel.Chart != nil && rel.Chart.Metadata != nil {
		meta := rel.Chart.Metadata
		record.ChartName, record.ChartVersion, record.AppVersion = meta.Name, meta.Version, meta.AppVersion
	}
	return Revision{Record: record, Release: rel}, nil
}

// modified is when the record was written last, as Helm notes it in labels.
func modified(secret *corev1.Secret) time.Time {
	for _, label := range []string{"modifiedAt", "createdAt"} {
		if seconds, err := strconv.ParseInt(secret.Labels[label], 10, 64); err == nil {
			return time.Unix(seconds, 0)
		}
	}
	return secret.CreationTimestamp.Time
}
