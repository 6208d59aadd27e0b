package source

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// kinds of sources.
var kinds = []string{v1beta1.GitRepositoryKind, v1beta1.HelmRepositoryKind, v1beta1.OCIRepositoryKind, v1beta1.HelmChartKind}

// sourceObject is a source as the API machinery wants it.
type sourceObject interface {
	client.Object
	v1beta1.Source
}

// newSource returns an empty object of a kind, nil for a kind that is no source.
func newSource(kind string) sourceObject {
	switch kind {
	case v1beta1.GitRepositoryKind:
		return &v1beta1.GitRepository{}
	case v1beta1.HelmChartKind:
		return &v1beta1.HelmChart{}
	case v1beta1.HelmRepositoryKind:
		return &v1beta1.HelmRepository{}
	case v1beta1.OCIRepositoryKind:
		return &v1beta1.OCIRepository{}
	}
	return nil
}

// newList returns an empty list of a kind of source.
func newList(kind string) client.ObjectList {
	switch kind {
	case v1beta1.GitRepositoryKind:
		return &v1beta1.GitRepositoryList{}
	case v1beta1.HelmChartKind:
		return &v1beta1.HelmChartList{}
	case v1beta1.HelmRepositoryKind:
		return &v1beta1.HelmRepositoryList{}
	default:
		return &v1beta1.OCIRepositoryList{}
	}
}
