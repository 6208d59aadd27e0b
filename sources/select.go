package sources

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"fairlead.dev/fairlead/api/v1beta1"
)

// VersionConstraint says which version is wanted.
type VersionConstraint struct {
	// Constraint is a version or a range, "" meaning "*". The first of these that is published decides what it means:
	// the version with that very text; for a strict semver version, which may be a pre-release, the same one with or
	// without a leading v; without a build, any build of it; else the text is read as a range.
	Constraint string
	// Filter has to match the tag; nil matches every tag.
	Filter *regexp.Regexp
	// Exclude must not match the tag; nil excludes none.
	Exclude *regexp.Regexp
	// KubeVersion is the version of the cluster, which has to be in the range the chart is made for; "" checks nothing.
	KubeVersion string
	// IncludePrerelease lets a range take pre-releases although it does not name one.
	IncludePrerelease bool
	// Skip refuses a version that is otherwise fit, and says why, for example because it is known to be bad. It is asked
	// last, from the newest version to the oldest; nil refuses nothing.
	Skip func(Version) (reason string, skip bool)
}

// shownRefusals is how many versions the message of a choice without a match explains.
const shownRefusals = 5

// Select returns the newest version that the choice allows. The answer depends on the set of versions alone, not on
// their order. Without a match it returns an [Error]: reason NoMatchingVersion and retryable when nothing fits, its
// text naming the versions nearest to what is wanted and why each was refused; reason InvalidReference and stalled when
// the constraint cannot be read.
func Select(versions []Version, c VersionConstraint) (Version, error) {
	r, err := newRules(c)
	if err != nil {
		return Version{}, err
	}

	sorted := inOrder(versions)
	wanted, err := r.wanted(sorted)
	if err != nil {
		return Version{}, err
	}

	var refused refusals
	for _, v := range sorted {
		no := r.refuse(v, wanted)
		if no == nil {
			return v, nil
		}

		refused.add(*no)
	}

	return Version{}, r.noMatch(refused)
}

// inOrder returns the versions newest first, copying only when it has to.
func inOrder(versions []Version) []Version {
	if slices.IsSortedFunc(versions, NewestFirst) {
		return versions
	}
	sorted := slices.Clone(versions)
	slices.SortFunc(sorted, NewestFirst)
	return sorted
}

// rules is a choice that has been read.
type rules struct {
	VersionConstraint
	pin   *semver.Version // the one version that is wanted, nil for a range
	limit *semver.Constraints
	kube  *semver.Version
	// clusters remembers which ranges of clusters fit.
	clusters map[string]bool
}

func newRules(c VersionConstraint) (*rules, error) {
	r := &rules{VersionConstraint: c, clusters: map[string]bool{}}
	if r.Constraint = strings.TrimSpace(c.Constraint); r.Constraint == "" {
		r.Constraint = "*"
	}

	if c.KubeVersion != "" {
		kube, err := semver.NewVersion(c.KubeVersion)
		if err != nil {
			return nil, Fail(v1beta1.InvalidReferenceReason, err, "reading the version of the cluster %s", quote(c.KubeVersion))
		}

		r.kube = kube
	}

	if pin, ok := ParseVersion(r.Constraint); ok {
		r.pin = pin.Version
	}

	return r, nil
}

// wanted returns what the constraint means among the versions that are published.
func (r *rules) wanted(versions []Version) (func(Version) bool, error) {
	meanings := []func(Version) bool{func(v Version) bool { return v.Tag == r.Constraint }}
	if r.pin != nil {
		meanings = append(meanings, func(v Version) bool {
			return v.Version != nil && v.Version.Equal(r.pin) && v.Version.Metadata() == r.pin.Metadata()
		})
	}

	if r.pin != nil && r.pin.Metadata() == "" {
		meanings = append(meanings, func(v Version) bool { return v.Version != nil && v.Version.Equal(r.pin) })
	}

	for _, is := range meanings {
		if slices.ContainsFunc(versions, func(v Version) bool { return is(v) && r.filtered(v) }) {
			return is, nil
		}
	}

	if r.pin != nil {
		return func(Version) bool { return false }, nil
	}

	limit, err := semver.NewConstraint(r.Constraint)
	if err != nil {
		return nil, Stall(v1beta1.InvalidReferenceReason, nil,
			"%s is neither a version nor a range; \"*\" selects the newest", quote(r.Constraint))
	}

	limit.IncludePrerelease = r.IncludePrerelease
	r.limit = limit
	return func(v Version) bool { return v.Version != nil && limit.Check(v.Version) }, nil
}

func (r *rules) filtered(v Version) bool {
	return (r.Filter == nil || r.Filter.MatchString(v.Tag)) && (r.Exclude == nil || !r.Exclude.MatchString(v.Tag))
}

// How near a version that is refused is to what is wanted; the nearest ones are shown.
const (
	asWanted = iota
	nearest
	near
	far
)

// refusal is a version that is not taken.
type refusal struct {
	version Version
	// why says the cause. Most refusals are never shown, so wording them is left to the caller.
	why func() string
	// distance is how near the version is to what is wanted.
	distance int
}

// refusals are the versions that were not taken.
type refusals struct {
	// nearest are those that are shown, the newest of one distance first.
	nearest []refusal
	// published is how many versions there are, texts how many names that are no versions.
	published, texts int
}

func (r *refusals) add(no refusal) {
	if no.version.Version == nil && no.distance == far {
		r.texts++
		return
	}

	r.published++
	place := slices.IndexFunc(r.nearest, func(other refusal) bool { return other.distance > no.distance })
	if place < 0 {
		place = len(r.nearest)
	}

	if place < shownRefusals {
		r.nearest = slices.Insert(r.nearest, place, no)
		r.nearest = r.nearest[:min(len(r.nearest), shownRefusals)]
	}
}

// refuse returns nil for a version that is taken.
func (r *rules) refuse(v Version, wanted func(Version) bool) *refusal {
	switch {
	case !r.filtered(v):
		return &refusal{v, func() string { return "does not match the filter" }, far}
	case !wanted(v):
		return &refusal{v, func() string { return r.unwanted(v) }, r.distance(v)}
	case !r.fitsCluster(v.KubeVersion):
		return &refusal{v, func() string { return UnfitReason(v.KubeVersion, r.KubeVersion) }, asWanted}
	}

	if r.Skip != nil {
		if reason, skip := r.Skip(v); skip {
			return &refusal{v, func() string { return cmp.Or(reason, "refused") }, asWanted}
		}
	}

	return nil
}

// distance is how near a version is that the constraint does not mean: builds and pre-releases of a pin first, then its
// patch versions; a pre-release in a range that takes none.
func (r *rules) distance(v Version) int {
	read := v.Version
	if read == nil {
		lenient, err := semver.NewVersion(strings.ReplaceAll(v.Tag, "_", "+"))
		if err != nil {
			return far
		}

		read = lenient
	}

	switch {
	case r.limit != nil:
		if r.isPrerelease(v) {
			return nearest
		}
	case r.pin == nil || read.Major() != r.pin.Major() || read.Minor() != r.pin.Minor():
	case read.Patch() == r.pin.Patch():
		return nearest
	default:
		return near
	}

	return far
}

// unwanted says why the constraint does not mean a version.
func (r *rules) unwanted(v Version) string {
	switch {
	case v.Version == nil:
		return "is no strict semver"
	case r.limit == nil:
		return "is not " + r.Constraint
	case r.isPrerelease(v):
		return "is a pre-release"
	}
	return r.outOfRange(v)
}

// isPrerelease reports whether a version would be in the range if that took pre-releases.
func (r *rules) isPrerelease(v Version) bool {
	if v.Version == nil || v.Version.Prerelease() == "" {
		return false
	}
	open := *r.limit
	open.IncludePrerelease = true
	return open.Check(v.Version)
}

func (r *rules) outOfRange(v Version) string {
	open := *r.limit
	open.IncludePrerelease = true
	_, reasons := open.Validate(v.Version)
	for _, reason := range reasons {
		// The library repeats the version at the start, which is shown already.
		return strings.TrimPrefix(reason.Error(), fmt.Sprintf("%q ", v.Version.Original()))
	}
	return "is out of range"
}

// fitsCluster judges as Helm will when it renders the chart, so that a chart Helm refuses is never chosen. A chart has
// the same range in all its versions more often than not.
func (r *rules) fitsCluster(kubeVersion string) bool {
	if r.kube == nil || kubeVersion == "" {
		return true
	}

	fits, known := r.clusters[kubeVersion]
	if !known {
		limit, err := semver.NewConstraint(kubeVersion)
		fits = err == nil && limit.Check(r.kube)
		r.clusters[kubeVersion] = fits
	}

	return fits
}

// FitsCluster reports whether a chart that is made for a range of clusters fits one. "" on either side fits; a range
// that cannot be read does not.
func FitsCluster(kubeVersion, cluster string) bool {
	if kubeVersion == "" || cluster == "" {
		return true
	}
	version, err := semver.NewVersion(cluster)
	if err != nil {
		return true
	}
	limit, err := semver.NewConstraint(kubeVersion)
	return err == nil && limit.Check(version)
}

// UnfitReason says why a version is refused that does not fit the cluster.
func UnfitReason(kubeVersion, cluster string) string {
	return fmt.Sprintf("is for Kubernetes %s, the cluster has %s", quote(kubeVersion), clip(cluster))
}

// noMatch is the error of a choice that no version fits. It names those that are nearest to what is wanted.
func (r *rules) noMatch(refused refusals) error {
	wanted := quote(r.Constraint)
	if r.Filter != nil {
		wanted += " and the filter " + quote(r.Filter.String())
	}
	if r.Exclude != nil {
		wanted += " without " + quote(r.Exclude.String())
	}

	switch {
	case refused.published == 0 && refused.texts == 0:
		return Fail(v1beta1.NoMatchReason, nil, "no version matches %s: no version is published at all", wanted)
	case refused.published == 0:
		return Fail(v1beta1.NoMatchReason, nil, "no version matches %s: of %d published, none is strict semver",
			wanted, refused.texts)
	}

	return Fail(v1beta1.NoMatchReason, nil, "no version matches %s: of %d published, %s",
		wanted, refused.published, refused.shown())
}

// shown lists the nearest versions, each with why it was refused; neighbors that were refused for the same reason share it.
func (r *refusals) shown() string {
	var groups []string
	for i := 0; i < len(r.nearest); {
		why := r.nearest[i].why()
		var tags []string
		for ; i < len(r.nearest) && r.nearest[i].why() == why; i++ {
			tags = append(tags, clip(r.nearest[i].version.Tag))
		}

		if len(tags) > 1 {
			why = "each: " + why
		}

		groups = append(groups, fmt.Sprintf("%s (%s)", strings.Join(tags, ", "), why))
	}

	return strings.Join(groups, "; ")
}

// quote shows an outside text: on one line and not endless.
func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

func clip(s string) string {
	const most = 120
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
