package catalog

import (
	"net/http"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// A reconcile that a user asks for does not take upstream's word for it that the index is unchanged; others do.
func TestARequestedPollFetchesTheIndexAnew(t *testing.T) {
	t.Parallel()
	var conditional, whole atomic.Int32
	count := func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Modified-Since") != "" {
			conditional.Add(1)
		} else {
			whole.Add(1)
		}
		return false
	}
	server, err := servers.ChartRepository(servers.ChartOptions{Options: servers.Options{Intercept: count}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	repository := &v1beta1.HelmRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "charts", UID: "u1"}}
	repository.Spec.URL = server.URL()
	g := guardedBy(t, repository, &atomic.Int32{})
	polls := func(what string, wantConditional, wantWhole int32) {
		t.Helper()
		g.must(g.polled())
		if conditional.Load() != wantConditional || whole.Load() != wantWhole {
			t.Errorf("%s: %d conditional and %d whole requests until now, want %d and %d",
				what, conditional.Load(), whole.Load(), wantConditional, wantWhole)
		}
	}

	polls("the first poll", 0, 1)
	polls("a poll at the interval", 1, 1)

	repository.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: "now"}
	g.must(g.objects.Update(t.Context(), repository))
	polls("a requested poll", 1, 2)

	repository.Status.LastHandledReconcileAt = "now"
	g.must(g.objects.Update(t.Context(), repository))
	polls("a poll after the request was handled", 2, 2)
}
