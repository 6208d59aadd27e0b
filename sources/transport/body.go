package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrTooLarge says that upstream sent more than it may.
var ErrTooLarge = errors.New("more than the limit")

// errSilent ends a body that stopped coming.
var errSilent = errors.New("upstream stopped sending")

// watchedBody ends the exchange when no byte came for a while.
type watchedBody struct {
	io.ReadCloser
	silence time.Duration
	timer   *time.Timer
	cancel  context.CancelCauseFunc
	ctx     context.Context //nolint:containedctx // it is the body's own exchange
}

func newWatchedBody(
	ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser, silence time.Duration,
) io.ReadCloser {
	b := &watchedBody{ReadCloser: body, silence: silence, cancel: cancel, ctx: ctx}
	b.timer = time.AfterFunc(silence, func() { cancel(errSilent) })
	b.timer.Stop()
	return b
}

// Read watches only while a caller waits for bytes: a reader that is busy writing them down is not upstream's silence.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.silence)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(context.Cause(b.ctx), errSilent) {
		err = fmt.Errorf("%w for %s", errSilent, b.silence)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// Limit returns a reader that fails with [ErrTooLarge] when there are more than limit bytes, instead of ending quietly.
func Limit(r io.Reader, limit int64) io.Reader { return &limited{r: r, left: limit} }

type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, ErrTooLarge
	}
	// One byte more than is allowed distinguishes a body of exactly the limit from a longer one.
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}

	n, err := l.r.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return n - 1, ErrTooLarge
	}

	return n, err
}

// WatchedWriter remembers the failure of a writer, which is not that of the upstream that is copied to it.
type WatchedWriter struct {
	// Err is that of the last write.
	Err error

	w io.Writer
}

// WatchWriter returns a writer to w that remembers failures.
func WatchWriter(w io.Writer) *WatchedWriter { return &WatchedWriter{w: w} }

// Write implements io.Writer.
func (s *WatchedWriter) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.Err = err
	return n, err
}
