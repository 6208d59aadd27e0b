package rendering

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
)

// A child that was taken over gets no more from the API server than templates do: reads of objects, bounded in number
// and size.
func TestLookupsAreBounded(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if strings.HasSuffix(r.URL.Path, "/large") {
			_, _ = w.Write(bytes.Repeat([]byte(" "), maxLookup+1))
		}
	}))
	defer server.Close()
	ask := func(h *host, path string) error {
		data, err := encode(question{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.answer(t.Context(), data)
		return err
	}

	h := &host{config: &rest.Config{Host: server.URL}}
	for _, path := range []string{"/metrics", "/logs/x", "/apix", "http://example.com/api/", "//example.com/api/"} {
		if err := ask(h, path); err == nil {
			t.Errorf("%s was looked up", path)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests of paths that have no objects", n)
	}
	if err := ask(h, "/api/v1/large"); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("an answer that is too large: error = %v", err)
	}

	h = &host{config: &rest.Config{Host: server.URL}}
	for range maxLookups {
		if err := ask(h, "/api/v1/small"); err != nil {
			t.Fatal(err)
		}
	}
	if err := ask(h, "/api/v1/small"); err == nil {
		t.Errorf("more than %d lookups were answered", maxLookups)
	}
	if err := ask(&host{}, "/api/v1/small"); err == nil {
		t.Error("a rendering without an identity has looked something up")
	}
}

// roundTrips answers requests without a network.
type roundTrips func(*http.Request) (*http.Response, error)

func (f roundTrips) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A child is one of a few that all namespaces share: an API server that answers each lookup just in time must not keep
// it.
func TestLookupsTogetherAreBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := roundTrips(func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(lookupTimeout * 9 / 10):
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		h := &host{config: &rest.Config{Host: "http://lookup"}, client: &http.Client{Transport: slow}}
		began := time.Now() // of the bubble, which moves only while all goroutines wait
		for range 100 {
			_, _ = h.lookup(t.Context(), question{Path: "/api/v1/slow"})
		}
		if took := time.Since(began); took > lookupsTimeout {
			t.Errorf("100 lookups kept the child for %s", took)
		}
		if _, err := h.lookup(t.Context(), question{Path: "/api/v1/slow"}); err == nil ||
			!strings.Contains(err.Error(), "more than 30s") {
			t.Errorf("error = %v", err)
		}
	})
}
