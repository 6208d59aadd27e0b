package source

import (
	"context"
	"errors"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
)

// polled is what one poll of a source found.
type polled struct {
	generation int64
	request    string
	// artifact is what is in the cache now, without its time. Zero when the poll failed.
	artifact v1beta1.Artifact
	// chart is set for a source that stands for one chart.
	chart   *v1beta1.ChartRevision
	message string
	// verify is set when the source asks for signatures; signed tells by whom they are, empty when nothing new was looked at.
	verify bool
	signed string
	// warnings are what people should know of upstream although the poll went well.
	warnings []string
	// include are the artifacts of others that are part of this one, content tells with which settings it was made.
	include []v1beta1.Artifact
	content string
	err     error
}

// poller asks upstream for news of one source and brings them into the store. choices are what is asked of the source.
type poller func(ctx context.Context, source v1beta1.Source, choices []Choice) polled

// failureOf words an error for the conditions of a source.
func failureOf(err error) status.Failure {
	failure := status.Failure{Reason: v1beta1.FetchFailedReason, Message: err.Error()}
	if e := (*sources.Error)(nil); errors.As(err, &e) {
		failure.Reason, failure.Final = e.Reason(), !e.Retryable()
	}
	return failure
}
