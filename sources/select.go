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

// Choice says which version is wanted.
type Choice struct {
	// Constraint is a range, "" meaning "*". A strict semver version, with or without a leading v, is a pin: it is
	// compared as text, build included, and may be a pre-release.
	Constraint string
	// Filter has to match the tag; nil matches every tag.
	Filter *regexp.Regexp
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
// their order. Without a match it returns an [Error]: reason NoMatchingVersion and retryable when nothing fits, its text
// naming the newest versions and why each was refused; reason InvalidReference and stalled when the constraint cannot be
// read.
func Select(versions []Version, c Choice) (Version, error) {
	r, err := newRules(c)
	if err != nil {
		return Version{}, err
	}
	sorted := inOrder(versions)
	var refused []string
	oneInRange := false
	for i, v := range sorted {
		why, inRange := r.refuse(v)
		if why == nil {
			return v, nil
		}
		// The newest version in range is told even when it is an old one: it is the one people expect.
		if i < shownRefusals || inRange && !oneInRange {
			refused = append(refused, fmt.Sprintf("%s (%s)", clip(v.Tag), why()))
		}
		oneInRange = oneInRange || inRange
	}
	return Version{}, r.noMatch(len(sorted), refused)
}

// inOrder returns the versions newest first without those that hold none, copying only when it has to.
func inOrder(versions []Version) []Version {
	absent := func(v Version) bool { return v.Version == nil }
	if !slices.ContainsFunc(versions, absent) && slices.IsSortedFunc(versions, NewestFirst) {
		return versions
	}
	sorted := slices.DeleteFunc(slices.Clone(versions), absent)
	slices.SortFunc(sorted, NewestFirst)
	return sorted
}

// rules is a choice that has been read.
type rules struct {
	Choice
	pin   string // canonical text of the one version that is wanted, "" for a range
	limit *semver.Constraints
	kube  *semver.Version
	// clusters remembers which ranges of clusters fit.
	clusters map[string]bool
}

func newRules(c Choice) (*rules, error) {
	r := &rules{Choice: c, clusters: map[string]bool{}}
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
	if pin, err := semver.StrictNewVersion(strings.TrimPrefix(r.Constraint, "v")); err == nil {
		r.pin = pin.String()
		return r, nil
	}
	limit, err := semver.NewConstraint(r.Constraint)
	if err != nil {
		return nil, Stall(v1beta1.InvalidReferenceReason, nil, "%s is neither a version nor a range of versions", quote(r.Constraint))
	}
	limit.IncludePrerelease = c.IncludePrerelease
	r.limit = limit
	return r, nil
}

// refuse returns nil for a version that is taken, else what says why it is not, and whether it is at least in the range.
// Most refusals are never shown, so wording them is left to the caller.
func (r *rules) refuse(v Version) (why func() string, inRange bool) {
	switch {
	case r.Filter != nil && !r.Filter.MatchString(v.Tag):
		return func() string { return "does not match the filter" }, false
	case r.pin != "" && v.Version.String() != r.pin:
		return func() string { return "is not " + r.pin }, false
	case r.pin == "" && !r.limit.Check(v.Version):
		return func() string { return r.outOfRange(v) }, false
	case !r.fitsCluster(v.KubeVersion):
		return func() string { return UnfitReason(v.KubeVersion, r.KubeVersion) }, true
	}
	if r.Skip != nil {
		if reason, skip := r.Skip(v); skip {
			return func() string { return cmp.Or(reason, "refused") }, true
		}
	}
	return nil, true
}

func (r *rules) outOfRange(v Version) string {
	open := *r.limit
	open.IncludePrerelease = true
	if open.Check(v.Version) {
		return "is a pre-release"
	}
	_, reasons := open.Validate(v.Version)
	for _, reason := range reasons {
		// The library repeats the version at the start, which is shown already.
		return strings.TrimPrefix(reason.Error(), fmt.Sprintf("%q ", v.Version.Original()))
	}
	return "is out of range"
}

// fitsCluster judges as Helm will when it renders the chart, so that a chart Helm refuses is never chosen. A chart has the
// same range in all its versions more often than not.
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

// FitsCluster tells whether a chart that is made for a range of clusters fits one. "" on either side fits; a range that cannot be read does not.
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

func (r *rules) noMatch(count int, refused []string) error {
	wanted := quote(r.Constraint)
	if r.Filter != nil {
		wanted += " and the filter " + quote(r.Filter.String())
	}
	if count == 0 {
		return Fail(v1beta1.NoMatchReason, nil, "no version matches %s: no version is published at all", wanted)
	}
	return Fail(v1beta1.NoMatchReason, nil, "no version matches %s: of %d published, %s",
		wanted, count, strings.Join(refused, ", "))
}

// quote shows a text of somebody else's: on one line and not endless.
func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

func clip(s string) string {
	const most = 120
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
