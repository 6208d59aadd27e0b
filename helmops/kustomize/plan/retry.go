package plan

import (
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Pauses after failures in a row: doubled from the first to the last, unless spec.retryInterval says otherwise.
const (
	firstRetry = 5 * time.Second
	lastRetry  = 5 * time.Minute
)

// retryDelay is the pause after failures in a row. What is stalled waits for its input to change; it is tried again at
// the interval only because the cluster may have changed too.
func (d Desired) retryDelay(failures int64, stalled bool) time.Duration {
	if stalled {
		return d.Interval
	}
	if d.RetryInterval > 0 {
		return d.RetryInterval
	}
	return min(firstRetry<<min(max(failures-1, 0), 10), lastRetry)
}

// pause is how long a failed attempt is not repeated: no longer than the first pause once its obstacle is gone.
// Other obstacles may be left, so it is never repeated without a pause.
func pause(delay time.Duration, freed bool) time.Duration {
	if freed {
		return min(delay, firstRetry)
	}
	return delay
}

// Retry returns the pause after a failure with a reason that was the last of so many in a row; false when the same
// inputs are not tried again. Final is set for a failure that the same inputs cannot avoid.
func Retry(d Desired, failures int64, reason string, final bool) (after time.Duration, follows bool) {
	if final && reason == v1beta1.RenderingLimitExceededReason {
		return 0, false
	}
	return d.retryDelay(failures, final), true
}

// soonest is the shorter of two pauses; zero is none.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
