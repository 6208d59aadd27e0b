package sources

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Published is a version as upstream publishes it.
type Published struct {
	v1beta1.ChartRevision
	// Created is when it was published, the zero time where upstream does not say.
	Created time.Time
}

// IsDowngrade reports whether found is an older version than before, as when upstream has withdrawn a version. The
// controller keeps the version that it has then; users who want the older one change the range. Texts that are no
// versions cannot be compared.
func IsDowngrade(before, found Published) bool {
	old, ok := ParseVersion(before.Version)
	if !ok || before.Digest == "" {
		return false
	}

	next, ok := ParseVersion(found.Version)
	if !ok {
		return false
	}

	old.Created = before.Created
	next.Created = found.Created
	return Compare(next, old) < 0
}

// RepublishedWarning says that upstream has published a version again with other content; empty when it has not. The
// new content is used, by its digest.
func RepublishedWarning(before, found v1beta1.ChartRevision) string {
	same := before.Name == found.Name && before.Version == found.Version
	if !same || before.Digest == "" || found.Digest == "" || before.Digest == found.Digest {
		return ""
	}
	return fmt.Sprintf("chart %s %s was published again with other content: %s before, %s now",
		found.Name, found.Version, before.Digest, found.Digest)
}

// InRange reports whether a version satisfies a constraint, as Select has it.
func InRange(constraint, version string) bool {
	parsed, ok := ParseEntry(version)
	if !ok {
		return false
	}
	_, err := Select([]Version{parsed}, VersionConstraint{Constraint: constraint})
	return err == nil
}

// SatisfiesReference reports whether a chart is still one that a reference into a registry asks for, so that another
// answer is a newer one that upstream published. A reference to a digest asks for one chart only. nil is the tag
// latest, which moves.
func SatisfiesReference(ref *v1beta1.OCIRepositoryRef, chart v1beta1.ChartRevision) bool {
	switch {
	case ref == nil:
		return true
	case ref.Digest != "":
		return false
	case ref.SemVer != "":
		return InRange(ref.SemVer, chart.Version)
	}

	if tag, exact := ParseTag(ref.Tag); exact {
		return InRange(tag.String(), chart.Version)
	}

	return true // a tag that moves
}
