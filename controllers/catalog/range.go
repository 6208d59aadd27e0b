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
func (c *Catalog) Follows(ctx context.Context, choice Choice, chart, wanted v1beta1.ChartRevision) bool {
	source, err := c.read(ctx, choice)
	if err != nil {
		return false
	}
	switch object := source.(type) {
	case *v1beta1.HelmRepository:
		if choice.values != "" && v1beta1.SameVersion(chart.Version, wanted.Version) {
			return false
		}
		return inRange(cmp.Or(choice.Version, "*"), chart.Version)
	case *v1beta1.HelmChart:
		if object.Spec.SourceRef.Kind != v1beta1.HelmRepositoryKind {
			return false
		}
		return c.Follows(ctx, ChoiceOfChart(object), chart, wanted)
	case *v1beta1.OCIRepository:
		return follows(object.Spec.Reference, chart)
	}
	return false
}

func follows(ref *v1beta1.OCIRepositoryRef, chart v1beta1.ChartRevision) bool {
	switch {
	case ref == nil:
		return true // the tag latest
	case ref.Digest != "":
		return false
	case ref.SemVer != "":
		return inRange(ref.SemVer, chart.Version)
	}
	if tag, exact := sources.ParseTag(ref.Tag); exact {
		return inRange(tag.String(), chart.Version)
	}
	return true // a tag that moves
}

// inRange reports whether a version is one that a constraint means.
func inRange(constraint, version string) bool {
	parsed, ok := sources.ParseEntry(version)
	if !ok {
		return false
	}
	_, err := sources.Select([]sources.Version{parsed}, sources.Choice{Constraint: constraint})
	return err == nil
}
