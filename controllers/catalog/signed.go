package catalog

import (
	"context"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/oci"
)

// Signed returns who has signed a chart of an OCI registry, by its digest, among those whom a verification trusts. The
// Secrets of the verification are in the namespace of the source. It waits for the registry, so it is not for workers.
// An error with the reason VerificationFailed says that no signature counts; any other that it could not be found out.
func (c *Catalog) Signed(
	ctx context.Context, choice Choice, digest string, v *v1beta1.Verification,
) (by string, err error) {
	ctx, read := redactable(ctx)
	by, err = c.signedBy(ctx, choice, digest, v)
	return by, read.hide(err)
}

func (c *Catalog) signedBy(
	ctx context.Context, choice Choice, digest string, v *v1beta1.Verification,
) (by string, err error) {
	source, err := c.source(ctx, choice)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, source.GetTimeout())
	defer cancel()
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

// remoteOf is the repository of a registry that has the charts of a choice.
func (c *Catalog) remoteOf(ctx context.Context, choice Choice, source v1beta1.Source) (*oci.Repository, error) {
	switch object := source.(type) {
	case *v1beta1.OCIRepository:
		return c.ociRepository(ctx, object)
	case *v1beta1.HelmRepository:
		if object.IsOCI() {
			return c.registry(ctx, object, choice.Chart)
		}
	}
	return nil, sources.Stall(v1beta1.UnsupportedReason, nil, "%s is in no OCI registry, so a stage cannot verify its "+
		"signatures", choice)
}
