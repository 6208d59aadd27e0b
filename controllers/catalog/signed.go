package catalog

import (
	"context"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/helmrepo"
	"fairlead.dev/fairlead/sources/oci"
)

// Signed returns who has signed a chart of a registry or of a HelmRepository, by its digest, among those whom a
// verification trusts. The Secrets of the verification are in the namespace of the source. It waits for the registry,
// so it is not for workers. An error with the reason VerificationFailed says that no signature counts; any other that
// it could not be found out.
func (c *Catalog) Signed(
	ctx context.Context, choice ChartRef, digest string, v *v1beta1.Verification,
) (by string, err error) {
	ctx, read := redactable(ctx)
	by, err = c.signedBy(ctx, choice, digest, v)
	return by, read.hide(err)
}

func (c *Catalog) signedBy(
	ctx context.Context, choice ChartRef, digest string, v *v1beta1.Verification,
) (by string, err error) {
	source, err := c.source(ctx, choice)
	if err != nil {
		return "", err
	}

	ctx, cancel := context.WithTimeout(ctx, source.GetTimeout())
	defer cancel()
	if repository, is := source.(*v1beta1.HelmRepository); is && !repository.IsOCI() {
		return c.signedArchive(ctx, choice, repository, digest, v)
	}

	remote, err := c.remoteOf(ctx, choice, source)
	if err != nil {
		return "", err
	}

	keys, _, err := c.secretsIn(choice.Namespace).trusted(ctx, v)
	if err != nil {
		return "", err
	}

	return keys.artifact(ctx, remote, digest)
}

// signedArchive returns who has signed the provenance file of an archive that the index of a HelmRepository has.
func (c *Catalog) signedArchive(
	ctx context.Context, choice ChartRef, repository *v1beta1.HelmRepository, digest string, v *v1beta1.Verification,
) (by string, err error) {
	keys, _, err := c.secretsIn(choice.Namespace).trusted(ctx, v)
	if err != nil {
		return "", err
	}

	gone := unavailable(v1beta1.SourceNotReadyReason,
		"%s has no archive %s any more, so there is no provenance file to check", choice, digest)
	found, err := c.indexed(ctx, repository, choice, gone, func(e helmrepo.Entry) bool { return e.Digest == digest })
	if had, ok := c.pick(ctx, choice, repository); ok && had.upstream().Revision.Digest == digest {
		found, err = had.upstream(), nil // an index without digests
	}
	if err != nil {
		return "", err
	}

	found.Archive = digest
	remote, err := c.helmRepository(ctx, repository)
	if err != nil {
		return "", err
	}

	return keys.provenance(ctx, remote, found)
}

// remoteOf is the repository of a registry that has the charts of a choice.
func (c *Catalog) remoteOf(ctx context.Context, choice ChartRef, source v1beta1.Source) (*oci.Repository, error) {
	switch object := source.(type) {
	case *v1beta1.OCIRepository:
		return c.ociRepository(ctx, object)
	case *v1beta1.HelmRepository:
		return c.registry(ctx, object, choice.Chart)
	}
	return nil, sources.Stall(v1beta1.UnsupportedReason, nil, "%s has no signatures that a stage can verify", choice)
}
