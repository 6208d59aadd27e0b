package cluster

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

func TestWritesEvent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method, path string
		want         bool
	}{
		{http.MethodPost, "/apis/events.k8s.io/v1/namespaces/apps/events", true},
		{http.MethodPatch, "/apis/events.k8s.io/v1/namespaces/apps/events/web.1", true},
		{http.MethodPost, "/api/v1/namespaces/apps/events", true},
		{http.MethodPost, "/k8s/clusters/c-1/api/v1/namespaces/apps/events", true},
		{http.MethodGet, "/apis/events.k8s.io/v1/namespaces/apps/events", false},
		{http.MethodPost, "/api/v1/namespaces/events/secrets", false},
		{http.MethodPatch, "/api/v1/namespaces/events", false},
		{http.MethodPatch, "/apis/fairlead.dev/v1beta1/namespaces/apps/promotions/events/status", false},
	} {
		request, err := http.NewRequestWithContext(t.Context(), tt.method, "https://api.example.com"+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := writesEvent(request); got != tt.want {
			t.Errorf("%s %s: %v", tt.method, tt.path, got)
		}
	}
}

// Of many events a few are written at the same time; other requests pass them.
func TestEventsWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	var writing, most, done atomic.Int32
	release := make(chan struct{})
	transport := EventsInTurn()(transportFunc(func(r *http.Request) (*http.Response, error) {
		if !writesEvent(r) {
			return &http.Response{}, nil
		}
		if n := writing.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release
		writing.Add(-1)
		done.Add(1)
		return &http.Response{}, nil
	}))
	send := func(ctx context.Context, path string) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://api.example.com"+path, nil)
		if err != nil {
			return err
		}
		_, err = transport.RoundTrip(request) //nolint:bodyclose // it has none
		return err
	}
	const events, path = 20, "/api/v1/namespaces/apps/events"
	for range events {
		go func() { _ = send(t.Context(), path) }()
	}
	await := func(what string, holds func() bool) {
		t.Helper()
		for range 1000 {
			if holds() {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Fatal(what)
	}
	await("the events are not sent", func() bool { return writing.Load() == eventsAtOnce })
	if err := send(t.Context(), "/api/v1/namespaces/apps/secrets"); err != nil {
		t.Errorf("another request: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := send(ended, path); !errors.Is(err, context.Canceled) {
		t.Errorf("an event whose context has ended: %v", err)
	}
	close(release)
	await("some events are never sent", func() bool { return done.Load() == events })
	if most.Load() > eventsAtOnce {
		t.Errorf("%d events were written at the same time, want at most %d", most.Load(), eventsAtOnce)
	}
}
