package tracker

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// RefusedError says that the API server does not let a kind be watched, or does not serve it. The objects of the kind
// have to be asked for one by one; Use tries again later.
type RefusedError struct {
	Kind Kind
	// Err is the API server's answer.
	Err error
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s of the whole cluster cannot be watched: %v", e.Kind, e.Err)
}

// Unwrap returns the API server's answer.
func (e *RefusedError) Unwrap() error { return e.Err }

// refusal separates answers that a retry does not change from transient errors.
func refusal(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) ||
		apierrors.IsMethodNotSupported(err) || apierrors.IsNotAcceptable(err)
}
