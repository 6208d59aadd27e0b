package source

import (
	"context"
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// pollHelmChart takes the answer to the choice of a HelmChart and has the archive in the store.
func (c *Catalog) pollHelmChart(ctx context.Context, source v1beta1.Source, _ []Choice) polled {
	chart := source.(*v1beta1.HelmChart)
	choice := ChoiceOfChart(chart)
	revision, err := c.Chart(ctx, choice)
	if err != nil {
		return polled{err: err}
	}
	found := polled{verify: chart.Spec.Verify != nil}
	had := chart.GetArtifact()
	unverified := found.verify && chart.Status.ObservedGeneration != chart.Generation
	if current := chart.Status.Chart; current != nil && had != nil && c.store.Has(had.Digest) && !unverified && !isNew(chart, *current, revision) {
		out := chartFound(*had, *current)
		out.verify = found.verify
		return out
	}
	signed, err := c.chartSignedBy(ctx, chart, choice)
	if err != nil {
		return polled{err: err}
	}
	digest, err := c.ensure(ctx, choice, revision)
	if err != nil {
		return polled{err: err}
	}
	size, err := c.store.Size(digest)
	if err != nil {
		return polled{err: err}
	}
	out := chartFound(v1beta1.Artifact{Revision: revision.Version, Digest: digest, Size: size}, revision)
	out.verify, out.signed = found.verify, signed
	return out
}

// chartSignedBy tells who has signed the chart of a registry that a choice stands for.
func (c *Catalog) chartSignedBy(ctx context.Context, chart *v1beta1.HelmChart, choice Choice) (string, error) {
	if chart.Spec.Verify == nil {
		return "", nil
	}
	source, err := c.source(ctx, choice)
	if err != nil {
		return "", err
	}
	repository, is := source.(*v1beta1.HelmRepository)
	if !is || !repository.IsOCI() {
		return "", sources.Stall(v1beta1.VerificationFailedReason, nil, "spec.verify needs a HelmRepository of type oci: signatures are kept beside a chart in a registry")
	}
	found, ok := c.pick(choice, source)
	if !ok {
		return "", &pending{what: "looking for " + choice.String()}
	}
	ctx, cancel := context.WithTimeout(ctx, repository.GetTimeout())
	defer cancel()
	remote, err := c.registry(ctx, repository, choice.Chart)
	if err != nil {
		return "", err
	}
	return c.secretsOf(chart).signedBy(ctx, chart.Spec.Verify, remote, found.upstream().Revision.Digest)
}

// isNew tells whether a chart replaces the current one, by the strategy of the HelmChart.
func isNew(chart *v1beta1.HelmChart, current, found v1beta1.ChartRevision) bool {
	if chart.Status.ObservedGeneration != chart.Generation {
		return current != found
	}
	if v1beta1.HoldsDirectories(chart.Spec.SourceRef.Kind) && chart.Spec.ReconcileStrategy != v1beta1.ReconcileStrategyRevision {
		return current.Name != found.Name || current.Version != found.Version
	}
	return current.Digest != found.Digest
}

func chartFound(artifact v1beta1.Artifact, revision v1beta1.ChartRevision) polled {
	return polled{artifact: artifact, chart: &revision, message: fmt.Sprintf("chart %s %s", revision.Name, revision.Version)}
}
