package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
)

// forbid is the answer of an API server to somebody without the right.
func forbid(verb, namespace string) error {
	where := "at the cluster scope"
	if namespace != "" {
		where = fmt.Sprintf("in the namespace %q", namespace)
	}
	return apierrors.NewForbidden(schema.GroupResource{Group: v1beta1.GroupVersion.Group, Resource: "helmreleases"}, "",
		fmt.Errorf("User \"alice\" cannot %s resource \"helmreleases\" in API group \"fairlead.dev\" %s", verb, where))
}

// answering is a world whose API server gives the same answer to every read.
func answering(err error) world {
	return world{funcs: interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return err
		},
		List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, _ ...client.ListOption) error {
			return err
		},
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return err
		},
	}}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	missing := apierrors.NewGenericServerResponse(http.StatusNotFound, "GET", schema.GroupResource{}, "", "404 page not found", 0, true)
	refused := &url.Error{Op: "Get", URL: "https://api.example.com:6443/apis", Err: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connect: connection refused")}}
	unresolved := &url.Error{Op: "Get", URL: "https://api.example.com:6443/apis", Err: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Name: "api.example.com", Err: "no such host"}}}
	runGolden(t, []goldenCase{
		{"error-forbidden", answering(forbid("list", "web")), "get releases"},
		{"error-forbidden-all", answering(forbid("list", "")), "get releases -A"},
		{"error-forbidden-get", answering(forbid("get", "web")), "status release shop"},
		{"error-not-installed", answering(missing), "get sources"},
		{"error-not-installed-get", answering(missing), "suspend release shop"},
		{"error-unauthorized", answering(apierrors.NewUnauthorized("Unauthorized")), "get releases"},
		{"error-unreachable", answering(refused), "get releases"},
		{"error-unresolved", answering(unresolved), "history release shop"},
		{"error-timeout", answering(&url.Error{Op: "Get", Err: context.DeadlineExceeded}), "get releases"},
		{"error-server", answering(apierrors.NewInternalError(errors.New("etcdserver:\nleader changed"))), "get releases"},
		{"error-interrupted", answering(&url.Error{Op: "Get", Err: context.Canceled}), "get releases"},
		{"error-unknown-flag", world{}, "get releases --colour"},
		{"error-unknown-command", world{}, "staus release shop"},
	})
}

// The names that an answer offers must not turn a clear "not found" into another error.
func TestNotFoundStaysClearWithoutTheRightToList(t *testing.T) {
	t.Parallel()
	w := world{funcs: interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return forbid("list", "web")
		},
	}}
	r := w.run(t, "status", "release", "shop")
	if r.code != exitError || r.stderr != "fairlead: release \"shop\" not found in namespace web\n" {
		t.Errorf("%+v", r)
	}
}

// kubeconfig writes a kubeconfig with the context prod for the server.
func kubeconfig(t *testing.T, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	text := "apiVersion: v1\nkind: Config\ncurrent-context: prod\nclusters: [{name: c, cluster: {server: '" + server + "'}}]\n" +
		"users: [{name: u, user: {token: t}}]\ncontexts: [{name: prod, context: {cluster: c, user: u, namespace: web}}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// connected executes a command line with the real connection.
func connected(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, environment{in: strings.NewReader(""), out: &stdout, err: &stderr, now: func() time.Time { return now }, connect: connect})
	return result{stdout: stdout.String(), stderr: stderr.String(), code: code}
}

// answerLists knows the releases of the namespace web, of which there are none, and takes long for the namespace slow.
func answerLists(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.Contains(r.URL.Path, "/slow/"):
		time.Sleep(300 * time.Millisecond)
	case strings.HasSuffix(r.URL.Path, "/namespaces/web/helmreleases"):
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Warning", `299 - "this version is old"`)
		fmt.Fprint(w, `{"apiVersion":"fairlead.dev/v1beta1","kind":"HelmReleaseList","items":[]}`)
		return
	}
	http.NotFound(w, r)
}

// TestConnection talks HTTP, because what the library makes of an answer is half of what explain looks at.
func TestConnection(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.URL.Path)
		mu.Unlock()
		answerLists(w, r)
	}))
	defer server.Close()
	config := kubeconfig(t, server.URL)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()

	tests := []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"namespace of the context, warnings passed on", []string{"get", "releases", "--kubeconfig", config}, exitOK,
			"Warning: this version is old\nno releases in namespace web (context prod); -A looks in all namespaces\n"},
		{"API missing", []string{"get", "releases", "-n", "other", "--kubeconfig", config}, exitError,
			"fairlead: list helmreleases in namespace other: Fairlead is not installed in this cluster (context prod): the API fairlead.dev/v1beta1 is missing\n"},
		{"API missing for one object", []string{"status", "release", "shop", "--kubeconfig", config}, exitError,
			"fairlead: get helmreleases shop in namespace web: Fairlead is not installed in this cluster (context prod): the API fairlead.dev/v1beta1 is missing\n"},
		{"server too slow", []string{"get", "releases", "-n", "slow", "--request-timeout", "50ms", "--kubeconfig", config}, exitError,
			"fairlead: list helmreleases in namespace slow: cannot reach the API server " + server.URL + " (context prod): it did not answer in time\n"},
		{"server away", []string{"get", "releases", "--kubeconfig", kubeconfig(t, closed.URL)}, exitError,
			"fairlead: list helmreleases in namespace web: cannot reach the API server " + closed.URL + " (context prod): connection refused\n"},
		{"unknown context", []string{"get", "releases", "--context", "prdo", "--kubeconfig", config}, exitError,
			"fairlead: the kubeconfig has no context \"prdo\"; it has: prod\n"},
		{"no kubeconfig", []string{"get", "releases", "--kubeconfig", "/nonexistent/config"}, exitError,
			"fairlead: --kubeconfig names /nonexistent/config, which does not exist\n"},
		{"no duration", []string{"get", "releases", "--request-timeout", "soon", "--kubeconfig", config}, exitError,
			"fairlead: --request-timeout \"soon\" is not a duration; write for example 10s\n"},
	}
	for _, tt := range tests {
		r := connected(t, tt.args...)
		if r.code != tt.code || r.stderr != tt.stderr || r.stdout != "" {
			t.Errorf("%s: %+v", tt.name, r)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, request := range asked {
		if !strings.Contains(request, "/apis/fairlead.dev/v1beta1/") {
			t.Errorf("discovery request: %s", request)
		}
	}
}

// TestReconcileOnTheWire shows the requests as they leave: nothing before the watch but the read, strict validation, and
// no request after the object has settled.
func TestReconcileOnTheWire(t *testing.T) {
	t.Parallel()
	const path = "/apis/fairlead.dev/v1beta1/namespaces/web/helmreleases"
	stored := shop()
	stored.APIVersion, stored.Kind = v1beta1.GroupVersion.String(), v1beta1.HelmReleaseKind
	patched := make(chan string, 1)
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+strings.TrimPrefix(r.URL.Path, path)+"?"+r.URL.RawQuery)
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		answer := shop()
		answer.TypeMeta = stored.TypeMeta
		switch {
		case r.Method == http.MethodPatch:
			var body v1beta1.HelmRelease
			_ = json.NewDecoder(r.Body).Decode(&body)
			patched <- body.Annotations[v1beta1.ReconcileRequestAnnotation]
		case r.URL.Query().Get("watch") == "true":
			w.(http.Flusher).Flush()
			answer.Status.LastHandledReconcileAt = <-patched
			event, _ := json.Marshal(map[string]any{"type": "MODIFIED", "object": answer})
			_, _ = w.Write(event)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer server.Close()
	// The limit for one request must not end the watch.
	r := connected(t, "reconcile", "release", "shop", "--wait", "--request-timeout", "5s", "--kubeconfig", kubeconfig(t, server.URL))
	if r.code != exitOK || r.stdout != "release web/shop is Ready: web/shop revision 42 runs shop 1.9.1\n" {
		t.Errorf("%+v", r)
	}
	want := []string{
		"GET /shop?timeout=5s",
		"GET ?fieldSelector=metadata.name%3Dshop&watch=true",
		"PATCH /shop?fieldManager=fairlead-cli&fieldValidation=Strict&timeout=5s",
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestMissingKubeconfig(t *testing.T) {
	there := kubeconfig(t, "https://127.0.0.1:1")
	tests := map[string]struct {
		explicit, variable, want string
	}{
		"nothing is named":       {"", "", ""},
		"the file exists":        {there, "", ""},
		"one of them exists":     {"", "/does/not/exist:" + there, ""},
		"the flag wins":          {"/does/not/exist", there, "--kubeconfig names /does/not/exist, which does not exist"},
		"the variable":           {"", "/does/not/exist", "KUBECONFIG names /does/not/exist, which does not exist"},
		"all files are missing":  {"", "/a/b:/c/d", "KUBECONFIG names /a/b and /c/d, none of which exists"},
		"an empty entry of many": {"", ":/a/b", "KUBECONFIG names /a/b, which does not exist"},
	}
	for name, tt := range tests {
		if got := missingFiles(tt.explicit, tt.variable); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	t.Setenv("KUBECONFIG", "/does/not/exist")
	r := connected(t, "get", "releases")
	if r.code != exitError || r.stderr != "fairlead: KUBECONFIG names /does/not/exist, which does not exist\n" {
		t.Errorf("%+v", r)
	}
}
