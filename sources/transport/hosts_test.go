package transport

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fairlead.dev/fairlead/sources"
)

// A host that asks to be left alone is left alone by all, and others are not.
func TestAHostIsLeftAlone(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", strconv.Itoa(int(maxTruce/time.Second)*6))
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(busy.Close)
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(other.Close)
	if _, err := ask(t, Options{}, busy.URL); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err := ask(t, Options{Proxy: true}, busy.URL)
		var failed *sources.Error
		if !errors.As(err, &failed) || failed.RetryAfter() <= 0 || failed.RetryAfter() > maxTruce || !strings.Contains(err.Error(), "asked to be left alone") {
			t.Errorf("got %v", err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("the host was asked %d times", asked.Load())
	}
	if _, err := ask(t, Options{}, other.URL); err != nil {
		t.Error(err)
	}
}

func TestATruceEnds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h := hostOf("truce.example.com")
	h.heed(&http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"30"}}}, now)
	if err := h.admit(t.Context(), now.Add(29*time.Second)); err == nil {
		t.Error("it ends too early")
	}
	if err := h.admit(t.Context(), now.Add(30*time.Second)); err != nil {
		t.Error(err)
	}
	later := now.Add(time.Minute)
	h.heed(&http.Response{StatusCode: http.StatusForbidden, Header: http.Header{"Retry-After": {"30"}}}, later)
	h.heed(&http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{}}, later)
	if err := h.admit(t.Context(), later); err != nil {
		t.Errorf("an answer without a pause counts: %v", err)
	}
}
