package postrender

// CodeStep marks a StepError that crosses the border of a process.
const CodeStep = "post-renderer"

// StepError says that one of the post renderers of a release cannot be read, or cannot be applied to what the chart
// renders.
type StepError struct{ cause error }

// Error implements error.
func (e *StepError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.cause }

// Code marks the error on its way from the rendering process.
func (e *StepError) Code() string { return CodeStep }
