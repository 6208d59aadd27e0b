package build

import (
	"errors"
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Error says what is wrong with manifests, and where. It quotes no content.
type Error struct {
	reason string
	// Path of the file or directory, empty when it is about none; Line within it, 0 when that is not known.
	Path string
	Line int
	err  error
	// final is set when the same input fails again, wherever and whenever it is tried.
	final bool
}

// Error implements error.
func (e *Error) Error() string {
	switch {
	case e.Path == "":
		return e.err.Error()
	case e.Line > 0:
		return fmt.Sprintf("%s, line %d: %s", e.Path, e.Line, e.err)
	default:
		return fmt.Sprintf("%s: %s", e.Path, e.err)
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// Reason is the reason for a condition.
func (e *Error) Reason() string { return e.reason }

// Retryable reports whether another try can help.
func (e *Error) Retryable() bool { return !e.final }

func broken(path string, format string, args ...any) error {
	return &Error{reason: v1beta1.BuildFailedReason, Path: path, err: fmt.Errorf(format, args...)}
}

func brokenAt(path string, line int, format string, args ...any) error {
	return &Error{reason: v1beta1.BuildFailedReason, Path: path, Line: line, err: fmt.Errorf(format, args...)}
}

func undecrypted(path string, format string, args ...any) error {
	return &Error{reason: v1beta1.DecryptionFailedReason, Path: path, err: fmt.Errorf(format, args...)}
}

// reasoned keeps an error that has a reason, and gives any other the reason that the build failed.
func reasoned(path string, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	return &Error{reason: v1beta1.BuildFailedReason, Path: path, err: err}
}
