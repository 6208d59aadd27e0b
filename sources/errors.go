package sources

import (
	"errors"
	"fmt"
	"time"
)

// Error is a failure of a source with the reason that goes into the condition. The caller looks for the methods
// Reason, Retryable and RetryAfter through [errors.As]; it does not have to know this type.
type Error struct {
	reason  string
	message string
	cause   error
	stalled bool
	after   time.Duration
	refused bool
}

// Fail returns a failure that may go away by itself: the caller tries again. reason is one of the reasons of sources in
// api/v1beta1, err may be nil, and the formatted text says in lower case what was tried.
func Fail(reason string, err error, format string, args ...any) *Error {
	return &Error{reason: reason, message: fmt.Sprintf(format, args...), cause: err}
}

// Stall returns a failure that only a change of the object, or of what it names, can fix: a retry is useless.
// The arguments are those of [Fail].
func Stall(reason string, err error, format string, args ...any) *Error {
	e := Fail(reason, err, format, args...)
	e.stalled = true
	return e
}

// After returns a copy of the error that asks for a pause before the next attempt; zero and less leave it to the
// caller's back-off.
func (e *Error) After(pause time.Duration) *Error {
	c := *e
	c.after = max(pause, 0)
	return &c
}

// OfRefusal returns a copy of the error that says that upstream has refused the credentials, or their absence.
func (e *Error) OfRefusal() *Error {
	c := *e
	c.refused = true
	return &c
}

// Error says what was tried and why it failed, in lower case and without credentials.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.message
	}
	if e.message == "" {
		return e.cause.Error()
	}
	return e.message + ": " + e.cause.Error()
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Reason is the reason of the condition, one of the reasons of sources in api/v1beta1.
func (e *Error) Reason() string { return e.reason }

// Retryable is false when only a change of the object, or of what it names, can help.
func (e *Error) Retryable() bool { return !e.stalled }

// RetryAfter is how long upstream asked to be left alone; zero leaves the pause to the caller's back-off.
func (e *Error) RetryAfter() time.Duration { return e.after }

// IsRefusal reports whether upstream has refused the credentials that were used. An error of a Secret is none.
func IsRefusal(err error) bool {
	for e := (*Error)(nil); errors.As(err, &e); err = e.cause {
		if e.refused {
			return true
		}
	}
	return false
}

// Reason returns the reason of the first failure of a source in err's chain, "" when there is none.
func Reason(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.reason
	}
	return ""
}
