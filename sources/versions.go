package sources

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
)

// Version is one published version of a chart, or one tag of a repository.
type Version struct {
	// Tag is the name upstream knows the version by, unchanged: "v1.2.3", "1.2.3_b1".
	Tag string
	// Version is what the tag means. It is nil for a text that is no strict semver: only that very text selects it.
	Version *semver.Version
	// Created is when the version was published, zero when upstream does not say it.
	Created time.Time
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

// ParseVersion reads a text as a version: strict semver, with an optional leading v. Lenient forms such as "1.2" or a
// bare number are no versions: a tag of digits is more often a date or a commit.
func ParseVersion(text string) (Version, bool) {
	parsed, err := semver.StrictNewVersion(strings.TrimPrefix(text, "v"))
	if err != nil {
		return Version{}, false
	}
	return Version{Tag: text, Version: parsed}, true
}

// ParseTag reads a tag of a registry as [ParseVersion] does, with "_" for the "+" that such a tag cannot hold.
func ParseTag(tag string) (Version, bool) {
	v, ok := ParseVersion(strings.ReplaceAll(tag, "_", "+"))
	v.Tag = tag
	return v, ok
}

// ParseEntry reads the version of a chart in an index as Helm does: it may be lenient semver, such as "1.8" or
// "01.9.0", which is kept as a text.
func ParseEntry(text string) (Version, bool) {
	if v, ok := ParseVersion(text); ok {
		return v, true
	}
	_, err := semver.NewVersion(text)
	return Version{Tag: text}, err == nil
}

// ParseVersions reads texts as [ParseVersion] does, newest first, and counts those that are no versions.
func ParseVersions(texts []string) (versions []Version, skipped int) {
	return parseAll(texts, ParseVersion)
}

// ParseTags reads tags of a registry as [ParseTag] does, newest first, and counts those that are no versions.
func ParseTags(tags []string) (versions []Version, skipped int) {
	return parseAll(tags, ParseTag)
}

// ParseChartTags reads the tags of a chart in a registry, newest first. A tag that is no version is kept as a text.
func ParseChartTags(tags []string) []Version {
	versions, _ := parseAll(tags, func(tag string) (Version, bool) {
		v, _ := ParseTag(tag)
		return v, true
	})
	return versions
}

func parseAll(texts []string, parse func(string) (Version, bool)) (versions []Version, skipped int) {
	versions = make([]Version, 0, len(texts))
	for _, text := range texts {
		v, ok := parse(text)
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
// the order never depends on the order in which upstream listed them: the build that was created last is the newest,
// and one of unknown age is the oldest. Builds of one age compare like the identifiers of a pre-release, no build is
// older than any build, and two tags of one build compare as text, the lesser one newer. Texts that are no version come
// first.
func Compare(a, b Version) int {
	if a.Version == nil || b.Version == nil {
		return cmp.Or(compareBool(a.Version != nil, b.Version != nil), strings.Compare(b.Tag, a.Tag))
	}
	return cmp.Or(
		a.Version.Compare(b.Version),
		a.Created.Compare(b.Created),
		compareBuild(a.Version.Metadata(), b.Version.Metadata()),
		strings.Compare(b.Tag, a.Tag),
	)
}

// NewestFirst is [Compare] the other way round, for sorting.
func NewestFirst(a, b Version) int { return Compare(b, a) }

// compareBool puts false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func compareBuild(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(a), len(b))
	}

	as := strings.Split(a, ".")
	bs := strings.Split(b, ".")
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
	an := isNumber(a)
	bn := isNumber(b)
	switch {
	case an && bn:
		x := strings.TrimLeft(a, "0")
		y := strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y), strings.Compare(a, b))
	case an:
		return -1
	case bn:
		return 1
	}

	return strings.Compare(a, b)
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
