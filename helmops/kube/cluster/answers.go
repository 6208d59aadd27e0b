package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/fair"
)

// Bounds of an answer of the API server of a kubeconfig, which a tenant can run. A watch has none of the times.
const (
	// answerSilence is how long no byte of a body may come.
	answerSilence = 30 * time.Second
	// answerTotal is how long an answer may take from the request to its last byte.
	answerTotal = 2 * time.Minute
	// smallAnswer is what every answer may have. For more it needs one of the largeAnswers, of which a namespace has
	// largePerNamespace at a time: one with many such servers waits for itself.
	smallAnswer       = 1 << 20
	largeAnswers      = 4
	largePerNamespace = 1
	// watchPace is how many bytes per second all watches of a namespace take together, once they have had watchBurst.
	// Decoding events takes processor time, and a server that floods has no end of them. What watches follow are labels
	// and states of a few thousand objects, which is far less.
	watchPace  = 512 << 10
	watchBurst = 4 << 20
	// watchChunk is how much of an event is read at a time, and watchBuffer what may wait to be read.
	watchChunk  = 64 << 10
	watchBuffer = 512 << 10
)

// limits bound an answer, or an event of a watch. The size alone does not bound the memory it takes: an object of two
// bytes becomes a struct of hundreds.
type limits struct {
	bytes int64
	// values are the members of objects and lists, objects those of them that are objects.
	values, objects int
}

var (
	listLimits      = limits{bytes: 32 << 20, values: 2 << 20, objects: 512 << 10}
	discoveryLimits = limits{bytes: 8 << 20, values: 512 << 10, objects: 64 << 10}
	objectLimits    = limits{bytes: 8 << 20, values: 512 << 10, objects: 128 << 10}
	// otherLimits are for what is not JSON, such as the page of a proxy, and for why something cannot be read: that is
	// kept.
	otherLimits = limits{bytes: 64 << 10, values: 64 << 10, objects: 64 << 10}
)

// AnswerError says why an answer of an API server is refused. Trying again helps when the server changes.
type AnswerError struct {
	// Method and Path of the request.
	Method, Path string
	// Problem continues "the answer is refused:".
	Problem string
}

// Error implements error.
func (e *AnswerError) Error() string {
	return fmt.Sprintf("the answer of the API server to %s %s is refused: %s", e.Method, e.Path, e.Problem)
}

// Reason is the reason for a condition.
func (e *AnswerError) Reason() string { return v1beta1.ClusterUnreachableReason }

var (
	errSilent = errors.New("it stopped in the middle")
	errLate   = errors.New("it took too long")
)

// answers bounds what an API server answers.
type answers struct {
	next           http.RoundTripper
	base           string // path of the server's URL
	namespace      string
	large          *fair.Shares
	pace           *rate.Limiter // of watches, in bytes
	silence, total time.Duration
}

// boundAnswers returns a transport to a server that bounds its answers. Large ones count for a namespace, and the
// watches of a namespace share a pace.
func boundAnswers(
	next http.RoundTripper, server, namespace string, large *fair.Shares, pace *rate.Limiter,
) http.RoundTripper {
	a := &answers{next: next, namespace: namespace, large: large, pace: pace, silence: answerSilence, total: answerTotal}
	if address, err := url.Parse(server); err == nil {
		a.base = strings.Trim(address.Path, "/")
	}
	return a
}

// WrappedRoundTripper implements utilnet.RoundTripperWrapper.
func (a *answers) WrappedRoundTripper() http.RoundTripper { return a.next }

// RoundTrip implements http.RoundTripper.
func (a *answers) RoundTrip(request *http.Request) (*http.Response, error) {
	if watches(request) {
		return a.watch(request)
	}
	return a.roundTrip(request, a.limitsOf(request))
}

func watches(request *http.Request) bool {
	watch := request.URL.Query().Get("watch")
	return watch == "true" || watch == "1"
}

// watch opens a watch. Each of its events is bounded; an answer that is an error is none.
func (a *answers) watch(request *http.Request) (*http.Response, error) {
	response, err := a.next.RoundTrip(jsonOnly(request, request.Context()))
	if err != nil {
		return nil, err
	}

	body := &answer{
		ReadCloser: response.Body, of: a, request: request, ctx: request.Context(), limits: objectLimits,
		counter: counter{events: response.StatusCode == http.StatusOK}, end: func(error) {},
	}
	if !isJSON(response) || !body.counter.events {
		body.limits = otherLimits
		body.counter.events = false
	}

	response.Body = body
	return response, nil
}

func (a *answers) roundTrip(request *http.Request, bounds limits) (*http.Response, error) {
	timed, cancelTimed := context.WithTimeoutCause(request.Context(), a.total, errLate)
	ctx, cancel := context.WithCancelCause(timed)
	end := func(cause error) {
		cancel(cause)
		cancelTimed()
	}
	response, err := a.next.RoundTrip(jsonOnly(request, ctx))
	if err != nil {
		late := errors.Is(context.Cause(ctx), errLate)
		end(nil)
		if late {
			err = a.refused(request, errLate.Error())
		}

		return nil, err
	}

	if !isJSON(response) || request.Method == http.MethodGet && response.StatusCode >= http.StatusBadRequest {
		bounds = otherLimits
	}

	body := &answer{ReadCloser: response.Body, of: a, request: request, ctx: ctx, limits: bounds, end: end}
	body.timer = time.AfterFunc(a.silence, func() { cancel(errSilent) })
	body.timer.Stop()
	response.Body = body
	if response.ContentLength > bounds.bytes {
		_ = body.Close()
		return nil, a.refused(request, tooLarge(bounds))
	}

	return response, nil
}

func tooLarge(bounds limits) string { return fmt.Sprintf("it has more than %d bytes", bounds.bytes) }

func (a *answers) refused(request *http.Request, problem string) error {
	return &AnswerError{Method: request.Method, Path: request.URL.Path, Problem: problem}
}

// jsonOnly asks for JSON only: of the other formats it is not known in advance how much memory a document takes.
func jsonOnly(request *http.Request, ctx context.Context) *http.Request { //nolint:revive // it is the copy's context
	request = request.Clone(ctx)
	var accepted []string
	for _, kind := range strings.Split(request.Header.Get("Accept"), ",") {
		if kind = strings.TrimSpace(kind); strings.HasPrefix(kind, "application/json") {
			accepted = append(accepted, kind)
		}
	}

	if len(accepted) == 0 {
		accepted = []string{"application/json"}
	}

	request.Header.Set("Accept", strings.Join(accepted, ","))
	return request
}

func isJSON(response *http.Response) bool {
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// limitsOf tells lists and discovery from single objects by the path of a request.
func (a *answers) limitsOf(request *http.Request) limits {
	path := strings.TrimPrefix(strings.Trim(request.URL.Path, "/"), a.base)
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var prefix int
	switch parts[0] {
	case "api":
		prefix = 2
	case "apis":
		prefix = 3
	default:
		return objectLimits
	}

	if len(parts) <= prefix {
		return discoveryLimits
	}

	parts = parts[prefix:]
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	if len(parts) == 1 && request.Method == http.MethodGet {
		return listLimits
	}

	return objectLimits
}

// answer is a body that is bounded while it is read.
type answer struct {
	io.ReadCloser
	of      *answers
	request *http.Request
	ctx     context.Context //nolint:containedctx // it is the body's own exchange
	limits  limits
	counter counter
	end     func(cause error)
	timer   *time.Timer // nil for a watch
	slot    *fair.Slot
	read    int64
	failed  error
}

// Read implements io.Reader. Silence counts only while a caller waits for bytes.
func (b *answer) Read(p []byte) (int, error) {
	if b.failed != nil {
		return 0, b.failed
	}

	room, err := b.room()
	if err != nil {
		return 0, b.fail(err)
	}
	if int64(len(p)) > room {
		p = p[:room]
	}
	if b.timer != nil {
		b.timer.Reset(b.of.silence)
	}

	n, err := b.ReadCloser.Read(p)
	if b.timer != nil {
		b.timer.Stop()
	}

	if b.counter.events && n > 0 {
		if late := b.of.pace.WaitN(b.ctx, n); late != nil {
			return 0, b.fail(late)
		}
	}

	if problem := b.take(p[:n]); problem != "" {
		return 0, b.fail(b.of.refused(b.request, problem))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(b.ctx); errors.Is(cause, errSilent) || errors.Is(cause, errLate) {
			err = b.of.refused(b.request, cause.Error())
		}
		b.failed = err
	}

	return n, err
}

// room returns how many bytes may be read next. One more than is allowed tells an answer of just the limit from a
// longer one.
func (b *answer) room() (int64, error) {
	if b.counter.events {
		return watchChunk, nil
	}
	if b.read < smallAnswer {
		return min(smallAnswer, b.limits.bytes+1) - b.read, nil
	}

	if b.slot == nil {
		slot, err := b.of.large.Take(b.ctx, b.of.namespace)
		if err != nil {
			return 0, b.of.refused(b.request, "other large answers did not leave room for it in time")
		}

		b.slot = slot
	}

	return b.limits.bytes + 1 - b.read, nil
}

// take counts what was read, and returns what is wrong with it.
func (b *answer) take(p []byte) string {
	b.read += int64(len(p))
	b.counter.take(p)
	size := b.read
	if b.counter.events {
		size = b.counter.most.bytes
	}

	switch {
	case size > b.limits.bytes:
		return tooLarge(b.limits)
	case b.counter.most.values > b.limits.values || b.counter.most.objects > b.limits.objects:
		return fmt.Sprintf("it has more than %d values, or %d objects", b.limits.values, b.limits.objects)
	}

	return ""
}

// fail ends the exchange: nothing more is read from the connection.
func (b *answer) fail(err error) error {
	b.failed = err
	b.end(nil)
	return err
}

// Close implements io.Closer.
func (b *answer) Close() error {
	if b.timer != nil {
		b.timer.Stop()
	}
	err := b.ReadCloser.Close()
	b.end(nil)
	b.slot.Close()
	return err
}
