package catalog

import (
	"context"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/helmrepo"
	"fairlead.dev/fairlead/sources/oci"
)

// skipReason is why a chart is skipped, for messages.
const skipReason = "failed before with the present values"

// Without is the same choice, but for charts that are not taken. Only a range of a HelmRepository leaves a choice:
// every other source stands for one chart.
func (c ChartRef) Without(skipped []v1beta1.SkippedChart) ChartRef {
	if !c.LeavesChoice() {
		return c
	}

	lines := make([]string, 0, len(skipped))
	for _, s := range skipped {
		lines = append(lines, s.ChartVersion+" "+s.ChartDigest)
	}

	slices.Sort(lines)
	c.skip = strings.Join(slices.Compact(lines), "\n")
	return c
}

// LeavesChoice reports whether another version can be taken than the newest: the choice is a range of a HelmRepository.
func (c ChartRef) LeavesChoice() bool {
	_, exact := sources.ParseVersion(c.Version)
	return c.Kind == v1beta1.HelmRepositoryKind && !exact
}

// skips reports whether a chart is not taken. A digest that is not known leaves it to the version: so it is where the
// index of a repository has none, and for a chart whose values were replaced.
func (c ChartRef) skips(tag, digest string) bool {
	if c.skip == "" {
		return false
	}

	found, ok := sources.ParseTag(tag)
	for line := range strings.SplitSeq(c.skip, "\n") {
		version, bad, _ := strings.Cut(line, " ")
		same := v1beta1.SameVersion(version, tag) || ok && v1beta1.SameVersion(version, found.String())
		if same && (bad == digest || digest == "" || c.values != "") {
			return true
		}
	}

	return false
}

// skipsEntry refuses the entries of an index that are not taken; nil for none.
func (c ChartRef) skipsEntry(index *helmrepo.Index) func(sources.Version) (string, bool) {
	if c.skip == "" {
		return nil
	}
	digests := map[string]string{}
	for _, entry := range index.Versions(c.Chart) {
		digests[entry.Tag] = entry.Digest
	}
	return func(v sources.Version) (string, bool) { return skipReason, c.skips(v.Tag, digests[v.Tag]) }
}

// skipsTag reports whether a tag of a registry is not taken. It asks for the digest of the tag only where the version
// is one of those: it may have been published again with other content, which is another chart.
func (c ChartRef) skipsTag(ctx context.Context, remote *oci.Repository, tag string) (string, bool, error) {
	if !c.skips(tag, "") {
		return "", false, nil
	}
	digest, err := remote.Resolve(ctx, tag)
	return skipReason, err == nil && c.skips(tag, digest), err
}

// ChoiceFor is the choice of a release that stands for a chart: what it asks for, or that without the charts it skips.
func (c *Catalog) ChoiceFor(ctx context.Context, hr *v1beta1.HelmRelease, chart v1beta1.ChartRevision) ChartRef {
	choice := ChoiceOfRelease(hr)
	older := choice.Without(hr.Status.Skipped)
	if older == choice {
		return choice
	}
	if found, ok := c.Last(ctx, older); ok && found.Digest == chart.Digest {
		return older
	}
	return choice
}
