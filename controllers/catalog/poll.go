package catalog

import (
	"context"
	"errors"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
)

// Polled is what one poll of a source found.
type Polled struct {
	// Artifact is what is in the cache now, without its time. Zero when the poll failed.
	Artifact v1beta1.Artifact
	// Chart is set for a source that stands for one chart.
	Chart   *v1beta1.ChartRevision
	Message string
	// Verify is set when the source asks for signatures; Signed says by whom they are, empty when nothing new was
	// looked at.
	Verify bool
	Signed string
	// Warnings are what people should know of upstream although the poll went well.
	Warnings []string
	// Include are the artifacts of others that are part of this one, Content says with which settings it was made.
	Include []v1beta1.Artifact
	Content string
	// Origin is the revision that an ExternalArtifact names as its origin, and Rules a digest of what its generator says
	// about it, also when the poll failed.
	Origin string
	Rules  string
	Err    error
}

// poller asks upstream for news of one source and brings them into the store. choices are what is asked of the source.
type poller func(ctx context.Context, source v1beta1.Source, choices []ChartRef) Polled

// Poll asks upstream for news of one source of any kind and brings them into the store. choices are what is asked of
// the source. It waits for upstream, so it is not for workers. No secret that it read is in its errors and warnings.
func (c *Catalog) Poll(ctx context.Context, source v1beta1.Source, choices []ChartRef) Polled {
	var poll poller
	switch source.(type) {
	case *v1beta1.Bucket:
		poll = c.pollBucket
	case *v1beta1.GitRepository:
		poll = c.pollGitRepository
	case *v1beta1.HelmRepository:
		poll = c.pollHelmRepository
	case *v1beta1.OCIRepository:
		poll = c.pollOCIRepository
	case *v1beta1.HelmChart:
		poll = c.pollHelmChart
	case *v1beta1.ExternalArtifact:
		poll = c.pollExternalArtifact
	default:
		return Polled{Err: sources.Stall(v1beta1.InvalidReferenceReason, nil, "%T is not a kind of source", source)}
	}

	return redacting(poll)(ctx, source, choices)
}

// Fill writes into the status of a source what only sources of its kind have: the chart that it stands for, or what its
// artifact was made of.
func (p Polled) Fill(object Object) {
	status.SourceHolds(object,
		status.SourceContent{Chart: p.Chart, Include: p.Include, Content: p.Content, Origin: p.Origin})
}

// Observe writes into the status of a source which rules the poll was made by, also when it failed.
func (p Polled) Observe(object Object) { status.SourceObserved(object, p.Rules) }

// FailureOf words an error for the conditions of a source.
func FailureOf(err error) status.Failure {
	failure := status.Failure{Reason: v1beta1.FetchFailedReason, Message: err.Error()}
	if e := (*sources.Error)(nil); errors.As(err, &e) {
		failure.Reason, failure.Final = e.Reason(), !e.Retryable()
	}
	return failure
}
