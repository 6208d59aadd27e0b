package refs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// ObstacleError is why nothing can be done for an object, in the words of a condition.
type ObstacleError struct {
	status.Failure
	// After is when to look again although nothing was heard; zero is the interval of the object.
	After time.Duration
}

// Error implements error.
func (o *ObstacleError) Error() string { return o.Message }

// Obstacle implements what loop.Blocker looks for.
func (o *ObstacleError) Obstacle() (status.Failure, time.Duration) { return o.Failure, o.After }

// RetryableObstacle is an obstacle that may go away without a change of the object.
func RetryableObstacle(reason, format string, args ...any) error {
	return &ObstacleError{Failure: status.Failure{Reason: reason, Message: fmt.Sprintf(format, args...)}}
}

// TerminalObstacle is an obstacle that only a change of the spec removes.
func TerminalObstacle(reason, format string, args ...any) error {
	return &ObstacleError{Failure: status.Failure{Reason: reason, Message: fmt.Sprintf(format, args...), Final: true}}
}

// CrossNamespaceObstacle refuses a reference into another namespace.
func CrossNamespaceObstacle(field, what string) error {
	return TerminalObstacle(v1beta1.AccessDeniedReason,
		"%s names %s in another namespace, which this installation does not allow (--no-cross-namespace-refs)", field, what)
}

// Supported refuses an object whose spec has fields that are not supported and must not be neglected; nil for any
// other.
func Supported(object v1beta1.Supporter) error {
	if message := v1beta1.UnsupportedMessage(object); message != "" {
		return TerminalObstacle(v1beta1.UnsupportedReason, "%s", message)
	}
	return nil
}

// IsObstacle reports whether an error is an obstacle.
func IsObstacle(err error) bool {
	var known *ObstacleError
	return errors.As(err, &known)
}

// ReasonOf returns the reason of an obstacle, empty for other errors.
func ReasonOf(err error) string {
	var known *ObstacleError
	if !errors.As(err, &known) {
		return ""
	}
	return known.Reason
}

// PendingReadError says that an object is being read for the first time; who asked is woken when it is there.
type PendingReadError struct {
	what string
	// Took is for how long the answer has been awaited.
	Took time.Duration
	// Again is set when the object had been read before: what its conditions say stands meanwhile.
	Again bool
}

// Looking says that something is being read outside of the worker, which may have been read before.
func Looking(what string, took time.Duration) error {
	return &PendingReadError{what: what, Took: took, Again: true}
}

// Error implements error.
func (l *PendingReadError) Error() string { return "reading " + l.what }

// Reading implements what loop.Blocker looks for.
func (l *PendingReadError) Reading() (took time.Duration, again bool) { return l.Took, l.Again }

// Listed names the keys that an object has, briefly.
func Listed(data map[string][]byte) string {
	const shown = 5
	keys := slices.Sorted(maps.Keys(data))
	switch {
	case len(keys) == 0:
		return "it has none"
	case len(keys) > shown:
		return fmt.Sprintf("it has %s and %d more", strings.Join(keys[:shown], ", "), len(keys)-shown)
	default:
		return "it has " + strings.Join(keys, ", ")
	}
}
