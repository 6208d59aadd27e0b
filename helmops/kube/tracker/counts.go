package tracker

import "sync/atomic"

// counts are those of all trackers of the process.
var counts struct { //nolint:gochecknoglobals // as the registry of metrics is
	streams, restarts atomic.Int64
}

// Streams is how many kinds the trackers of this process watch, each counted once for each cluster, identity and
// namespace that it is watched for.
func Streams() int64 { return counts.streams.Load() }

// Restarts is how many times a watch of this process ended and was opened again. An API server ends every watch after
// some minutes, which counts, too.
func Restarts() int64 { return counts.restarts.Load() }
