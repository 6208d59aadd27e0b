package env

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

func TestDryRunsWriteNothing(t *testing.T) {
	t.Parallel()
	r := parseRequest(httptest.NewRequest("POST", "/api/v1/namespaces/a/secrets?dryRun=All", nil), nil, time.Time{})
	if !r.DryRun || r.Writes() {
		t.Errorf("%+v writes", r)
	}
}

func TestParseRequest(t *testing.T) {
	t.Parallel()
	const applyYAML = "application/apply-patch+yaml"
	for _, test := range []struct {
		method, target, contentType string
		key                         string
		group, namespace, name      string
	}{
		{"GET", "/api/v1/namespaces/a/secrets/b", "", "get secrets", "", "a", "b"},
		{"GET", "/api/v1/secrets?labelSelector=owner%3Dhelm", "", "list secrets", "", "", ""},
		{"GET", "/api/v1/namespaces/a/pods?watch=true&allowWatchBookmarks=true", "", "watch pods", "", "a", ""},
		{"GET", "/apis/apps/v1/namespaces/a/deployments/b?watch=1", "", "watch deployments", "apps", "a", "b"},
		{"POST", "/api/v1/namespaces/a/secrets", "application/json", "create secrets", "", "a", ""},
		{
			"PUT", "/apis/fairlead.dev/v1beta1/namespaces/a/helmreleases/b/status", "", "update helmreleases/status",
			"fairlead.dev", "a", "b",
		},
		{"PATCH", "/apis/apps/v1/namespaces/a/deployments/b?force=true", applyYAML, "apply deployments", "apps", "a", "b"},
		{
			"PATCH", "/apis/apps/v1/namespaces/a/deployments/b/scale", "application/merge-patch+json", "patch deployments/scale",
			"apps", "a", "b",
		},
		{"DELETE", "/api/v1/namespaces/a/pods/b", "", "delete pods", "", "a", "b"},
		{"DELETE", "/api/v1/namespaces/a/pods?labelSelector=x", "", "deletecollection pods", "", "a", ""},
		{"GET", "/api/v1/namespaces", "", "list namespaces", "", "", ""},
		{"GET", "/api/v1/namespaces/a", "", "get namespaces", "", "", "a"},
		{"PUT", "/api/v1/namespaces/a/finalize", "", "update namespaces/finalize", "", "", "a"},
		{"POST", "/api/v1/namespaces/a/pods/b/eviction", "", "create pods/eviction", "", "a", "b"},
		{"GET", "/api/v1/nodes/n/proxy/logs/x", "", "get nodes/proxy/logs/x", "", "", "n"},
		{"GET", "/apis/apps/v1", "", "get /apis", "", "", ""},
		{"GET", "/api/v1", "", "get /api", "", "", ""},
		{"GET", "/version", "", "get /version", "", "", ""},
		{"GET", "/", "", "get /", "", "", ""},
	} {
		r := httptest.NewRequest(test.method, test.target, nil)
		r.Header.Set("Content-Type", test.contentType)
		r.Header.Set("User-Agent", "fairlead/v1.2 (linux/amd64)")
		got := parseRequest(r, nil, time.Time{})
		key := got.Key()
		if key.UserAgent != "fairlead" || key.Verb+" "+key.Resource != test.key {
			t.Errorf("%s %s is counted as %+v, want %s", test.method, test.target, key, test.key)
		}
		if got.Group != test.group || got.Namespace != test.namespace || got.Name != test.name {
			t.Errorf("%s %s is about %q %q %q", test.method, test.target, got.Group, got.Namespace, got.Name)
		}
		if reads := strings.HasPrefix(test.key, "get") || strings.HasPrefix(test.key, "list") ||
			strings.HasPrefix(test.key, "watch"); got.Writes() == reads {
			t.Errorf("%s: Writes is %t", test.key, got.Writes())
		}
	}
}

// behind is an API server that notes what reaches it and answers watches with a line and then with silence.
type behind struct {
	mu   sync.Mutex
	seen []string
}

func (b *behind) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	b.seen = append(b.seen, r.Method+" "+r.URL.Path+" "+string(body))
	b.mu.Unlock()
	fmt.Fprintln(w, "done")
	if r.URL.Query().Get("watch") == "true" {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

func (b *behind) requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.seen...)
}

// front starts a proxy and returns the URL that its kubeconfig names.
func front(t *testing.T) (*Proxy, *behind, string) {
	t.Helper()
	b := &behind{}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	proxy, err := StartProxy(&rest.Config{Host: server.URL}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	config, err := clientcmd.BuildConfigFromFlags("", proxy.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return proxy, b, config.Host
}

// send makes a request on a connection of its own and returns the answer.
func send(ctx context.Context, method, url, body string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("User-Agent", "tester/1")
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return string(answer), err
}

func must(t *testing.T, method, url, body string) {
	t.Helper()
	if answer, err := send(t.Context(), method, url, body); err != nil || answer != "done\n" {
		t.Fatalf("%s %s: %q, %v", method, url, answer, err)
	}
}

func TestProxyCounts(t *testing.T) {
	t.Parallel()
	proxy, b, url := front(t)
	must(t, "GET", url+"/api/v1/secrets", "")
	before := proxy.Counts()
	recording := proxy.Record(Request.Writes)
	must(t, "GET", url+"/api/v1/secrets", "")
	must(t, "POST", url+"/api/v1/namespaces/a/secrets", "one")
	must(t, "POST", url+"/api/v1/namespaces/a/secrets", "two")
	recording.Stop()
	must(t, "POST", url+"/api/v1/namespaces/a/configmaps", "three")
	want := Counts{{"tester", List, "secrets"}: 1, {"tester", Create, "secrets"}: 2, {"tester", Create, "configmaps"}: 1}
	since := proxy.Since(before)
	if !maps.Equal(since, want) {
		t.Errorf("counted %v, want %v", since, want)
	}
	if creates := since.Sum(func(k Key) bool { return k.Verb == Create }); creates != 3 || since.Sum(nil) != 4 {
		t.Errorf("summed %d creates of %d", creates, since.Sum(nil))
	}
	recorded := recording.Requests()
	if len(recorded) != 2 || string(recorded[0].Body) != "one" || string(recorded[1].Body) != "two" ||
		recorded[1].At.Before(recorded[0].At) {
		t.Errorf("recorded %+v", recorded)
	}
	if seen := b.requests(); len(seen) != 5 || seen[2] != "POST /api/v1/namespaces/a/secrets one" {
		t.Errorf("the server saw %q", seen)
	}
}

type outcome struct {
	answer string
	err    error
}

func TestProxyHolds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		after    bool
		decide   func(*Held)
		reaches  int // requests that reach the server while one is held
		ends     int // and in the end
		answered bool
	}{
		{"before, released", false, (*Held).Release, 0, 1, true},
		{"before, dropped", false, (*Held).Drop, 0, 0, false},
		{"after, released", true, (*Held).Release, 1, 1, true},
		{"after, dropped", true, (*Held).Drop, 1, 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			proxy, b, url := front(t)
			held := proxy.Hold(func(r Request) bool { return string(r.Body) == "two" }, test.after)
			must(t, "GET", url+"/version", "")
			result := make(chan outcome, 1)
			go func() {
				answer, err := send(t.Context(), "POST", url+"/api/v1/namespaces/a/secrets", "two")
				result <- outcome{answer, err}
			}()
			<-held.Reached()
			if got := len(b.requests()) - 1; got != test.reaches {
				t.Errorf("%d requests reached the server before the decision, want %d", got, test.reaches)
			}
			if r := held.Request(); r.Resource != "secrets" || r.Namespace != "a" {
				t.Errorf("held %+v", r)
			}
			must(t, "GET", url+"/version", "") // others pass
			test.decide(held)
			if got := <-result; (got.err == nil) != test.answered {
				t.Errorf("the client got %q, %v", got.answer, got.err)
			}
			if got := len(b.requests()) - 2; got != test.ends {
				t.Errorf("%d requests reached the server, want %d", got, test.ends)
			}
		})
	}
}

func TestProxyHoldsOneRequest(t *testing.T) {
	t.Parallel()
	proxy, b, url := front(t)
	posts := func(r Request) bool { return r.Verb == Create }
	unused := proxy.Hold(posts, false)
	unused.Release()
	must(t, "POST", url+"/api/v1/namespaces/a/secrets", "passes")
	held := proxy.Hold(posts, false)
	ctx, kill := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := send(ctx, "POST", url+"/api/v1/namespaces/a/secrets", "stays")
		gone <- err
	}()
	<-held.Reached()
	must(t, "POST", url+"/api/v1/namespaces/a/secrets", "passes, too")
	kill()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	held.Drop()
	if seen := b.requests(); len(seen) != 2 {
		t.Errorf("the server saw %q", seen)
	}
}

func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	proxy, b, url := front(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/v1/secrets?watch=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	stream := bufio.NewReader(response.Body)
	if line, err := stream.ReadString('\n'); err != nil || line != "done\n" {
		t.Fatalf("the watch gives %q, %v; want what the server has sent so far", line, err)
	}
	secrets := func(r Request) bool { return r.Resource == "secrets" }
	recording := proxy.Record(secrets)
	stop := proxy.Refuse(secrets)
	if line, err := stream.ReadString('\n'); err == nil {
		t.Errorf("the watch continues: %q", line)
	}
	if answer, err := send(t.Context(), "POST", url+"/api/v1/namespaces/a/secrets", "lost"); err == nil {
		t.Errorf("a refused request was answered: %q", answer)
	}
	must(t, "GET", url+"/api/v1/configmaps", "")
	stop()
	must(t, "POST", url+"/api/v1/namespaces/a/secrets", "back")
	if recorded := recording.Requests(); len(recorded) != 2 {
		t.Errorf("recorded %+v, want refused requests, too", recorded)
	}
	if seen := b.requests(); len(seen) != 3 || seen[2] != "POST /api/v1/namespaces/a/secrets back" {
		t.Errorf("the server saw %q", seen)
	}
}

// A server that is away looks the same to the client as one that refuses.
func TestProxyWithoutServer(t *testing.T) {
	t.Parallel()
	proxy, err := StartProxy(&rest.Config{Host: "http://127.0.0.1:1"}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", proxy.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := send(t.Context(), "POST", config.Host+"/api/v1/namespaces/a/secrets", "x"); err == nil {
		t.Errorf("answered %q", answer)
	}
	if err := proxy.Close(); err != nil {
		t.Error(err)
	}
}
