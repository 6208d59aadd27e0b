package oci

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/egress"
	"fairlead.dev/fairlead/sources/store"
	"fairlead.dev/fairlead/sources/transport"
	"fairlead.dev/fairlead/test/check"
	"fairlead.dev/fairlead/test/servers"
)

func serve(t *testing.T, o servers.Options) *servers.RegistryServer {
	t.Helper()
	server, err := servers.Registry(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

func push(t *testing.T, server *servers.RegistryServer, version string) (digest string, archive []byte) {
	t.Helper()
	archive, err := servers.BuildChart(map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: app\nversion: " + version +
			"\nkubeVersion: '>=1.20.0-0'\nappVersion: \"7\"\ndeprecated: true\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	digest, err = server.PushChart(t.Context(), "charts", archive)
	if err != nil {
		t.Fatal(err)
	}
	return digest, archive
}

func open(t *testing.T, server *servers.RegistryServer, change func(*Options)) *Repository {
	t.Helper()
	o := Options{Repository: server.Host() + "/charts/app", PlainHTTP: true}
	if change != nil {
		change(&o)
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAChartIsFoundAndFetched(t *testing.T) {
	server := serve(t, servers.Options{Username: "u", Password: "p"})
	for _, version := range []string{"1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1"} {
		push(t, server, version)
	}
	want, archive := push(t, server, "1.10.1+build.7")
	server.Forget()

	r := open(t, server, func(o *Options) { o.Credentials = sources.Credentials{Username: "u", Password: "p"} })
	tags, err := r.Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	versions, skipped := sources.ParseTags(tags)
	chosen, err := sources.Select(versions, sources.VersionConstraint{Constraint: "^1.0.0"})
	if err != nil || chosen.Tag != "1.10.1_build.7" || skipped != 0 {
		t.Fatalf("chose %q of %v, %v", chosen.Tag, tags, err)
	}
	digest, err := r.Resolve(t.Context(), "1.10.1+build.7")
	if err != nil || digest != want {
		t.Fatalf("resolved %s, %v; want %s", digest, err, want)
	}
	chart, err := r.Chart(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	wantChart := Chart{
		ChartRevision: v1beta1.ChartRevision{Name: "app", Version: "1.10.1+build.7", Digest: want},
		Archive:       chart.Archive, Size: int64(len(archive)), KubeVersion: ">=1.20.0-0", AppVersion: "7", Deprecated: true,
	}
	if diff := cmp.Diff(wantChart, chart); diff != "" {
		t.Errorf("chart (-want +got):\n%s", diff)
	}
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.For(store.Holder{}).Put(t.Context(), chart.Archive, func(w io.Writer) error {
		return r.FetchArchive(t.Context(), chart, w)
	}); err != nil {
		t.Fatal(err)
	}
	// One request to be asked for credentials, then the tag list, the manifest, the config and the archive.
	if diff := cmp.Diff(map[string]int{"GET": 5, "HEAD": 1}, server.Requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestTagsOfManyPages(t *testing.T) {
	pages := 0
	server := serve(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/tags/list") {
			return false
		}
		pages++
		if pages < 4 {
			w.Header().Set("Link", fmt.Sprintf(`</v2/charts/app/tags/list?page=%d>; rel="next"`, pages))
		}
		_, _ = fmt.Fprintf(w, `{"tags":["%d.0.0"]}`, pages)
		return true
	}})
	tags, err := open(t, server, nil).Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1.0.0", "2.0.0", "3.0.0", "4.0.0"}, tags); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	pages = 0
	_, err = open(t, server, func(o *Options) { o.Limits.Tags = 2 }).Tags(t.Context())
	check.Failure(t, err, v1beta1.InvalidContentReason, "more than 2")
	if pages != 3 {
		t.Errorf("%d pages were read", pages)
	}
}

func TestFailuresOfARegistry(t *testing.T) {
	private := servers.Options{Username: "u", Password: "p"}
	answer := func(code int, header, value string) servers.Options {
		return servers.Options{Intercept: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set(header, value)
			w.WriteHeader(code)
			return true
		}}
	}
	tests := []struct {
		name     string
		server   servers.Options
		change   func(*Options)
		reason   string
		after    time.Duration
		requests int // for one tag list; 0 does not count
		says     []string
	}{
		{
			name: "no credentials", server: private, reason: v1beta1.AuthenticationFailedReason, requests: 1,
			says: []string{"/charts/app", "wants credentials"},
		},
		{name: "wrong credentials", server: private, change: func(o *Options) {
			o.Credentials = sources.Credentials{Username: "u", Password: "hunter2"}
		}, reason: v1beta1.AuthenticationFailedReason, requests: 2, says: []string{"/charts/app", "401"}},
		{name: "an unknown repository", change: func(o *Options) {
			o.Repository += "-other"
		}, reason: v1beta1.NotFoundReason, says: []string{"/charts/app-other", "not known to registry"}},
		{name: "nothing listens", change: func(o *Options) {
			o.Repository = "127.0.0.1:1/charts/app"
		}, reason: v1beta1.FetchFailedReason, says: []string{"registry 127.0.0.1:1 cannot be reached: connection refused"}},
		{
			name: "a registry that asks for a pause", server: answer(429, "Retry-After", "21"),
			reason: v1beta1.FetchFailedReason, after: 21 * time.Second, requests: 1, says: []string{"429"},
		},
		{
			name: "a registry that is busy is asked three times", server: answer(503, "X", ""),
			reason: v1beta1.FetchFailedReason, requests: 3, says: []string{"503"},
		},
		{
			name: "a redirect to a metadata service", server: answer(302, "Location", "http://169.254.169.254/latest"),
			reason: v1beta1.URLInvalidReason, requests: 1, says: []string{"refused"},
		},
		{
			name:   "a token service at a metadata service",
			server: answer(401, "WWW-Authenticate", `Bearer realm="http://169.254.169.254/token",service="x"`),
			reason: v1beta1.FetchFailedReason, requests: 1, says: []string{"169.254.0.0/16"},
		},
		{name: "HTTPS that is not spoken", change: func(o *Options) {
			o.PlainHTTP = false
		}, reason: v1beta1.FetchFailedReason, says: []string{"HTTP response to HTTPS client"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, test.server)
			_, err := open(t, server, test.change).Tags(t.Context())
			e := check.Failure(t, err, test.reason, test.says...)
			if e.RetryAfter() != test.after || !e.Retryable() || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("retry after %s, retryable %v: %v", e.RetryAfter(), e.Retryable(), err)
			}
			if n := len(server.Seen()); test.requests != 0 && n != test.requests {
				t.Errorf("%d requests, want %d: %v", n, test.requests, server.Seen())
			}
		})
	}
}

func TestATokenServiceOnLoopback(t *testing.T) {
	var server *servers.RegistryServer
	server = serve(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path == "/token":
			if user, password, _ := r.BasicAuth(); user != "u" || password != "p" ||
				r.URL.Query().Get("scope") != "repository:charts/app:pull" {
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			_, _ = io.WriteString(w, `{"token":"t0ken"}`)
			return true
		case r.Header.Get("Authorization") != "Bearer t0ken":
			w.Header().Set("WWW-Authenticate",
				`Bearer realm="http://localhost:`+portOf(server.Host())+`/token",service="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}})
	pushed := func(o *Options) { o.Credentials = sources.Credentials{Username: "u", Password: "p"} }
	r := open(t, server, pushed)
	_, err := r.Resolve(t.Context(), "1.0.0")
	check.Failure(t, err, v1beta1.NotFoundReason)
	if _, err = r.Resolve(t.Context(), "1.0.0"); !slices.Equal(server.Seen(), []string{
		"HEAD /v2/charts/app/manifests/1.0.0", "GET /token", "HEAD /v2/charts/app/manifests/1.0.0",
		"HEAD /v2/charts/app/manifests/1.0.0", // the token is kept
	}) {
		t.Errorf("requests %v, %v", server.Seen(), err)
	}
	_, err = open(t, server, nil).Resolve(t.Context(), "1.0.0")
	check.Failure(t, err, v1beta1.AuthenticationFailedReason)
}

// A tenant's proxy answers in the name of a registry. What it gives out as a token is not used by others.
func TestTokensAreNotSharedAcrossProxies(t *testing.T) {
	t.Parallel()
	network := transport.NewNetwork(egress.Rules{})
	proxy, err := transport.ParseProxy("http://127.0.0.1:1", sources.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	direct, proxied := network.Client(transport.Options{}), network.Client(
		transport.Options{ProxyURL: proxy, Tenant: "mallory"})
	own := tokens("registry.example", Options{}, transport.Way(direct))
	if own == tokens("registry.example", Options{}, transport.Way(proxied)) {
		t.Error("the tokens of a proxy are those of all")
	}
	if own != tokens("registry.example", Options{}, transport.Way(network.Client(transport.Options{Tenant: "other"}))) {
		t.Error("who reaches the registry in the same way signs in again")
	}
	if unknown := tokens("registry.example", Options{}, ""); unknown == own ||
		unknown == tokens("registry.example", Options{}, "") {
		t.Error("a client that nobody knows the way of shares tokens")
	}
}

func portOf(host string) string { return host[strings.LastIndexByte(host, ':')+1:] }

func TestResolve(t *testing.T) {
	noHead := false
	server := serve(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
		if noHead && r.Method == http.MethodHead {
			w.WriteHeader(http.StatusOK) // neither digest nor length
			return true
		}
		return false
	}})
	want, _ := push(t, server, "1.0.0")
	r := open(t, server, nil)
	for _, noHead = range []bool{false, true} {
		for _, ref := range []string{"1.0.0", want} {
			if got, err := r.Resolve(t.Context(), ref); err != nil || got != want {
				t.Errorf("%s, without HEAD %v: %s, %v", ref, noHead, got, err)
			}
		}
		_, err := r.Resolve(t.Context(), "sha256:"+strings.Repeat("0", 64))
		if !noHead {
			check.Failure(t, err, v1beta1.NotFoundReason)
		}
	}
	for _, ref := range []string{"", "a b", "-x", "sha256:abc", strings.Repeat("x", 200)} {
		_, err := r.Resolve(t.Context(), ref)
		if e := check.Failure(t, err, v1beta1.InvalidReferenceReason); e.Retryable() {
			t.Errorf("%q can be tried again", ref)
		}
	}
}

func TestRepositoriesThatCannotBeUsed(t *testing.T) {
	for _, name := range []string{
		"", "host", "oci://host/x", "host/x:1.0.0", "host/x@sha256:" + strings.Repeat("0", 64), "host/UPPER",
		"u:hunter2@host/x", "169.254.169.254/x", "host/../x",
	} {
		_, err := New(Options{Repository: name})
		if e := check.Failure(t, err, v1beta1.URLInvalidReason); e.Retryable() || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Signing in is paid once for all who have the same credentials, and never lent to others.
func TestSigningInIsPaidOnce(t *testing.T) {
	t.Parallel()
	server := serve(t, servers.Options{})
	push(t, server, "1.0.0")
	guarded := serve(t,
		servers.Options{Username: "u", Password: "hunter2", Intercept: func(http.ResponseWriter, *http.Request) bool {
			return false
		}})
	signIn := func(password string) func(*Options) {
		return func(o *Options) { o.Credentials = sources.Credentials{Username: "u", Password: password} }
	}
	for i, want := range []int{2, 1, 1} { // the first one is refused, and learns how to sign in
		guarded.Forget()
		_, err := open(t, guarded, signIn("hunter2")).Resolve(t.Context(), "1.0.0")
		check.Failure(t, err, v1beta1.NotFoundReason)
		if got := guarded.Requests()[http.MethodHead]; got != want {
			t.Errorf("attempt %d takes %d requests, want %d", i+1, got, want)
		}
	}
	for _, change := range []func(*Options){nil, signIn("wrong")} {
		_, err := open(t, guarded, change).Resolve(t.Context(), "1.0.0")
		check.Failure(t, err, v1beta1.AuthenticationFailedReason)
	}
}
