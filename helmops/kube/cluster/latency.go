package cluster

import (
	"net/http"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// Answered is called with how long an API server took to answer a request, and whether it refused it because it had
// too many. It must not block.
type Answered func(took time.Duration, refused bool, now time.Time)

// Timed wraps a transport and reports how each request was answered; it is for rest.Config.Wrap. Watches are left
// out, for they are answered when they begin, and so is what got no answer.
func Timed(answered Answered, now func() time.Time) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return timed{next, answered, now} }
}

type timed struct {
	next     http.RoundTripper
	answered Answered
	now      func() time.Time
}

// WrappedRoundTripper implements utilnet.RoundTripperWrapper.
func (t timed) WrappedRoundTripper() http.RoundTripper { return t.next }

var _ utilnet.RoundTripperWrapper = timed{}

// RoundTrip implements http.RoundTripper.
func (t timed) RoundTrip(request *http.Request) (*http.Response, error) {
	if watches(request) {
		return t.next.RoundTrip(request)
	}

	begun := t.now()
	response, err := t.next.RoundTrip(request)
	if err == nil {
		ended := t.now()
		t.answered(ended.Sub(begun), response.StatusCode == http.StatusTooManyRequests, ended)
	}

	return response, err
}
