package sources

import (
	"cmp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Version is one published version of a chart, or one tag of a repository.
type Version struct {
	// Tag is the name upstream knows the version by, unchanged: "v1.2.3", "1.2.3_b1".
	Tag string
	// Version is what the tag means.
	Version *semver.Version
	// KubeVersion is the range of clusters the chart is made for, "" when it is for all or when that is not known yet.
	KubeVersion string
}

// String is the version in semver's own form, without a leading v: "1.2.3+b1".
func (v Version) String() string {
	if v.Version == nil {
		return v.Tag
	}
	return v.Version.String()
}

// ParseVersion reads a tag as a version: strict semver, with an optional leading v, and with "_" for the "+" that a tag
// of a registry cannot hold. Lenient forms such as "1.2" or a bare number are no versions: a tag of digits is more often
// a date or a commit.
func ParseVersion(tag string) (Version, bool) {
	text := strings.ReplaceAll(strings.TrimPrefix(tag, "v"), "_", "+")
	parsed, err := semver.StrictNewVersion(text)
	if err != nil {
		return Version{}, false
	}
	return Version{Tag: tag, Version: parsed}, true
}

// ParseVersions reads tags as [ParseVersion] does, newest first, and counts those that are no versions.
func ParseVersions(tags []string) (versions []Version, skipped int) {
	versions = make([]Version, 0, len(tags))
	for _, tag := range tags {
		v, ok := ParseVersion(tag)
		if !ok {
			skipped++
			continue
		}
		versions = append(versions, v)
	}
	slices.SortFunc(versions, NewestFirst)
	return versions, skipped
}

// Compare orders two versions by age, the older one first. Unlike semver it tells builds of one version apart, so that
// the order never depends on the order in which upstream listed them: build identifiers compare like those of a
// pre-release, no build is older than any build, and two tags of one build compare as text, the lesser one newer.
func Compare(a, b Version) int {
	return cmp.Or(
		a.Version.Compare(b.Version),
		compareBuild(a.Version.Metadata(), b.Version.Metadata()),
		strings.Compare(b.Tag, a.Tag),
	)
}

// NewestFirst is [Compare] the other way round, for sorting.
func NewestFirst(a, b Version) int { return Compare(b, a) }

func compareBuild(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(a), len(b))
	}
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		if order := compareIdentifier(as[i], bs[i]); order != 0 {
			return order
		}
	}
	return cmp.Compare(len(as), len(bs))
}

// compareIdentifier compares two dotted identifiers as semver does in a pre-release: numbers by value and before texts.
// Leading zeros, which builds may have, do not count unless everything else is equal.
func compareIdentifier(a, b string) int {
	an, bn := isNumber(a), isNumber(b)
	switch {
	case an && bn:
		x, y := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y), strings.Compare(a, b))
	case an:
		return -1
	case bn:
		return 1
	}
	return strings.Compare(a, b)
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
