package catalog

import (
	"cmp"
	"context"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Follows reports whether a chart is still what a choice and its source ask for, so that another chart is one that
// upstream published. It is false for a digest, for another version than the exact one that is asked for, and for
// directories in Git repositories and buckets: what is there is declared.
func (c *Catalog) Follows(ctx context.Context, choice Choice, chart v1beta1.ChartRevision) bool {
	source, err := c.read(ctx, choice)
	if err != nil {
		return false
	}
	switch object := source.(type) {
	case *v1beta1.HelmRepository:
		return inRange(cmp.Or(choice.Version, "*"), chart.Version)
	case *v1beta1.HelmChart:
		return object.Spec.SourceRef.Kind == v1beta1.HelmRepositoryKind &&
			inRange(cmp.Or(object.Spec.Version, "*"), chart.Version)
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
