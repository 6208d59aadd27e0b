package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/helmops/view"
)

func (w world) readControllerLogs(_ context.Context, _ string, _ *corev1.PodLogOptions) ([]io.ReadCloser, error) {
	var out []io.ReadCloser
	for _, text := range w.controllerLogs {
		out = append(out, io.NopCloser(strings.NewReader(text)))
	}
	return out, nil
}

// loggedByTwo are the logs of two replicas.
func loggedByTwo() []string {
	return []string{`{"time":"2026-05-04T02:59:40.5Z","level":"ERROR","msg":"upgrade of web/api to api 4.3.0 failed",` +
		`"HelmRelease":{"name":"api","namespace":"web"},"reason":"UpgradeFailed","error":"0 of 3 pods are ready"}
{"time":"2026-05-04T02:59:50Z","level":"INFO","msg":"212 charts","HelmRepository":{"name":"charts","namespace":"web"}}
` + "a line of the runtime, \x1b[31mwith colours\x1b[0m\n",
		`{"time":"2026-05-04T02:59:30Z","level":"INFO","msg":"web/shop revision 42 runs shop 1.9.1",` +
			`"HelmRelease":{"name":"shop","namespace":"web"}}
{"time":"2026-05-04T02:59:45Z","level":"DEBUG","msg":"nothing to do","HelmRelease":{"name":"db","namespace":"infra"}}

`}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	w := world{controllerLogs: loggedByTwo()}
	runGolden(t, []goldenCase{
		{"logs", w, "logs"},
		{"logs-json", w, "logs -o json --level warn"},
		{"logs-kind", w, "logs releases"},
		{"logs-kind-all", w, "logs releases -A"},
		{"logs-named", w, "logs hr/shop"},
		{"logs-level", w, "logs --level error"},
		{"logs-follow", world{controllerLogs: loggedByTwo()[1:]}, "logs --follow"},
		{"logs-none", w, "logs release gone"},
		{"logs-no-controller", world{}, "logs"},
		{"logs-terminal", world{controllerLogs: loggedByTwo(), outWidth: 60}, "logs release api"},
		{"logs-unknown-level", w, "logs --level loud"},
		{"logs-unknown-kind", w, "logs relases"},
		{"logs-negative-age", w, "logs --since -1h"},
	})
}

func TestReadLine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want logLine
	}{
		"no JSON": {"panic: x", logLine{message: "panic: x"}},
		"an object": {`{"time":"2026-05-04T03:00:00Z","level":"INFO","msg":"done",` +
			`"Bucket":{"name":"b","namespace":"web"}}`,
			logLine{time: now, level: "INFO", message: "done",
				object: view.Reference{Kind: "Bucket", Namespace: "web", Name: "b"}}},
		"fields of other types": {`{"time":1,"level":2,"msg":"m","Bucket":"b"}`, logLine{message: "m"}},
	}
	for name, tt := range tests {
		tt.want.text = tt.text
		got := readLine(tt.text)
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(logLine{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestLogsOnTheWire reads the logs of the pods that the API server lists.
func TestLogsOnTheWire(t *testing.T) {
	t.Parallel()
	const pods = "/api/v1/namespaces/fairlead-system/pods"
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, strings.TrimPrefix(r.URL.Path, pods)+"?"+r.URL.RawQuery)
		if r.URL.Path == pods {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"apiVersion":"v1","kind":"PodList",`+
				`"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]}`)
			return
		}
		fmt.Fprint(w, loggedByTwo()[1])
	}))
	defer server.Close()
	r := connected(t, "logs", "release", "shop", "--since", "1h", "--kubeconfig", kubeconfig(t, server.URL))
	if r.code != exitOK || strings.Count(r.stdout, "HelmRelease/shop in web: ") != 2 {
		t.Errorf("%+v", r)
	}
	log := "/log?container=controller&limitBytes=67108864&sinceSeconds=3600&tailLines=10000"
	want := []string{
		"?labelSelector=app.kubernetes.io%2Fname%3Dfairlead%2Capp.kubernetes.io%2Fcomponent%3Dcontroller",
		"/a" + log, "/b" + log,
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// What is followed ends with the interruption, without an error.
func TestFollowedLogsEndWithTheContext(t *testing.T) {
	t.Parallel()
	read, write := io.Pipe()
	t.Cleanup(func() { _ = write.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &untilLines{lines: 1, end: cancel}
	a := &app{environment: environment{out: out, err: out}}
	go func() { _, _ = write.Write([]byte(loggedByTwo()[1])) }()
	if err := a.followLogs(ctx, []io.ReadCloser{read}, logFilter{}, &output{}); err != nil {
		t.Errorf("error %v", err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("it printed nothing for a minute")
	}
}

func TestForbiddenLogsNameTheRight(t *testing.T) {
	t.Parallel()
	err := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no"))
	request := &view.RequestError{Verb: "list", Resource: "pods", Namespace: "fairlead-system", Err: err}
	want := "forbidden: you may not list pods in namespace fairlead-system " +
		"(kubectl auth can-i list pods -n fairlead-system)"
	if got := explain(request, nil); got != want {
		t.Errorf("got %q", got)
	}
}

// TestLogsFindTheController looks for the pods in another namespace than that of an installation by default.
func TestLogsFindTheController(t *testing.T) {
	t.Parallel()
	const selector = "?labelSelector=app.kubernetes.io%2Fname%3Dfairlead%2Capp.kubernetes.io%2Fcomponent%3Dcontroller"
	pods := `{"apiVersion":"v1","kind":"PodList","items":[%s]}`
	pod := `{"metadata":{"name":"a","namespace":"ops"}}`
	tests := map[string]struct {
		args []string
		// all answers a list of the pods of all namespaces; empty for forbidden.
		all  string
		want []string
		code int
		says string
	}{
		"looked up": {all: fmt.Sprintf(pods, pod), code: exitOK, says: "HelmRelease/shop in web",
			want: []string{"/namespaces/fairlead-system/pods", "/pods", "/namespaces/ops/pods/a/log"}},
		"named": {args: []string{"--controller-namespace", "ops"}, code: exitOK, says: "HelmRelease/shop in web",
			want: []string{"/namespaces/ops/pods", "/namespaces/ops/pods/a/log"}},
		"nowhere": {all: fmt.Sprintf(pods, ""), code: exitError, says: "name its namespace with --controller-namespace",
			want: []string{"/namespaces/fairlead-system/pods", "/pods"}},
		"not to be looked up": {code: exitError, says: "name its namespace with --controller-namespace",
			want: []string{"/namespaces/fairlead-system/pods", "/pods"}},
	}
	for name, tt := range tests {
		var asked []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			path := strings.TrimPrefix(r.URL.Path, "/api/v1")
			asked = append(asked, path)
			w.Header().Set("Content-Type", "application/json")
			switch {
			case strings.HasSuffix(path, "/log"):
				fmt.Fprint(w, loggedByTwo()[1])
			case "?"+r.URL.RawQuery != selector:
				t.Errorf("%s: %s was asked for with %s", name, path, r.URL.RawQuery)
			case path == "/namespaces/ops/pods":
				fmt.Fprintf(w, pods, pod)
			case path != "/pods":
				fmt.Fprintf(w, pods, "")
			case tt.all == "":
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprint(w, `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"Forbidden","code":403}`)
			default:
				fmt.Fprint(w, tt.all)
			}
		}))
		r := connected(t, append([]string{"logs", "--kubeconfig", kubeconfig(t, server.URL)}, tt.args...)...)
		server.Close()
		if r.code != tt.code || !strings.Contains(r.stdout+r.stderr, tt.says) {
			t.Errorf("%s: %+v", name, r)
		}
		if diff := cmp.Diff(tt.want, asked); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", name, diff)
		}
	}
}
