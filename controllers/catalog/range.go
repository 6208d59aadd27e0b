package catalog

import (
	"cmp"
	"context"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Follows reports whether a chart is still what a choice and its source ask for, so that the wanted one, which is
// another, is one that upstream published. It is false for a digest, for another version than the exact one that is
// asked for, and for directories in Git repositories and buckets: what is there is declared. So it is for other content
// of one version where there are values files: these may have changed.
func (c *Catalog) Follows(ctx context.Context, choice ChartRef, chart, wanted v1beta1.ChartRevision) bool {
	source, err := c.read(ctx, choice)
	if err != nil {
		return false
	}

	switch object := source.(type) {
	case *v1beta1.HelmRepository:
		if choice.values != "" && v1beta1.SameVersion(chart.Version, wanted.Version) {
			return false
		}
		return sources.InRange(cmp.Or(choice.Version, "*"), chart.Version)
	case *v1beta1.HelmChart:
		if object.Spec.SourceRef.Kind != v1beta1.HelmRepositoryKind {
			return false
		}
		return c.Follows(ctx, ChoiceOfChart(object), chart, wanted)
	case *v1beta1.OCIRepository:
		return sources.SatisfiesReference(object.Spec.Reference, chart)
	}

	return false
}
