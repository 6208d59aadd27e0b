package catalog

import (
	"context"
	"errors"
	"io"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources/store"
)

// Resolve asks upstream once which chart a choice stands for, and opens its archive. It polls as the controllers do,
// but keeps what it fetches in dir, which the caller removes after closing the archive, and writes nothing to the
// cluster. Sources and their Secrets are read with reader. A source that is suspended is asked, too. kubeVersion is
// that of the cluster, as Catalog.Fit takes it.
func Resolve(
	ctx context.Context, reader client.Reader, dir string, kubeVersion func(context.Context) (string, error),
	choice ChartRef,
) (_ v1beta1.ChartRevision, _ io.ReadCloser, err error) {
	artifacts, err := store.Open(dir)
	if err != nil {
		return v1beta1.ChartRevision{}, nil, err
	}
	defer func() { err = errors.Join(err, artifacts.Close()) }()
	catalog := NewCatalog(reader, reader, artifacts)
	catalog.SetKubeVersion(kubeVersion)
	return catalog.resolve(ctx, choice)
}

func (c *Catalog) resolve(ctx context.Context, choice ChartRef) (v1beta1.ChartRevision, io.ReadCloser, error) {
	object, err := c.source(ctx, choice)
	if err != nil {
		return v1beta1.ChartRevision{}, nil, err
	}

	var found Polled
	switch source := object.(type) {
	case *v1beta1.HelmChart:
		return c.resolve(ctx, ChoiceOfChart(source))
	case *v1beta1.OCIRepository:
		if found = c.Poll(ctx, source, nil); found.Err != nil {
			return v1beta1.ChartRevision{}, nil, found.Err
		}
		if found.Chart == nil {
			return v1beta1.ChartRevision{}, nil, noChart(choice)
		}

		archive, err := c.View(source).Open(found.Artifact.Digest)
		return *found.Chart, archive, err
	case *v1beta1.ExternalArtifact:
		if found = c.Poll(ctx, source, nil); found.Err != nil {
			return v1beta1.ChartRevision{}, nil, found.Err
		}
		if found.Chart == nil {
			return v1beta1.ChartRevision{}, nil, noChart(choice)
		}

		archive, err := c.Archive(ctx, choice, *found.Chart, false)
		return *found.Chart, archive, err
	case *v1beta1.HelmRepository:
		found = c.Poll(ctx, source, []ChartRef{choice})
	case *v1beta1.GitRepository:
		found = c.Poll(ctx, source, []ChartRef{choice})
	case *v1beta1.Bucket:
		found = c.Poll(ctx, source, []ChartRef{choice})
	}

	if found.Err != nil {
		return v1beta1.ChartRevision{}, nil, found.Err
	}

	revision, err := c.Chart(ctx, choice)
	if err != nil {
		return v1beta1.ChartRevision{}, nil, err
	}

	archive, err := c.Archive(ctx, choice, revision, false)
	return revision, archive, err
}
