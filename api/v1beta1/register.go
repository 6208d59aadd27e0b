package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kinds of this group, as they are written in manifests and references.
const (
	ArtifactGeneratorKind = "ArtifactGenerator"
	BucketKind            = "Bucket"
	ExternalArtifactKind  = "ExternalArtifact"
	GitRepositoryKind     = "GitRepository"
	HelmChartKind         = "HelmChart"
	HelmReleaseKind       = "HelmRelease"
	HelmRepositoryKind    = "HelmRepository"
	KustomizationKind     = "Kustomization"
	OCIRepositoryKind     = "OCIRepository"
	ReceiverKind          = "Receiver"

	ReleasePipelineKind   = "ReleasePipeline"
	PromotionKind         = "Promotion"
	PromotionApprovalKind = "PromotionApproval"
	ReleaseFreezeKind     = "ReleaseFreeze"

	ApprovalKind    = "Approval"
	ReleasePlanKind = "ReleasePlan"
)

// HoldsDirectories reports whether charts of a source of this kind are directories in its archive, each with the one
// version that its Chart.yaml says.
func HoldsDirectories(kind string) bool { return kind == GitRepositoryKind || kind == BucketKind }

// GroupVersion is the API group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "fairlead.dev", Version: "v1beta1"}

// AddToScheme registers the kinds of this package with a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&Approval{}, &ApprovalList{},
		&ArtifactGenerator{}, &ArtifactGeneratorList{},
		&Bucket{}, &BucketList{},
		&ExternalArtifact{}, &ExternalArtifactList{},
		&GitRepository{}, &GitRepositoryList{},
		&HelmChart{}, &HelmChartList{},
		&HelmRelease{}, &HelmReleaseList{},
		&HelmRepository{}, &HelmRepositoryList{},
		&Kustomization{}, &KustomizationList{},
		&OCIRepository{}, &OCIRepositoryList{},
		&Promotion{}, &PromotionList{},
		&PromotionApproval{}, &PromotionApprovalList{},
		&Receiver{}, &ReceiverList{},
		&ReleaseFreeze{}, &ReleaseFreezeList{},
		&ReleasePipeline{}, &ReleasePipelineList{},
		&ReleasePlan{}, &ReleasePlanList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
