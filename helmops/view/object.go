package view

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Object is what the kinds of the API have in common: they can be read and written, and they have conditions.
type Object interface {
	client.Object
	GetConditions() []metav1.Condition
	SetConditions([]metav1.Condition)
}

// SourceKinds are the kinds that a SourceRow can stand for, sorted.
var SourceKinds = []string{
	v1beta1.ArtifactGeneratorKind, v1beta1.BucketKind, v1beta1.ExternalArtifactKind, v1beta1.GitRepositoryKind,
	v1beta1.HelmChartKind, v1beta1.HelmRepositoryKind, v1beta1.OCIRepositoryKind,
}

// NewObject returns an empty object of the kind, nil for a kind that is not of this API or has no conditions.
func NewObject(kind string) Object {
	switch kind {
	case v1beta1.HelmReleaseKind:
		return &v1beta1.HelmRelease{}
	case v1beta1.ArtifactGeneratorKind:
		return &v1beta1.ArtifactGenerator{}
	case v1beta1.BucketKind:
		return &v1beta1.Bucket{}
	case v1beta1.ExternalArtifactKind:
		return &v1beta1.ExternalArtifact{}
	case v1beta1.GitRepositoryKind:
		return &v1beta1.GitRepository{}
	case v1beta1.HelmChartKind:
		return &v1beta1.HelmChart{}
	case v1beta1.HelmRepositoryKind:
		return &v1beta1.HelmRepository{}
	case v1beta1.OCIRepositoryKind:
		return &v1beta1.OCIRepository{}
	case v1beta1.KustomizationKind:
		return &v1beta1.Kustomization{}
	case v1beta1.ReceiverKind:
		return &v1beta1.Receiver{}
	case v1beta1.ReleasePipelineKind:
		return &v1beta1.ReleasePipeline{}
	case v1beta1.PromotionKind:
		return &v1beta1.Promotion{}
	}
	return nil
}

// NewList returns an empty list of the kind, nil for a kind that is not of this API or has no conditions.
func NewList(kind string) client.ObjectList {
	switch kind {
	case v1beta1.HelmReleaseKind:
		return &v1beta1.HelmReleaseList{}
	case v1beta1.ArtifactGeneratorKind:
		return &v1beta1.ArtifactGeneratorList{}
	case v1beta1.BucketKind:
		return &v1beta1.BucketList{}
	case v1beta1.ExternalArtifactKind:
		return &v1beta1.ExternalArtifactList{}
	case v1beta1.GitRepositoryKind:
		return &v1beta1.GitRepositoryList{}
	case v1beta1.HelmChartKind:
		return &v1beta1.HelmChartList{}
	case v1beta1.HelmRepositoryKind:
		return &v1beta1.HelmRepositoryList{}
	case v1beta1.OCIRepositoryKind:
		return &v1beta1.OCIRepositoryList{}
	case v1beta1.KustomizationKind:
		return &v1beta1.KustomizationList{}
	case v1beta1.ReceiverKind:
		return &v1beta1.ReceiverList{}
	case v1beta1.ReleasePipelineKind:
		return &v1beta1.ReleasePipelineList{}
	case v1beta1.PromotionKind:
		return &v1beta1.PromotionList{}
	}
	return nil
}

// KindOf returns the kind of the object, whether or not its type metadata is filled in.
func KindOf(o v1beta1.Conditioned) string {
	switch o.(type) {
	case *v1beta1.HelmRelease:
		return v1beta1.HelmReleaseKind
	case *v1beta1.ArtifactGenerator:
		return v1beta1.ArtifactGeneratorKind
	case *v1beta1.Bucket:
		return v1beta1.BucketKind
	case *v1beta1.ExternalArtifact:
		return v1beta1.ExternalArtifactKind
	case *v1beta1.GitRepository:
		return v1beta1.GitRepositoryKind
	case *v1beta1.HelmChart:
		return v1beta1.HelmChartKind
	case *v1beta1.HelmRepository:
		return v1beta1.HelmRepositoryKind
	case *v1beta1.OCIRepository:
		return v1beta1.OCIRepositoryKind
	case *v1beta1.Kustomization:
		return v1beta1.KustomizationKind
	case *v1beta1.Receiver:
		return v1beta1.ReceiverKind
	case *v1beta1.ReleasePipeline:
		return v1beta1.ReleasePipelineKind
	case *v1beta1.Promotion:
		return v1beta1.PromotionKind
	}
	return ""
}

// IsSuspended reports whether spec.suspend of the object is set.
func IsSuspended(o v1beta1.Conditioned) bool { return factsOf(o).suspended }

// SuspendReason is why a suspended object is suspended, empty where that is not said or the object is not suspended.
func SuspendReason(o v1beta1.Conditioned) string {
	if !IsSuspended(o) {
		return ""
	}
	return o.GetAnnotations()[v1beta1.SuspendReasonAnnotation]
}

// facts are the parts of an object that say how far its controller is.
type facts struct {
	suspended bool
	observed  int64
	handled   string
}

func factsOf(o v1beta1.Conditioned) facts {
	switch v := o.(type) {
	case *v1beta1.HelmRelease:
		return facts{
			suspended: v.Spec.Suspend, observed: v.Status.ObservedGeneration, handled: v.Status.LastHandledReconcileAt,
		}
	case *v1beta1.Kustomization:
		return facts{
			suspended: v.Spec.Suspend, observed: v.Status.ObservedGeneration, handled: v.Status.LastHandledReconcileAt,
		}
	case *v1beta1.Receiver:
		return facts{
			suspended: v.Spec.Suspend, observed: v.Status.ObservedGeneration, handled: v.Status.LastHandledReconcileAt,
		}
	case *v1beta1.ReleasePipeline:
		return facts{
			suspended: v.Spec.Suspend, observed: v.Status.ObservedGeneration, handled: v.Status.LastHandledReconcileAt,
		}
	case *v1beta1.Promotion:
		// Its spec never changes.
		return facts{observed: v.Generation}
	case v1beta1.Source:
		return facts{
			suspended: v.IsSuspended(), observed: v.GetObservedGeneration(), handled: v.Request().LastHandledReconcileAt,
		}
	}
	return facts{}
}

// Reference names an object of this API.
type Reference struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// String gives Kind namespace/name.
func (r Reference) String() string { return r.Kind + " " + r.Namespace + "/" + r.Name }

// SourceOf returns the source that the object takes its chart or manifests from; false when the object has none,
// because it is itself the first of its chain.
func SourceOf(o Object) (Reference, bool) {
	switch v := o.(type) {
	case *v1beta1.HelmRelease:
		return releaseSource(v)
	case *v1beta1.HelmChart:
		ref := v.Spec.SourceRef
		return Reference{Kind: ref.Kind, Namespace: v.Namespace, Name: ref.Name}, true
	case *v1beta1.ExternalArtifact:
		name, ok := v.GetGenerator()
		return Reference{Kind: v1beta1.ArtifactGeneratorKind, Namespace: v.Namespace, Name: name}, ok
	case *v1beta1.Kustomization:
		key := v.GetSourceKey()
		return Reference{Kind: v.Spec.SourceRef.Kind, Namespace: key.Namespace, Name: key.Name}, true
	case *v1beta1.ReleasePipeline:
		return pipelineSource(v), true
	}
	return Reference{}, false
}

func releaseSource(hr *v1beta1.HelmRelease) (Reference, bool) {
	var out Reference
	switch {
	case hr.Spec.Chart != nil:
		ref := hr.Spec.Chart.Spec.SourceRef
		out = Reference{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}
	case hr.Spec.ChartRef != nil:
		ref := hr.Spec.ChartRef
		out = Reference{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}
	default:
		return out, false
	}

	if out.Namespace == "" {
		out.Namespace = hr.Namespace
	}

	return out, true
}
