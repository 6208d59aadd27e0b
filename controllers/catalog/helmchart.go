package catalog

import (
	"context"
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
)

// pollHelmChart takes the answer to the choice of a HelmChart and has the archive in the store.
func (c *Catalog) pollHelmChart(ctx context.Context, source v1beta1.Source, _ []ChartRef) Polled {
	chart := source.(*v1beta1.HelmChart)
	choice := ChoiceOfChart(chart)
	if err := c.doubt(ctx, choice); err != nil {
		return Polled{Err: err}
	}

	revision, err := c.Chart(ctx, choice)
	if err != nil {
		return Polled{Err: err}
	}

	out, err := c.takeChart(ctx, chart, choice, revision)
	if err != nil {
		return Polled{Err: err}
	}

	out.Message += c.keptNote(ctx, choice)
	if out.Verify = chart.Spec.Verify != nil; out.Verify && *out.Chart == revision {
		out.Signed = c.signer(ctx, choice)
	}

	return out
}

// takeChart has a chart in the store, unless the current one stays by the strategy of the HelmChart.
func (c *Catalog) takeChart(
	ctx context.Context, chart *v1beta1.HelmChart, choice ChartRef, revision v1beta1.ChartRevision,
) (Polled, error) {
	had := chart.GetArtifact()
	if current := chart.Status.Chart; current != nil && had != nil && c.View(chart).Has(had.Digest) &&
		!isNew(chart, *current, revision) {
		return chartFound(*had, *current), nil
	}

	has := chart.Status.Chart != nil && *chart.Status.Chart == revision
	view, digest, err := c.ensure(ctx, choice, revision, has)
	if err != nil {
		return Polled{}, err
	}
	if err := view.Share(digest, holderOf(chart)); err != nil {
		return Polled{}, err
	}

	size, err := view.Size(digest)
	if err != nil {
		return Polled{}, err
	}

	return chartFound(v1beta1.Artifact{Revision: revision.Version, Digest: digest, Size: size}, revision), nil
}

// isNew reports whether a chart replaces the current one, by the strategy of the HelmChart. Values files are input
// with every strategy: they have no version of their own.
func isNew(chart *v1beta1.HelmChart, current, found v1beta1.ChartRevision) bool {
	if chart.Status.ObservedGeneration != chart.Generation {
		return current != found
	}
	if v1beta1.HoldsDirectories(chart.Spec.SourceRef.Kind) &&
		chart.Spec.ReconcileStrategy != v1beta1.ReconcileStrategyRevision {
		return current.Name != found.Name || current.Version != found.Version ||
			current.ValuesDigest != found.ValuesDigest && current.Digest != found.Digest
	}
	return current.Digest != found.Digest
}

func chartFound(artifact v1beta1.Artifact, revision v1beta1.ChartRevision) Polled {
	return Polled{
		Artifact: artifact, Chart: &revision, Message: fmt.Sprintf("chart %s %s", revision.Name, revision.Version),
	}
}
