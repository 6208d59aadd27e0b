package catalog

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/ignore"
	"fairlead.dev/fairlead/sources/oci"
)

// pollOCIRepository resolves the reference to a digest and has what is behind it, a chart or files, in the store, and
// packs the values files that are asked of it.
func (c *Catalog) pollOCIRepository(ctx context.Context, source v1beta1.Source, choices []ChartRef) Polled {
	repository := source.(*v1beta1.OCIRepository)
	found := c.fetchArtifact(ctx, repository)
	wanted := ofValues(choices)
	key := keyOf(v1beta1.OCIRepositoryKind, repository)
	if found.Err != nil || len(wanted) == 0 && len(c.before(key, repository).Picks) == 0 {
		return found
	}

	return c.treePolled(ctx, key, repository, found, wanted)
}

// fetchArtifact has the artifact of an OCIRepository in the store, a chart or files.
func (c *Catalog) fetchArtifact(ctx context.Context, repository *v1beta1.OCIRepository) Polled {
	access := c.access(ctx, repository)
	if c.asksNothing(repository, access) {
		found := ociFound(*repository.GetArtifact(), repository.Status.Chart)
		found.Verify = repository.Spec.Verify != nil
		return found
	}

	found := c.findArtifact(ctx, repository)
	if found.Err == nil {
		found.Err = c.prove(repository, access, found.Artifact.Digest)
	}

	found.Verify = repository.Spec.Verify != nil || len(repository.Spec.Attestations) > 0
	return found
}

// findArtifact resolves, verifies and fetches: what was verified is what is pulled, by its digest.
func (c *Catalog) findArtifact(ctx context.Context, repository *v1beta1.OCIRepository) Polled {
	ctx, cancel := context.WithTimeout(ctx, repository.GetTimeout())
	defer cancel()
	remote, err := c.ociRepository(ctx, repository)
	if err != nil {
		return Polled{Err: err}
	}

	name, digest, err := resolveReference(ctx, remote, repository)
	if err != nil {
		return Polled{Err: err}
	}

	if had := repository.GetArtifact(); had != nil && goesBack(repository, had.Revision, name) &&
		c.View(repository).Has(had.Digest) {
		found := ociFound(*had, repository.Status.Chart)
		found.Message += "; upstream has no version in the range any more that is newer than " + name +
			", which is older: it is not gone back to"
		return found
	}

	revision := name + "@" + digest
	if had := repository.GetArtifact(); repository.Status.ObservedGeneration == repository.Generation && had != nil &&
		had.Revision == revision && c.View(repository).Has(had.Digest) {
		return ociFound(*had, repository.Status.Chart)
	}

	signed, err := c.signedArtifact(ctx, repository, remote, digest)
	if err != nil {
		return Polled{Err: err}
	}

	content, err := remote.Content(ctx, digest)
	if err != nil {
		return Polled{Err: err}
	}

	archive, size, err := c.storeContent(ctx, repository, remote, content)
	if err != nil {
		return Polled{Err: err}
	}

	artifact := v1beta1.Artifact{Revision: revision, Digest: archive, Size: size}
	var chart *v1beta1.ChartRevision
	if content.Chart != nil {
		chart = &content.Chart.ChartRevision
	}

	out := ociFound(artifact, chart)
	out.Signed = signed
	out.Warnings = movedTag(repository, name, digest)
	return out
}

// storeContent has the archive of an artifact in the store, and returns its digest and size.
func (c *Catalog) storeContent(
	ctx context.Context, repository *v1beta1.OCIRepository, remote *oci.Repository, content oci.Content,
) (digest string, size int64, err error) {
	receive := func(w io.Writer) error { return remote.FetchContent(ctx, content, w) }
	digest, size, err = c.View(repository).Put(ctx, content.Archive, receive)
	if err != nil || content.Chart != nil {
		return digest, size, err
	}
	return c.strip(ctx, repository, digest, size)
}

// strip leaves out of an archive of manifests what spec.ignore says, unless the layer is to be kept as it is.
func (c *Catalog) strip(
	ctx context.Context, repository *v1beta1.OCIRepository, digest string, size int64,
) (string, int64, error) {
	selector := repository.Spec.LayerSelector
	if repository.Spec.Ignore == nil || selector != nil && selector.Operation == v1beta1.LayerCopy {
		return digest, size, nil
	}

	matcher, err := ignore.New(repository.Spec.Ignore, nil)
	if err != nil {
		return "", 0, err
	}

	view := c.View(repository)
	archive, err := view.Open(digest)
	if err != nil {
		return "", 0, err
	}

	defer archive.Close()
	return view.Put(ctx, "", func(w io.Writer) error { return matcher.Strip(archive, w) })
}

// movedTag returns the warning that a tag that is a version points to something else than before. Other tags are made
// to move.
func movedTag(repository *v1beta1.OCIRepository, name, digest string) []string {
	had := repository.GetArtifact()
	if _, version := sources.ParseTag(name); had == nil || !version {
		return nil
	}
	before, digestBefore, _ := strings.Cut(had.Revision, "@")
	if before != name || digestBefore == digest {
		return nil
	}
	return []string{
		fmt.Sprintf("version %s was published again with other content: %s before, %s now", name, digestBefore, digest),
	}
}

// goesBack reports whether the newest version in a range is older than what the same range gave before, as it is when
// upstream has taken versions away. Users who want the older one ask for it.
func goesBack(repository *v1beta1.OCIRepository, revision, name string) bool {
	if ref := repository.Spec.Reference; ref == nil || ref.SemVer == "" || ref.Digest != "" ||
		repository.Status.ObservedGeneration != repository.Generation {
		return false
	}
	before, _, _ := strings.Cut(revision, "@")
	had, ok := sources.ParseTag(before)
	found, also := sources.ParseTag(name)
	return ok && also && sources.Compare(found, had) < 0
}

// ociFound is the outcome of a poll; chart is nil for an artifact that holds manifests.
func ociFound(artifact v1beta1.Artifact, chart *v1beta1.ChartRevision) Polled {
	// The revision of a digest that is referred to without a tag begins with the @.
	revision := strings.TrimPrefix(artifact.Revision, "@")
	message := "manifests of " + revision
	if chart != nil {
		message = fmt.Sprintf("chart %s %s, %s", chart.Name, chart.Version, revision)
	}

	return Polled{Artifact: artifact, Chart: chart, Message: message}
}

// resolveReference returns the name that was chosen and the digest it points to.
func resolveReference(
	ctx context.Context, remote *oci.Repository, repository *v1beta1.OCIRepository,
) (name, digest string, err error) {
	var reference v1beta1.OCIRepositoryRef
	if repository.Spec.Reference != nil {
		reference = *repository.Spec.Reference
	}

	switch {
	case reference.Digest != "":
		digest, err = remote.Resolve(ctx, reference.Digest)
		return "", digest, err
	case reference.SemVer != "":
		name, err = chooseTag(ctx, remote, reference)
		if err != nil {
			return "", "", err
		}
	default:
		name = cmp.Or(reference.Tag, "latest")
	}

	digest, err = remote.Resolve(ctx, name)
	return name, digest, err
}

func chooseTag(ctx context.Context, remote *oci.Repository, reference v1beta1.OCIRepositoryRef) (string, error) {
	choice := sources.VersionConstraint{Constraint: reference.SemVer}
	if reference.SemverFilter != "" {
		filter, err := regexp.Compile(reference.SemverFilter)
		if err != nil {
			return "", sources.Stall(v1beta1.InvalidReferenceReason, err, "spec.ref.semverFilter is not a regular expression")
		}

		choice.Filter = filter
	}

	tags, err := remote.Tags(ctx)
	if sources.Reason(err) == v1beta1.NotFoundReason {
		return "", sources.Fail(v1beta1.NotFoundReason, nil,
			"registry %s has no repository %s; check spec.url and the credentials",
			remote.Host(), strings.TrimPrefix(remote.String(), remote.Host()+"/"))
	}
	if err != nil {
		return "", err
	}

	versions, _ := sources.ParseTags(tags)
	chosen, err := sources.Select(versions, choice)
	return chosen.Tag, err
}

func (c *Catalog) ociRepository(ctx context.Context, repository *v1beta1.OCIRepository) (*oci.Repository, error) {
	path := strings.TrimSuffix(strings.TrimPrefix(repository.Spec.URL, "oci://"), "/")
	secrets := c.secretsOf(repository)
	credentials, err := secrets.registry(ctx, repository.Spec.SecretRef, path)
	if err == nil && repository.Spec.SecretRef == nil && repository.Spec.ServiceAccountName != "" {
		credentials, err = secrets.pull(ctx, repository.Spec.ServiceAccountName, path)
	}
	if err != nil {
		return nil, err
	}

	http, err := secrets.client(ctx, repository.Spec.CertSecretRef, repository.Spec.ProxySecretRef)
	if err != nil {
		return nil, err
	}

	layer := ""
	if selector := repository.Spec.LayerSelector; selector != nil {
		layer = selector.MediaType
	}

	return oci.New(
		oci.Options{
			Repository: path, PlainHTTP: repository.Spec.Insecure, Credentials: credentials, HTTP: http, Layer: layer,
		})
}
