package gitops

import (
	"net/http"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/helmops/install"
)

// requests counts what is sent to the API server.
type requests struct {
	mu                    sync.Mutex
	reads, tries, written int
}

// count has the requests of a configuration counted.
func (r *requests) count(config *rest.Config) *rest.Config {
	out := rest.CopyConfig(config)
	out.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			r.mu.Lock()
			switch {
			case request.Method == http.MethodGet:
				r.reads++
			case request.URL.Query().Has("dryRun"):
				r.tries++
			default:
				r.written++
			}
			r.mu.Unlock()
			return next.RoundTrip(request)
		})
	})
	return out
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// An object is written when it differs, and compared twice at most: before the first write of all, and before its own.
func TestRequestsOfAnInstallation(t *testing.T) {
	remove(t)
	options := install.Options{Image: image, Version: "v1"}
	objects, err := options.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, image    string
		tries, written int
	}{
		{"nothing is there", image, 2 * len(objects), len(objects)},
		{"all is there", image, len(objects), 0},
		{"the Deployment differs", "registry.example.com/fairlead:v2", 2 * len(objects), 1},
	} {
		options.Image = tt.image
		sent := &requests{}
		site, err := install.NewSite(t.Context(), sent.count(world.cluster.Config))
		if err != nil {
			t.Fatal(err)
		}
		changes, err := site.Apply(t.Context(), options)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		t.Logf("%s: %d objects, %d reads, %d dry runs, %d writes", tt.name, len(objects), sent.reads, sent.tries, sent.written)
		if sent.tries != tt.tries || sent.written != tt.written || len(changes) != tt.written {
			t.Errorf("%s: %d dry runs, %d writes, %d changes, want %d, %d and %d",
				tt.name, sent.tries, sent.written, len(changes), tt.tries, tt.written, tt.written)
		}
	}
}
