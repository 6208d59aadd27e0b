// Package backoff is the pause after failures in a row, by the arithmetic of k8s.io/apimachinery. It is pure.
package backoff

import (
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// maxSteps bounds the work for failures without an end; any policy has come to its last pause by then.
const maxSteps = 64

// Policy is how long to wait after failures: First after the first one, doubled for each further one, at most Last.
type Policy struct {
	First, Last time.Duration
}

// After returns the pause after so many failures in a row. Less than one counts as one.
func (p Policy) After(failures int64) time.Duration {
	steps := wait.Backoff{Duration: p.First, Factor: 2, Cap: p.Last, Steps: maxSteps}
	pause := steps.Step()
	for range min(max(failures, 1), maxSteps) - 1 {
		pause = steps.Step()
	}
	return min(pause, p.Last)
}
