package catalog

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/oci"
)

// pin is the one chart that a choice wants.
type pin struct {
	// Digest of the chart; empty for any chart that the choice allows.
	Digest string
	// Origin is where that chart was found: the revision of a GitRepository, or the URL of an archive.
	Origin string
}

// String names the pin, for messages and as part of a key.
func (p pin) String() string {
	switch {
	case p.Digest == "":
		return ""
	case p.Origin == "":
		return " with the digest " + p.Digest
	}
	return fmt.Sprintf(" with the digest %s, once at %s", p.Digest, p.Origin)
}

// filter bounds the versions of a choice beside its range.
type filter struct {
	// Include has to match the version, Exclude must not; empty for no such rule.
	Include, Exclude string
	// Prereleases lets the range take pre-releases.
	Prereleases bool
}

// String names the filter, for messages and as part of a key.
func (f filter) String() string {
	text := ""
	if f.Include != "" {
		text += fmt.Sprintf(" matching %q", f.Include)
	}
	if f.Exclude != "" {
		text += fmt.Sprintf(" not matching %q", f.Exclude)
	}
	if f.Prereleases {
		text += " with pre-releases"
	}

	return text
}

// wanted is what a choice asks for among the versions of a chart. A pinned chart does not have to fit the cluster: it
// was chosen before.
func (c ChartRef) wanted(kube string) (sources.VersionConstraint, error) {
	out := sources.VersionConstraint{Constraint: c.Version, KubeVersion: kube, IncludePrerelease: c.filter.Prereleases}
	if c.pin.Digest != "" {
		out.KubeVersion = ""
	}

	for _, rule := range []struct {
		text string
		into **regexp.Regexp
	}{{c.filter.Include, &out.Filter}, {c.filter.Exclude, &out.Exclude}} {
		if rule.text == "" {
			continue
		}

		compiled, err := regexp.Compile(rule.text)
		if err != nil {
			return out, sources.Stall(v1beta1.InvalidReferenceReason, err,
				"%s: %q is not a regular expression", c, rule.text)
		}

		*rule.into = compiled
	}

	return out, nil
}

// as refuses a chart that is not the pinned one. A pick without a digest is not known yet.
func (p resolved) as(choice ChartRef) resolved {
	if choice.pin.Digest == "" || p.err != nil || p.Revision.Digest == "" {
		return p
	}

	if p.Revision.Digest != choice.pin.Digest {
		return resolved{err: sources.Fail(v1beta1.DigestMismatchReason, nil, "%s: upstream has %s with the digest %s",
			choice, p.Revision.Version, p.Revision.Digest)}
	}

	if choice.Version == "" {
		return p
	}

	wanted, err := choice.wanted("")
	if err == nil {
		version, _ := sources.ParseEntry(p.Revision.Version)
		_, err = sources.Select([]sources.Version{version}, wanted)
	}
	if err != nil {
		return resolved{err: fmt.Errorf("%s: %w", choice, err)}
	}

	return p
}

// orPinned takes the archive at the origin of a pinned chart that a Helm repository no longer offers. The archive
// counts only with the pinned digest, and with the signatures that the choice demands.
func (p resolved) orPinned(choice ChartRef) resolved {
	if choice.pin.Digest == "" || choice.pin.Origin == "" || p.Revision.Digest != "" {
		return p.kept(choice)
	}
	return resolved{
		Revision: v1beta1.ChartRevision{Name: choice.Chart, Version: choice.Version, Digest: choice.pin.Digest},
		Archive:  choice.pin.Digest, URL: choice.pin.Origin, withdrawn: p.err,
	}
}

// kept marks a pinned chart that upstream no longer offers, so that its signatures are looked at further.
func (p resolved) kept(choice ChartRef) resolved {
	if choice.pin.Digest != "" && p.Revision.Digest != "" && p.err != nil && !blocks(p.err) {
		p.withdrawn = p.err
		p.err = nil
	}
	return p
}

// pinnedManifest finds the pinned chart of a registry by its digest.
func pinnedManifest(ctx context.Context, remote *oci.Repository, choice ChartRef, before resolved) resolved {
	found, _ := describe(ctx, remote, choice.pin.Digest, before)
	found.withdrawn = nil
	return found.as(choice).keep(before).kept(choice)
}

// missing says why the last poll did not find the chart of a pick upstream; nil when it did.
func (p resolved) missing() error {
	if p.withdrawn != nil {
		return p.withdrawn
	}
	return p.err
}

// holding finds a pinned chart among the answers to other choices.
func (s *sourceCache) holding(choice ChartRef) (resolved, bool) {
	if choice.pin.Digest == "" || !choice.plain() {
		return resolved{}, false
	}

	for _, found := range s.Picks {
		if found.Base == nil && found.err == nil && !found.needsReverify && found.Revision.Digest == choice.pin.Digest {
			same := found.as(choice)
			same.SignedBy = ""
			same.Keys = ""
			return same, same.err == nil
		}
	}

	return resolved{}, false
}

// Origin is where the chart that answers a choice can be fetched again: the revision of a GitRepository, or the URL of
// an archive in a Helm repository; empty when nothing is known that could be written into an object.
func (c *Catalog) Origin(ctx context.Context, choice ChartRef, want v1beta1.ChartRevision) string {
	source, err := c.read(ctx, choice)
	if err != nil || isOneChart(source) {
		return ""
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.cacheOf(choice, source)
	if s == nil || s.Picks[choice.String()].Revision != want {
		return ""
	}

	found := s.Picks[choice.String()].upstream()
	if found.Origin != "" {
		return found.Origin
	}

	address, err := url.Parse(found.URL)
	if err != nil || address.User != nil || address.RawQuery != "" || len(found.URL) > maxOrigin {
		return "" // a query may hold credentials
	}

	return found.URL
}

// maxOrigin is how long spec.origin of a HelmChart may be.
const maxOrigin = 2048

// Kept says why the answer to a choice is kept although upstream no longer offers it; nil when upstream offers it, or
// when the last poll did not show.
func (c *Catalog) Kept(ctx context.Context, choice ChartRef) error {
	source, err := c.read(ctx, choice)
	if err != nil {
		return nil // the source is gone: its users say so
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.cacheOf(choice, source)
	if s == nil || s.Picks[choice.String()].Revision.Digest == "" {
		return nil
	}

	found := s.Picks[choice.String()]
	switch err := found.missing(); sources.Reason(err) {
	case v1beta1.DigestMismatchReason, v1beta1.NoMatchReason, v1beta1.NotFoundReason,
		v1beta1.InvalidContentReason:
		return err
	}

	return nil
}

// OutOfRange says that a choice does not allow a version; nil when it does, or when that is not known.
func (c *Catalog) OutOfRange(ctx context.Context, choice ChartRef, version string) error {
	allowed := choice
	if choice.Kind == v1beta1.OCIRepositoryKind {
		source, err := c.read(ctx, choice)
		if err != nil {
			return nil //nolint:nilerr // the source is gone: its users say so
		}

		ref := source.(*v1beta1.OCIRepository).Spec.Reference
		if ref == nil || ref.SemVer == "" || ref.Digest != "" {
			return nil
		}

		allowed.Version = ref.SemVer
		allowed.filter.Include = ref.SemverFilter
	}

	if allowed.Version == "" {
		return nil
	}

	wanted, err := allowed.wanted("")
	if err != nil {
		return nil //nolint:nilerr // the choice itself has this error
	}

	entry, _ := sources.ParseEntry(version)
	if _, err = sources.Select([]sources.Version{entry}, wanted); err == nil {
		return nil
	}

	return fmt.Errorf("the subject no longer allows it: the range is %q%s", allowed.Version, allowed.filter)
}

// keptNote is Kept for the message of a HelmChart.
func (c *Catalog) keptNote(ctx context.Context, choice ChartRef) string {
	if choice.pin.Digest == "" {
		return ""
	}
	if err := c.Kept(ctx, choice); err != nil {
		return "; it stays, and upstream no longer offers it: " + err.Error()
	}
	return ""
}

// fetchNamed fetches the archive of a pick. For a pinned one that upstream no longer offers, the error says that.
func (c *Catalog) fetchNamed(
	ctx context.Context, repository *v1beta1.HelmRepository, choice ChartRef, found resolved,
) (string, error) {
	digest, err := c.fetchChart(ctx, repository, choice, found)
	missing := found.missing()
	if err == nil || missing == nil || choice.pin.Digest == "" {
		return digest, err
	}
	return "", sources.Fail(sources.Reason(missing), nil, "%s; the cache does not have it, and its archive: %s",
		missing, err)
}

// pickPinned takes the pinned chart of a directory: as it was packed before, from the present tree when that has it, or
// from its commit.
func (c *Catalog) pickPinned(
	ctx context.Context, source v1beta1.Source, tree *v1beta1.Artifact, choice ChartRef, before *sourceCache,
) resolved {
	had := before.Picks[choice.String()]
	if had.Revision.Digest == choice.pin.Digest && c.View(source).Has(had.Archive) {
		had.err = nil
		return had
	}

	found, err := c.packPinned(ctx, source, tree, choice)
	if err != nil {
		return resolved{err: err}.keep(had)
	}

	return found
}

// packPinned packs the pinned chart of a directory.
func (c *Catalog) packPinned(
	ctx context.Context, source v1beta1.Source, tree *v1beta1.Artifact, choice ChartRef,
) (resolved, error) {
	found, err := c.pack(ctx, c.View(source), tree, choice)
	if err == nil {
		if found = found.as(choice); found.err == nil {
			return found, nil
		}
		err = found.err
	}

	repository, is := source.(*v1beta1.GitRepository)
	if !is || commitOf(choice.pin.Origin) == "" {
		return resolved{}, fmt.Errorf("%s: %w", choice, err)
	}

	old, err := c.treeAt(ctx, repository, choice.pin.Origin)
	if err != nil {
		return resolved{}, fmt.Errorf("%s: %w", choice, err)
	}
	if found, err = c.pack(ctx, c.View(source), old, choice); err != nil {
		return resolved{}, fmt.Errorf("%s: %w", choice, err)
	}

	found = found.as(choice)
	found.Origin = choice.pin.Origin
	return found, found.err
}

// treeAt fetches the work tree of an earlier revision, with the settings and the signatures that the GitRepository asks
// for now.
func (c *Catalog) treeAt(
	ctx context.Context, repository *v1beta1.GitRepository, revision string,
) (*v1beta1.Artifact, error) {
	earlier := repository.DeepCopy()
	earlier.SetArtifact(nil)
	earlier.Spec.Reference = &v1beta1.GitRepositoryRef{Commit: commitOf(revision)}
	v := repository.Spec.Verify
	byTag := v != nil && (v.Mode == v1beta1.VerifyTag || v.Mode == v1beta1.VerifyTagAndHead)
	if byTag {
		name, _, _ := strings.Cut(revision, "@sha1:")
		earlier.Spec.Reference = &v1beta1.GitRepositoryRef{Tag: name}
	}

	found := c.fetchTree(ctx, earlier)
	if found.Err != nil {
		return nil, found.Err
	}

	if commitOf(found.Artifact.Revision) != commitOf(revision) {
		return nil, sources.Fail(v1beta1.VerificationFailedReason, nil,
			"the tag of %s, which has to be signed, is at %s now", revision, found.Artifact.Revision)
	}

	return &found.Artifact, nil
}

// commitOf is the commit of a revision of a GitRepository; empty for a text that is none.
func commitOf(revision string) string {
	commit := strings.TrimPrefix(revision[strings.LastIndexByte(revision, '@')+1:], "sha1:")
	if !sources.IsCommit(commit) {
		return ""
	}
	return commit
}
