package rendering

import (
	"errors"

	"fairlead.dev/fairlead/helmops/postrender"
	"fairlead.dev/fairlead/helmops/process/worker"
)

// codeUnfit marks the error of a job whose chart is not for the Kubernetes version of the cluster.
const codeUnfit = "chart-unfit"

// unfitError says that a chart is not for the cluster.
type unfitError struct{ cause error }

// Error implements error.
func (e *unfitError) Error() string { return e.cause.Error() }

// Code marks the error on its way from the rendering process.
func (e *unfitError) Code() string { return codeUnfit }

// IsRefused reports whether a rendering failed for its input by a rule of Fairlead: a post renderer that does not fit,
// or a chart for another version of Kubernetes. What the templates themselves say are errors of Helm.
func IsRefused(err error) bool {
	var step *postrender.StepError
	var failed *worker.JobError
	if errors.As(err, &step) {
		return true
	}
	return errors.As(err, &failed) && (failed.Code == codeUnfit || failed.Code == postrender.CodeStep)
}
