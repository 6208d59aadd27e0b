package transport

import (
	"net/http"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// A request that is sent without a delay is no wait; one that comes too early is.
func TestWaitsForAHostAreCounted(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h := newHosts().of(hostKey{1}, "", now)
	h.limiter = rate.NewLimiter(rate.Every(50*time.Millisecond), 1)
	times, total := Waits()
	if err := h.admit(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if err := h.admit(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	after, took := Waits()
	if after-times < 1 || took-total < noticeable {
		t.Errorf("%d waits of %s are counted", after-times, took-total)
	}
	h.heed(&http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"30"}}}, now)
	if err := h.admit(t.Context(), now); err == nil {
		t.Error("a host that asked to be left alone gets a request")
	}
}
