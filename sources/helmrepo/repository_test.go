package helmrepo

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/store"
	"fairlead.dev/fairlead/test/servers"
)

func serve(t *testing.T, o servers.ChartOptions, versions ...string) *servers.Charts {
	t.Helper()
	server, err := servers.ChartRepository(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	for _, version := range versions {
		archive, err := servers.BuildChart(map[string]string{
			"Chart.yaml": "apiVersion: v2\nname: app\nversion: " + version +
				"\nkubeVersion: '>=1.20.0-0'\nappVersion: \"1.0\"\n",
			"templates/config.yaml": "kind: ConfigMap\n",
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Add(archive); err != nil {
			t.Fatal(err)
		}
	}
	return server
}

func open(t *testing.T, o Options) *Repository {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func index(t *testing.T, r *Repository) (*Index, Validators) {
	t.Helper()
	var doc bytes.Buffer
	got, unchanged, err := r.FetchIndex(t.Context(), Validators{}, &doc)
	if err != nil || unchanged {
		t.Fatalf("fetching the index: unchanged %v, %v", unchanged, err)
	}
	i, err := ParseIndex(&doc, 0)
	if err != nil {
		t.Fatal(err)
	}
	return i, got
}

func TestAChartIsFoundAndFetched(t *testing.T) {
	server := serve(t, servers.ChartOptions{Options: servers.Options{Username: "u", Password: "p"}}, "1.0.0", "1.2.0",
		"1.10.0", "2.0.0-rc.1")
	r := open(t, Options{URL: server.URL(), Credentials: sources.Credentials{Username: "u", Password: "p"}})
	i, validators := index(t, r)
	if validators.ETag == "" {
		t.Error("no validator")
	}
	e, err := i.Select("app", sources.VersionConstraint{Constraint: "^1.0.0", KubeVersion: "v1.33.0"})
	if err != nil || e.Tag != "1.10.0" || e.Digest == "" || e.KubeVersion != ">=1.20.0-0" || e.AppVersion != "1.0" {
		t.Fatalf("got %+v, %v", e, err)
	}
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.For(store.Holder{}).Put(t.Context(), e.Digest, func(w io.Writer) error {
		return r.FetchChart(t.Context(), e, w)
	}); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"GET": 2}
	if diff := cmp.Diff(want, server.Requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestAnUnchangedIndexIsNotSentAgain(t *testing.T) {
	server := serve(t, servers.ChartOptions{}, "1.0.0")
	r := open(t, Options{URL: server.URL() + "/"})
	_, have := index(t, r)
	var doc bytes.Buffer
	got, unchanged, err := r.FetchIndex(t.Context(), have, &doc)
	if err != nil || !unchanged || got != have || doc.Len() != 0 {
		t.Fatalf("got %v, unchanged %v, %d bytes, %v", got, unchanged, doc.Len(), err)
	}
	archive, err := servers.BuildChart(map[string]string{"Chart.yaml": "name: other\nversion: 1.0.0\n"})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Add(archive); err != nil {
		t.Fatal(err)
	}
	got, unchanged, err = r.FetchIndex(t.Context(), have, &doc)
	if err != nil || unchanged || got == have || doc.Len() == 0 {
		t.Fatalf("after a change: %v, unchanged %v, %d bytes, %v", got, unchanged, doc.Len(), err)
	}
}

func TestFailuresOfARepository(t *testing.T) {
	busy := func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "17")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	cut := func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "apiVersion: v1\nentries:\n")
		return true
	}
	tests := []struct {
		name   string
		server servers.ChartOptions
		opts   Options
		path   string
		reason string
		after  time.Duration
		says   string
	}{
		{
			name: "no credentials", server: servers.ChartOptions{Options: servers.Options{Username: "u", Password: "p"}},
			reason: v1beta1.AuthenticationFailedReason, says: "401",
		},
		{
			name: "wrong credentials", server: servers.ChartOptions{Options: servers.Options{Username: "u", Password: "p"}},
			opts:   Options{Credentials: sources.Credentials{Username: "u", Password: "hunter2hunter2"}},
			reason: v1beta1.AuthenticationFailedReason, says: "401",
		},
		{name: "no repository there", path: "/nowhere", reason: v1beta1.NotFoundReason, says: "/nowhere/index.yaml"},
		{
			name: "a registry that asks for a pause", server: servers.ChartOptions{Options: servers.Options{Intercept: busy}},
			reason: v1beta1.FetchFailedReason, after: 17 * time.Second, says: "429",
		},
		{
			name: "a transfer that breaks off", server: servers.ChartOptions{Options: servers.Options{Intercept: cut}},
			reason: v1beta1.FetchFailedReason, says: "unexpected EOF",
		},
		{
			name: "an index above the limit", opts: Options{Limits: Limits{Index: 100}}, reason: v1beta1.InvalidContentReason,
			says: "100 bytes",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, test.server, "1.0.0")
			test.opts.URL = server.URL() + test.path
			_, _, err := open(t, test.opts).FetchIndex(t.Context(), Validators{}, io.Discard)
			wantFailure(t, err, test.reason)
			var e *sources.Error
			if errors.As(err, &e); e.RetryAfter() != test.after || !e.Retryable() {
				t.Errorf("retry after %s, retryable %v", e.RetryAfter(), e.Retryable())
			}
			if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	server := serve(t, servers.ChartOptions{})
	_ = server.Close()
	_, _, err := open(t, Options{URL: server.URL()}).FetchIndex(t.Context(), Validators{}, io.Discard)
	wantFailure(t, err, v1beta1.FetchFailedReason)
}

func TestOptionsThatCannotBeUsed(t *testing.T) {
	for _, u := range []string{"", "oci://host/x", "https://u:hunter2@host", "http://169.254.169.254/"} {
		_, err := New(Options{URL: u})
		wantFailure(t, err, v1beta1.URLInvalidReason)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the message holds a password: %v", err)
		}
	}
}

func TestFailuresOfAChart(t *testing.T) {
	tests := []struct {
		name   string
		change func(entry map[string]any)
		limits Limits
		reason string
		says   string
	}{
		{name: "another digest than the index says", change: func(e map[string]any) {
			e["digest"] = hex64
		}, reason: v1beta1.InvalidContentReason, says: "the index says sha256:" + hex64},
		{
			name: "an archive above the limit", limits: Limits{Chart: 10}, reason: v1beta1.InvalidContentReason,
			says: "10 bytes",
		},
		{name: "an archive that is gone", change: func(e map[string]any) {
			e["urls"] = []string{"gone.tgz"}
		}, reason: v1beta1.NotFoundReason, says: "/gone.tgz"},
		{name: "an archive at a metadata service", change: func(e map[string]any) {
			e["urls"] = []string{"http://169.254.169.254/x"}
		}, reason: v1beta1.InvalidContentReason, says: "refused"},
		{name: "an archive of another scheme", change: func(e map[string]any) {
			e["urls"] = []string{"file:///etc/passwd"}
		}, reason: v1beta1.InvalidContentReason, says: "file"},
		{name: "an archive in a registry", change: func(e map[string]any) {
			e["urls"] = []string{"oci://registry.example.com/charts/app:1.0.0"}
		}, reason: v1beta1.URLInvalidReason, says: "use the URL oci://registry.example.com/charts"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, servers.ChartOptions{}, "1.0.0")
			if test.change != nil {
				server.Change("app", "1.0.0", test.change)
			}
			r := open(t, Options{URL: server.URL(), Limits: test.limits})
			i, _ := index(t, r)
			err := r.FetchChart(t.Context(), i.Versions("app")[0], io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v", err)
			}
			wantFailure(t, err, test.reason)
		})
	}
}

func TestARedirectToAMetadataServiceIsRefused(t *testing.T) {
	redirect := func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "http://169.254.169.254/latest/index.yaml?token=hunter2", http.StatusFound)
		return true
	}
	server := serve(t, servers.ChartOptions{Options: servers.Options{Intercept: redirect}})
	_, _, err := open(t, Options{URL: server.URL()}).FetchIndex(t.Context(), Validators{}, io.Discard)
	wantFailure(t, err, v1beta1.URLInvalidReason)
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the message holds the query: %v", err)
	}
	if n := server.Requests()["GET"]; n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestAnEntryWithoutADigestIsFetched(t *testing.T) {
	server := serve(t, servers.ChartOptions{NoDigests: true}, "1.0.0")
	r := open(t, Options{URL: server.URL()})
	i, _ := index(t, r)
	e := i.Versions("app")[0]
	var archive bytes.Buffer
	if err := r.FetchChart(t.Context(), e, &archive); err != nil || e.Digest != "" || archive.Len() == 0 {
		t.Errorf("digest %q, %d bytes, %v", e.Digest, archive.Len(), err)
	}
}

func TestCredentialsStayWithTheirHost(t *testing.T) {
	for _, pass := range []bool{false, true} {
		var sent atomic.Bool
		other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			sent.Store(r.Header.Get("Authorization") != "")
		}))
		defer other.Close()
		server := serve(t, servers.ChartOptions{Options: servers.Options{Username: "u", Password: "p"}}, "1.0.0")
		server.Change("app", "1.0.0",
			func(e map[string]any) { e["urls"] = []string{other.URL + "/app.tgz"}; delete(e, "digest") })
		r := open(t,
			Options{URL: server.URL(), PassCredentials: pass, Credentials: sources.Credentials{Username: "u", Password: "p"}})
		i, _ := index(t, r)
		if err := r.FetchChart(t.Context(), i.Versions("app")[0], io.Discard); err != nil {
			t.Fatal(err)
		}
		if sent.Load() != pass {
			t.Errorf("PassCredentials %v: credentials were sent: %v", pass, sent.Load())
		}
	}
}

func TestQueriesOfTheRepositoryReachItsArchives(t *testing.T) {
	server := serve(t, servers.ChartOptions{}, "1.0.0")
	r := open(t, Options{URL: server.URL() + "/?key=1"})
	for raw, want := range map[string]string{
		"a.tgz":                     server.URL() + "/a.tgz?key=1",
		"/b/a.tgz":                  server.URL() + "/b/a.tgz?key=1",
		"a.tgz?own=2":               server.URL() + "/a.tgz?own=2",
		"https://example.com/a.tgz": "https://example.com/a.tgz",
	} {
		u, err := r.archive(Entry{URL: raw}, "x")
		if err != nil || u.String() != want {
			t.Errorf("%s: got %v, %v; want %s", raw, u, err, want)
		}
	}
}

func TestTheWritersFailureIsReturnedAsItIs(t *testing.T) {
	server := serve(t, servers.ChartOptions{}, "1.0.0")
	full := errors.New("disk full")
	_, _, err := open(t, Options{URL: server.URL()}).FetchIndex(t.Context(), Validators{}, &failingWriter{full})
	if !errors.Is(err, full) || sources.Reason(err) != "" {
		t.Errorf("got %v", err)
	}
}

type failingWriter struct{ err error }

func (f *failingWriter) Write([]byte) (int, error) { return 0, f.err }

func TestPublishedCharts(t *testing.T) {
	server := serve(t, servers.ChartOptions{})
	paths := servers.PublishedCharts(t)
	for _, path := range paths {
		archive, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Add(archive); err != nil {
			t.Fatal(err)
		}
	}
	r := open(t, Options{URL: server.URL()})
	i, _ := index(t, r)
	total := 0
	for _, chart := range i.Charts() {
		for _, e := range i.Versions(chart) {
			var got bytes.Buffer
			if err := r.FetchChart(t.Context(), e, &got); err != nil {
				t.Error(err)
			}
			total++
		}
	}
	if total != len(paths) || i.Skipped() != 0 {
		t.Errorf("%d of %d charts, %d skipped", total, len(paths), i.Skipped())
	}
	e, err := i.Select("podinfo", sources.VersionConstraint{Constraint: ">=6.9.0 <6.10.0"})
	if err != nil || e.Tag != "6.9.4" {
		t.Errorf("got %s, %v", e.Tag, err)
	}
}

func TestARepositoryThatCannotBeReached(t *testing.T) {
	r := open(t, Options{URL: "http://127.0.0.1:1/charts"})
	_, _, err := r.FetchIndex(t.Context(), Validators{}, io.Discard)
	wantFailure(t, err, v1beta1.FetchFailedReason)
	if want := "Helm repository http://127.0.0.1:1/charts/ cannot be reached: connection refused"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
