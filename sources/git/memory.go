package git

import (
	"context"
	"io"
)

const (
	// packCopies is how often a received byte is in memory at most while the pack grows.
	packCopies = 2
	// objectCopies is how often an object is in memory while it is unpacked: as a delta's base, as its outcome, and as it
	// is written.
	objectCopies = 3
	// objectBytes is what the index of a pack keeps of each object.
	objectBytes = 512
	// deltaCache is what the library keeps of unpacked objects, at most.
	deltaCache = 96 << 20
)

// memoryOf is what unpacking a pack takes, beside the pack itself.
func memoryOf(objects, largest, total int64) int64 {
	return objectCopies*largest + objects*objectBytes + min(total, deltaCache+objectCache)
}

type growKey struct{}

// begin has what is received in ctx counted.
func (r *Remote) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	if r.opts.Begin == nil {
		return ctx, func() {}, nil
	}
	grow, end, err := r.opts.Begin(ctx)
	if err != nil {
		return ctx, nil, err
	}
	return context.WithValue(ctx, growKey{}, grow), end, nil
}

// growerOf is what counts in ctx.
func growerOf(ctx context.Context) func(bytes int64) error {
	if grow, ok := ctx.Value(growKey{}).(func(int64) error); ok {
		return grow
	}
	return func(int64) error { return nil }
}

// countedReader counts what is read for a pack, before it is kept.
type countedReader struct {
	r    io.Reader
	grow func(bytes int64) error
}

// Read implements io.Reader.
func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if n > 0 {
		if full := c.grow(int64(n) * packCopies); full != nil {
			return 0, full
		}
	}
	return n, err
}
