package catalog

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources/store"
)

// IsPinnedStage reports whether an object is the OCIRepository of a stage, pinned to a digest by its pipeline.
func IsPinnedStage(object Object) bool {
	repository, is := object.(*v1beta1.OCIRepository)
	if !is || repository.Spec.Reference == nil || repository.Spec.Reference.Digest == "" {
		return false
	}
	owner := metav1.GetControllerOf(repository)
	return owner != nil && owner.Kind == v1beta1.ReleasePipelineKind
}

// asksNothing reports whether a poll of the source of a stage brings nothing new: it is pinned to a digest that is in
// the cache, and was fetched with the present credentials. Upstream is asked about the subject of the pipeline. A poll
// that a user asks for asks upstream, and so does one after a poll that failed.
func (c *Catalog) asksNothing(repository *v1beta1.OCIRepository, access store.Holder) bool {
	ref := repository.Spec.Reference
	had := repository.GetArtifact()
	switch {
	case !IsPinnedStage(repository):
		return false
	case had == nil || !strings.HasSuffix(had.Revision, "@"+ref.Digest):
		return false
	case repository.Status.ObservedGeneration != repository.Generation || isRequested(repository):
		return false
	case !meta.IsStatusConditionTrue(repository.Status.Conditions, v1beta1.ReadyCondition):
		return false
	}

	return c.View(repository).Has(had.Digest) && c.store.For(access).Has(had.Digest)
}
