package view

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"fairlead.dev/fairlead/api/v1beta1"
)

// SourceRow is one ArtifactGenerator, Bucket, ExternalArtifact, GitRepository, HelmChart, HelmRepository or
// OCIRepository in a list.
type SourceRow struct {
	Namespace string `json:"namespace"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Phase     Phase  `json:"phase"`
	// Ready is true exactly when Phase is Ready.
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Suspended repeats spec.suspend.
	Suspended bool `json:"suspended"`
	// SuspendReason is what was said when it was suspended.
	SuspendReason string `json:"suspendReason,omitempty"`
	// URL of upstream. A HelmChart and an ExternalArtifact have Source instead, an ArtifactGenerator has several.
	URL string `json:"url,omitempty"`
	// Source that a HelmChart is taken from, or the ArtifactGenerator that makes an ExternalArtifact.
	Source *Reference `json:"source,omitempty"`
	// Chart that the artifact holds, for a HelmChart, an OCIRepository and an ExternalArtifact.
	Chart *v1beta1.ChartRevision `json:"chart,omitempty"`
	// Revision, Digest and Size of the artifact in the cache, absent before the first success.
	Revision string `json:"revision,omitempty"`
	Digest   string `json:"digest,omitempty"`
	Size     int64  `json:"size,omitempty"`
	// UpdatedAt is when the artifact came into the cache.
	UpdatedAt *metav1.Time `json:"updatedAt,omitempty"`
	CreatedAt metav1.Time  `json:"createdAt"`
}

// fetchedOf is the artifact that a source has of upstream; nil when it has none. That of a registry is a list of the
// charts in use, which the controller makes and which is there before anything was fetched.
func fetchedOf(source v1beta1.Source) *v1beta1.Artifact {
	if repository, is := source.(*v1beta1.HelmRepository); is && repository.IsOCI() {
		return nil
	}
	return source.GetArtifact()
}

// NewSourceRow projects a source.
func NewSourceRow(source v1beta1.Source) SourceRow {
	phase := PhaseOf(source)
	row := SourceRow{
		Namespace: source.GetNamespace(), Kind: KindOf(source), Name: source.GetName(), Phase: phase, Ready: phase == Ready,
		Reason: reasonOf(source), Message: messageOf(source), Suspended: source.IsSuspended(),
		SuspendReason: SuspendReason(source),
		CreatedAt:     source.GetCreationTimestamp(),
	}
	if artifact := fetchedOf(source); artifact != nil {
		row.Revision = artifact.Revision
		row.Digest = artifact.Digest
		row.Size = artifact.Size
		row.UpdatedAt = artifact.LastUpdateTime.DeepCopy()
	}

	switch v := source.(type) {
	case *v1beta1.Bucket:
		row.URL = v.Address()
	case *v1beta1.GitRepository:
		row.URL = v.Spec.URL
	case *v1beta1.HelmRepository:
		row.URL = v.Spec.URL
	case *v1beta1.OCIRepository:
		row.URL, row.Chart = v.Spec.URL, v.Status.Chart.DeepCopy()
	case *v1beta1.ExternalArtifact:
		row.Chart = v.Status.Chart.DeepCopy()
		if ref, ok := SourceOf(v); ok {
			row.Source = &ref
		}
	case *v1beta1.HelmChart:
		row.Chart = v.Status.Chart.DeepCopy()
		if ref, ok := SourceOf(v); ok {
			row.Source = &ref
		}
	}

	return row
}

// sourceRows returns a visitor of lists that collects the rows of their sources.
func sourceRows(rows *[]SourceRow) func(runtime.Object) error {
	return func(object runtime.Object) error {
		if source, ok := object.(v1beta1.Source); ok {
			*rows = append(*rows, NewSourceRow(source))
		}
		return nil
	}
}
