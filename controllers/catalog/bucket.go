package catalog

import (
	"context"
	"io"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/bucket"
)

// pollBucket lists the bucket, has its objects in the store when they changed, and packs the charts that are asked of
// it.
func (c *Catalog) pollBucket(ctx context.Context, source v1beta1.Source, choices []ChartRef) Polled {
	object := source.(*v1beta1.Bucket)
	artifact, err := c.fetchBucket(ctx, object)
	if err != nil {
		return Polled{Err: err}
	}
	found := Polled{Artifact: artifact, Message: "objects of " + artifact.Revision}
	return c.treePolled(ctx, keyOf(v1beta1.BucketKind, object), object, found, choices)
}

func (c *Catalog) fetchBucket(ctx context.Context, object *v1beta1.Bucket) (v1beta1.Artifact, error) {
	ctx, cancel := context.WithTimeout(ctx, object.GetTimeout())
	defer cancel()
	options, err := c.bucketOptions(ctx, object)
	if err != nil {
		return v1beta1.Artifact{}, err
	}

	remote, err := bucket.New(options)
	if err != nil {
		return v1beta1.Artifact{}, err
	}

	revision, err := remote.Resolve(ctx)
	if err != nil {
		return v1beta1.Artifact{}, err
	}
	if had := object.GetArtifact(); had != nil && had.Revision == revision.String() && c.View(object).Has(had.Digest) {
		return *had, nil
	}

	digest, size, err := c.View(object).Put(ctx, "", func(w io.Writer) error { return remote.Fetch(ctx, revision, w) })
	return v1beta1.Artifact{Revision: revision.String(), Digest: digest, Size: size}, err
}

func (c *Catalog) bucketOptions(ctx context.Context, object *v1beta1.Bucket) (bucket.Options, error) {
	spec := object.Spec
	options := bucket.Options{
		Endpoint: spec.Endpoint, Bucket: spec.BucketName, Prefix: spec.Prefix, Region: spec.Region, Insecure: spec.Insecure,
		Ignore: spec.Ignore,
	}
	secrets := c.secretsOf(object)
	if spec.SecretRef != nil {
		found, err := secrets.secret(ctx, "secretRef", spec.SecretRef)
		if err != nil {
			return options, err
		}
		if options.Credentials, err = sources.BucketCredentials(found.Data); err != nil {
			return options, err
		}
	}

	var err error
	options.HTTP, err = secrets.client(ctx, spec.CertSecretRef, spec.ProxySecretRef)
	return options, err
}
