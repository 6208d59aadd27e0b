package transport

import (
	"sync/atomic"
	"time"
)

// waited counts the waits of all clients of the process.
var waited struct { //nolint:gochecknoglobals // as the limit of a host is
	times, nanoseconds atomic.Int64
}

// noticeable is the shortest wait that counts.
const noticeable = time.Millisecond

// Waits is how many requests of this process had to wait because of the limit of requests to one host, and for how long
// all of them together.
func Waits() (times int64, total time.Duration) {
	return waited.times.Load(), time.Duration(waited.nanoseconds.Load())
}

func noteWait(took time.Duration) {
	if took < noticeable {
		return
	}
	waited.times.Add(1)
	waited.nanoseconds.Add(int64(took))
}
