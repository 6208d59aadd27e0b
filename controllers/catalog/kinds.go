package catalog

import (
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
	"fairlead.dev/fairlead/sources"
)

// kinds of sources that have artifacts.
var kinds = []string{
	v1beta1.BucketKind, v1beta1.ExternalArtifactKind, v1beta1.GitRepositoryKind, v1beta1.HelmChartKind,
	v1beta1.HelmRepositoryKind, v1beta1.OCIRepositoryKind,
}

// Object is a source as the API machinery wants it.
type Object interface {
	client.Object
	v1beta1.Source
}

// NewSource returns an empty object of a kind, nil for a kind that is no source.
func NewSource(kind string) Object {
	object, ok := view.NewObject(kind).(Object)
	if !ok || !slices.Contains(kinds, kind) {
		return nil
	}
	return object
}

// isOneChart reports whether a source stands for one chart, which its status names.
func isOneChart(source v1beta1.Source) bool {
	switch source.(type) {
	case *v1beta1.OCIRepository, *v1beta1.HelmChart, *v1beta1.ExternalArtifact:
		return true
	default:
		return false
	}
}

// Supported refuses a source whose spec has fields that are not supported and must not be neglected; nil for any other.
func Supported(source v1beta1.Source) error {
	object, ok := source.(v1beta1.Supporter)
	if !ok {
		return nil
	}
	if message := v1beta1.UnsupportedMessage(object); message != "" {
		return sources.Stall(v1beta1.UnsupportedReason, nil, "%s", message)
	}
	return nil
}

// NewList returns an empty list of a kind of source.
func NewList(kind string) client.ObjectList { return view.NewList(kind) }
