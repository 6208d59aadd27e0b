package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/semaphore"
)

const (
	// parallel is how many objects are downloaded at a time.
	parallel = 16
	// smallObject is how large an object may be to be kept in memory until its turn; a larger one is read when it comes.
	smallObject = 1 << 20
	// aheadBytes is how much may wait in memory.
	aheadBytes = 16 << 20
	// perObject is what an object counts besides its content, so that empty ones are bounded too.
	perObject = 4 << 10
)

// arrival is an object that was downloaded ahead of its turn.
type arrival struct {
	content []byte
	err     error
	crash   *crash
}

// crash is a panic on its way from a goroutine of a download to the one that waits for it, which belongs to the caller
// and is guarded by it. It does not hold the value of the panic.
type crash struct{ stack []byte }

// Stack is the stack of the goroutine that panicked.
func (c *crash) Stack() []byte { return c.stack }

// download hands the objects to take one after the other in their order, and downloads small ones ahead of their turn.
// The content is exactly as long as was listed. It returns the first failure, which ends the rest.
func (b *Bucket) download(ctx context.Context, objects []object, take func(o object, content io.Reader) error) error {
	client, err := b.client()
	if err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	room := semaphore.NewWeighted(aheadBytes)
	arrivals := make(chan chan arrival, parallel)
	go func() { // does nothing that can panic
		defer close(arrivals)
		for _, o := range objects {
			promise := make(chan arrival, 1)
			if o.size <= smallObject {
				if room.Acquire(ctx, o.size+perObject) != nil {
					return
				}
				go func() { promise <- arrive(func() ([]byte, error) { return b.read(ctx, client, o) }) }()
			}

			select {
			case arrivals <- promise:
			case <-ctx.Done():
				return
			}
		}
	}()
	for _, o := range objects {
		if err := b.next(ctx, client, o, arrivals, take); err != nil {
			return err
		}
		if o.size <= smallObject {
			room.Release(o.size + perObject)
		}
	}

	return nil
}

// next hands over the object whose turn it is.
func (b *Bucket) next(
	ctx context.Context, client *minio.Client, o object, arrivals <-chan chan arrival, take func(object, io.Reader) error,
) error {
	promise, ok := <-arrivals
	if !ok {
		return b.failure(ctx.Err(), b.getting(o))
	}

	if o.size <= smallObject {
		got := <-promise
		if got.crash != nil {
			panic(got.crash)
		}
		if got.err != nil {
			return got.err
		}

		return take(o, bytes.NewReader(got.content))
	}

	content, err := b.open(ctx, client, o)
	if err != nil {
		return err
	}

	defer content.Close()
	exact := &exactly{r: content, left: o.size}
	err = take(o, exact)
	if exact.err != nil {
		return b.failure(exact.err, b.getting(o))
	}

	return err
}

// arrive downloads an object. A panic is carried to the one that waits for the object.
func arrive(read func() ([]byte, error)) (got arrival) {
	defer func() {
		if recover() != nil {
			got = arrival{crash: &crash{stack: debug.Stack()}}
		}
	}()
	got.content, got.err = read()
	return got
}

func (b *Bucket) read(ctx context.Context, client *minio.Client, o object) ([]byte, error) {
	body, err := b.open(ctx, client, o)
	if err != nil {
		return nil, err
	}

	defer body.Close()
	content := bytes.NewBuffer(make([]byte, 0, o.size+bytes.MinRead))
	if _, err := content.ReadFrom(&exactly{r: body, left: o.size}); err != nil {
		return nil, b.failure(err, b.getting(o))
	}

	return content.Bytes(), nil
}

// open asks for an object as it was listed.
func (b *Bucket) open(ctx context.Context, client *minio.Client, o object) (io.ReadCloser, error) {
	options := minio.GetObjectOptions{}
	if err := options.SetMatchETag(o.etag); err != nil {
		return nil, b.failure(err, b.getting(o))
	}

	body, info, _, err := minio.Core{Client: client}.GetObject(ctx, b.opts.Bucket, o.key, options)
	if err != nil {
		return nil, b.failure(err, b.getting(o))
	}

	// Not every server looks at If-Match.
	if info.ETag != "" && info.ETag != o.etag || info.Size != o.size && info.Size >= 0 {
		_ = body.Close()
		return nil, b.failure(errChanged, b.getting(o))
	}

	return body, nil
}

func (b *Bucket) getting(o object) string {
	return fmt.Sprintf("getting %.200q of %s", o.key, b)
}

// errChanged is for an object that is not as it was listed.
var errChanged = &refusal{status: http.StatusPreconditionFailed}

// exactly reads as many bytes as an object has: fewer and more are failures, so that no header of the archive lies.
type exactly struct {
	r    io.Reader
	left int64
	err  error
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}

	n, err := e.r.Read(p)
	e.left -= int64(n)
	switch {
	case e.left < 0:
		n = 0
		err = errChanged
	case errors.Is(err, io.EOF) && e.left > 0:
		err = io.ErrUnexpectedEOF
	}
	if err != nil && !errors.Is(err, io.EOF) {
		e.err = err
	}

	return n, err
}
