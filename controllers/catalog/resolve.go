package catalog

import (
	"context"
	"errors"
	"io"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources/store"
)

// FoundChart is a chart that a choice stands for.
type FoundChart struct {
	v1beta1.ChartRevision
	// Origin is the revision of the GitRepository that the chart was packed from; empty for others.
	Origin string
	// Archive of the chart, which the caller closes.
	Archive io.ReadCloser
}

// Resolve asks upstream once which chart a choice stands for, and opens its archive. It polls as the controllers do,
// but keeps what it fetches in dir, which the caller removes after closing the archive, and writes nothing to the
// cluster. Sources and their Secrets are read with reader. A source that is suspended is asked, too. kubeVersion is
// that of the cluster, as Catalog.Fit takes it.
func Resolve(
	ctx context.Context, reader client.Reader, dir string, kubeVersion func(context.Context) (string, error),
	choice ChartRef,
) (found FoundChart, err error) {
	artifacts, err := store.Open(dir)
	if err != nil {
		return FoundChart{}, err
	}
	defer func() { err = errors.Join(err, artifacts.Close()) }()
	catalog := NewCatalog(reader, reader, artifacts)
	catalog.SetKubeVersion(kubeVersion)
	return catalog.resolve(ctx, choice)
}

func (c *Catalog) resolve(ctx context.Context, choice ChartRef) (FoundChart, error) {
	object, err := c.source(ctx, choice)
	if err != nil {
		return FoundChart{}, err
	}
	if chart, is := object.(*v1beta1.HelmChart); is {
		return c.resolve(ctx, ChoiceOfChart(chart))
	}

	var asked []ChartRef
	holdsOne := choice.Kind == v1beta1.OCIRepositoryKind || choice.Kind == v1beta1.ExternalArtifactKind
	if !holdsOne {
		asked = []ChartRef{choice}
	}

	polled := c.Poll(ctx, object, asked)
	if polled.Err != nil {
		return FoundChart{}, polled.Err
	}
	if holdsOne && polled.Chart == nil {
		return FoundChart{}, noChart(choice)
	}

	if choice.Kind == v1beta1.OCIRepositoryKind {
		archive, err := c.View(object).Open(polled.Artifact.Digest)
		return FoundChart{ChartRevision: *polled.Chart, Archive: archive}, err
	}

	var out FoundChart
	if holdsOne {
		out.ChartRevision = *polled.Chart
	} else if out.ChartRevision, err = c.Chart(ctx, choice); err != nil {
		return FoundChart{}, err
	}
	if picked, ok := c.pick(ctx, choice, object); ok {
		out.Origin = picked.Origin
	}

	out.Archive, err = c.Archive(ctx, choice, out.ChartRevision, false)
	return out, err
}
