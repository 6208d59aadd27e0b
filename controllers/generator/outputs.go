package generator

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
)

// expandRetry is when directories are read again that could not be read. Another artifact of their source has them read
// before.
const expandRetry = 30 * time.Second

// elsewhereRetry is when it is looked again whether a source, or its directories, are as they have to be; their changes
// have it looked at before.
const elsewhereRetry = 5 * time.Minute

// readingError is why the directories that a pathPattern stands for cannot be read.
type readingError struct{ error }

// Unwrap implements what errors.As looks for.
func (e readingError) Unwrap() error { return e.error }

// errReading is returned while the directories that a pathPattern stands for are read.
var errReading = errors.New("reading the directories that match spec.pathPattern")

// outputs returns the ExternalArtifacts that a generator declares now. What pathPattern stands for is read outside of
// the worker. After an error, there may be others: none is made or deleted.
func (h *handler) outputs(ctx context.Context, g *v1beta1.ArtifactGenerator) ([]catalog.Output, error) {
	key := client.ObjectKeyFromObject(g)
	failed, _ := h.readings.Take(key)
	outputs, known, err := h.declared.Outputs(ctx, g)
	if err != nil || known {
		return outputs, err
	}
	if failed != nil && !catalog.IsPending(failed) {
		return nil, readingError{failed}
	}

	generator := g.DeepCopy()
	h.readings.Start(key, func(ctx context.Context) error {
		return h.declared.Expand(ctx, generator)
	}, func(fault error) error {
		return sources.Fail(v1beta1.InternalErrorReason, fault, "reading the directories of ArtifactGenerator %s", key)
	})
	return nil, errReading
}

// undeclared records why it is not known what a generator declares, and returns when to look again. While that is being
// found out, a generator that was handled before stays as it is.
func (h *handler) undeclared(g *v1beta1.ArtifactGenerator, err error) time.Duration {
	if errors.Is(err, errReading) || catalog.IsPending(err) {
		if g.Status.ObservedGeneration != g.Generation {
			status.Progressing(g, err.Error(), h.now())
		}
		return h.jitter.Spread(g.GetInterval()) // woken before that
	}

	again := elsewhereRetry
	failure := catalog.FailureOf(err)
	failure.Message += "; no artifact is made or deleted until that changes"
	if unread := (readingError{}); errors.As(err, &unread) {
		again = expandRetry
		failure.Message = unread.Error() + "; no artifact is made or deleted, and the controller retries in " + again.String()
	}

	status.GeneratorFailed(g, failure, h.now())
	return again
}
