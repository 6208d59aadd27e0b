package cluster

import (
	"net/http"
	"strings"
)

// eventsAtOnce is how many requests that write events are on their way at the same time. The recorder has no bound of
// its own: a thousand objects that change together would send a thousand events before what the controllers do.
const eventsAtOnce = 4

// EventsInTurn returns a wrapper of transports for rest.Config.Wrap, which bounds how many events are written at the
// same time. Other requests do not wait.
func EventsInTurn() func(http.RoundTripper) http.RoundTripper {
	slots := make(chan struct{}, eventsAtOnce)
	return func(next http.RoundTripper) http.RoundTripper { return inTurn{next: next, slots: slots} }
}

type inTurn struct {
	next  http.RoundTripper
	slots chan struct{}
}

// RoundTrip implements http.RoundTripper. A request whose context ends before its turn is not sent.
func (t inTurn) RoundTrip(request *http.Request) (*http.Response, error) {
	if !writesEvent(request) {
		return t.next.RoundTrip(request)
	}

	select {
	case t.slots <- struct{}{}:
	case <-request.Context().Done():
		return nil, request.Context().Err()
	}

	defer func() { <-t.slots }()
	return t.next.RoundTrip(request)
}

// WrappedRoundTripper implements utilnet.RoundTripperWrapper.
func (t inTurn) WrappedRoundTripper() http.RoundTripper { return t.next }

// writesEvent reports whether a request creates or patches an event, in either group:
// /apis/events.k8s.io/v1/namespaces/apps/events/NAME or /api/v1/namespaces/apps/events.
func writesEvent(request *http.Request) bool {
	if request.Method != http.MethodPost && request.Method != http.MethodPatch {
		return false
	}
	_, rest, found := strings.Cut(request.URL.Path, "/namespaces/")
	if !found {
		return false
	}
	parts := strings.Split(rest, "/")
	return len(parts) > 1 && parts[1] == "events"
}
