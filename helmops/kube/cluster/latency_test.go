package cluster

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnswersAreTimedButForWatches(t *testing.T) {
	t.Parallel()
	type seen struct {
		took    time.Duration
		refused bool
	}
	var got []seen
	clock := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	status, broken := http.StatusOK, error(nil)
	timed := Timed(func(took time.Duration, refused bool, _ time.Time) { got = append(got, seen{took, refused}) },
		func() time.Time { return clock })(roundTripFunc(func(*http.Request) (*http.Response, error) {
		clock = clock.Add(time.Second)
		return &http.Response{StatusCode: status, Body: http.NoBody}, broken
	}))
	ask := func(method, target string) {
		response, err := timed.RoundTrip(httptest.NewRequest(method, target, nil))
		if !errors.Is(err, broken) {
			t.Error(err)
		}
		_ = response.Body.Close()
	}
	ask(http.MethodPatch, "/api/v1/namespaces/apps/configmaps/web")
	ask(http.MethodGet, "/api/v1/configmaps?watch=true")
	ask(http.MethodGet, "/api/v1/configmaps?watch=1&limit=1")
	status = http.StatusTooManyRequests
	ask(http.MethodGet, "/api/v1/configmaps")
	broken = errors.New("no answer")
	ask(http.MethodGet, "/api/v1/configmaps")
	if want := []seen{{time.Second, false}, {time.Second, true}}; !slices.Equal(got, want) {
		t.Errorf("answers %v, want %v", got, want)
	}
}
