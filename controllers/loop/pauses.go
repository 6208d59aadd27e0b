package loop

import (
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// Slow is how long work may take before the object says that it is under way.
	Slow = time.Second
	// RemoteLook is how often objects on another cluster are looked at. A cluster of which nothing is asked is closed
	// after a while, and its objects would not be watched any more.
	RemoteLook = 4 * time.Minute
	// spread is by which part an interval may be longer, so that objects that were made together are not all due together.
	spread = 0.1
)

// Jitter lengthens a duration by a part of it, up to a factor. Tests have jitters that are not random.
type Jitter func(duration time.Duration, maxFactor float64) time.Duration

// Random is the Jitter of controllers.
func Random(duration time.Duration, maxFactor float64) time.Duration {
	return wait.Jitter(duration, maxFactor)
}

// Spread is an interval with up to a tenth more.
func (j Jitter) Spread(interval time.Duration) time.Duration { return j(interval, spread) }

// Soonest returns the shorter of two pauses; zero is none.
func Soonest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
