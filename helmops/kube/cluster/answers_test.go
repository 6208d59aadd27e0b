package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/fair"
)

// hostile is an API server that answers as a test says.
func hostile(t *testing.T, answer http.HandlerFunc) (*Cluster, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(answer)
	pool := NewPool(4, time.Minute, time.Now)
	pool.paces = newPaces(rate.Inf, 0) // the pace has a test of its own
	t.Cleanup(func() {
		pool.Close()
		server.CloseClientConnections()
		server.Close()
	})
	made, err := pool.Get(Access{Namespace: "attacker", Kubeconfig: kubeconfig(t, server.URL, nil)})
	if err != nil {
		t.Fatal(err)
	}
	return made, server
}

// endless sends blocks until the other side hangs up or the limit is reached, and counts.
func endless(w http.ResponseWriter, block []byte, limit int64, sent *atomic.Int64) {
	for sent.Load() < limit {
		n, err := w.Write(block)
		sent.Add(int64(n))
		if err != nil {
			return
		}
	}
}

const (
	mebi = 1 << 20
	// onTheWay is what a server may have sent that was not read, in buffers of the system.
	onTheWay = 16 * mebi
)

func TestAnEndlessAnswerIsReadOnlyUpToALimit(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind  string
		limit int64
	}{
		"JSON":             {"application/json", objectLimits.bytes},
		"anything else":    {"text/html", otherLimits.bytes},
		"protobuf":         {"application/vnd.kubernetes.protobuf", otherLimits.bytes},
		"no kind at all":   {"", otherLimits.bytes},
		"JSON as it seems": {"application/jsonlines", otherLimits.bytes},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			c, _ := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{tt.kind}
				endless(w, bytes.Repeat([]byte(" "), mebi), 600*mebi, &sent)
			})
			_, err := c.Self().Kube().CoreV1().ConfigMaps("apps").Get(t.Context(), "x", metav1.GetOptions{})
			var refused *AnswerError
			if !errors.As(err, &refused) || refused.Reason() != v1beta1.ClusterUnreachableReason {
				t.Fatalf("error = %v", err)
			}
			if got := sent.Load(); got > tt.limit+onTheWay {
				t.Errorf("%d MiB were taken", got/mebi)
			}
		})
	}
}

func TestDiscoveryOfAnEndlessServerFails(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	c, _ := hostile(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/customresourcedefinitions") || strings.Contains(r.URL.Path, "/apiservices") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		endless(w, bytes.Repeat([]byte(" "), mebi), 600*mebi, &sent)
	})
	var refused *AnswerError
	if _, err := c.Capabilities(t.Context()); !errors.As(err, &refused) {
		t.Errorf("error = %.200v", err)
	}
	if got := sent.Load(); got > discoveryLimits.bytes+onTheWay {
		t.Errorf("%d MiB were taken", got/mebi)
	}
}

func TestASmallAnswerThatNeedsMuchMemoryIsRefused(t *testing.T) {
	t.Parallel()
	for name, items := range map[string]string{
		"objects": strings.Repeat("{},", listLimits.objects) + "{}", // half as many values as there may be
		"values":  strings.Repeat("0,", listLimits.values) + "0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"kind":"ConfigMapList","apiVersion":"v1","items":[`+items+`]}`)
			})
			_, err := c.Self().Kube().CoreV1().ConfigMaps("apps").List(t.Context(), metav1.ListOptions{})
			var refused *AnswerError
			if !errors.As(err, &refused) || !strings.Contains(refused.Problem, "objects") {
				t.Errorf("error = %.200v", err)
			}
		})
	}
}

func TestAnEventOfAWatchIsBoundedAndTheWatchIsNot(t *testing.T) {
	t.Parallel()
	event := `{"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"data":{"a":"` +
		strings.Repeat("}{", 2*mebi) + `"}}}` + "\n"
	const events = 4 // together more than one may have
	c, _ := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for range events {
			_, _ = io.WriteString(w, event)
		}
		var sent atomic.Int64
		_, _ = io.WriteString(w, `{"type":"ADDED","object":{`+"\n")
		endless(w, bytes.Repeat([]byte("\n"), mebi), 600*mebi, &sent)
		if sent.Load() > objectLimits.bytes+onTheWay {
			t.Errorf("%d MiB of one event were taken", sent.Load()/mebi)
		}
	})
	if events*len(event) <= int(objectLimits.bytes) {
		t.Fatal("the watch is too short for the test")
	}
	stream, err := c.Self().Dynamic().Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Watch(
		t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Stop()
	seen := 0
	for received := range stream.ResultChan() {
		if received.Type == "ADDED" {
			seen++
		}
	}
	if seen != events {
		t.Errorf("%d events were received before the stream ended, want %d", seen, events)
	}
}

// bounded is a transport with short times.
func bounded(next http.RoundTripper, namespace string, large *fair.Shares) *answers {
	return &answers{next: next, namespace: namespace, large: large, silence: 20 * time.Millisecond, total: time.Minute}
}

func TestAServerThatStopsInTheMiddleIsHungUpOn(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"kind":`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	}))
	t.Cleanup(server.Close)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/namespaces/apps/secrets/x",
		nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := bounded(http.DefaultTransport, "attacker", fair.New(1, 1)).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	_, err = io.ReadAll(response.Body)
	var refused *AnswerError
	if !errors.As(err, &refused) || refused.Problem != errSilent.Error() {
		t.Errorf("error = %v", err)
	}
	<-gone
}

func TestAServerThatNeverAnswersIsGivenUp(t *testing.T) {
	t.Parallel()
	silent := transportFunc(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	transport := bounded(silent, "attacker", fair.New(1, 1))
	transport.total = 20 * time.Millisecond
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.dev/api/v1/secrets", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = transport.RoundTrip(request) //nolint:bodyclose // there is none
	var refused *AnswerError
	if !errors.As(err, &refused) || refused.Problem != errLate.Error() {
		t.Errorf("error = %v", err)
	}
}

// large answers with JSON of so many bytes.
func large(size int) http.RoundTripper {
	return transportFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: -1,
			Body: io.NopCloser(bytes.NewReader(bytes.Repeat([]byte("1"), size))),
		}, nil
	})
}

func TestLargeAnswersOfOneNamespaceWaitForEachOther(t *testing.T) {
	t.Parallel()
	shares := fair.New(2, 1)
	open := func(ctx context.Context, namespace string, size int) (io.ReadCloser, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.dev/api/v1/secrets", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := bounded(large(size), namespace, shares).RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(response.Body)
		return response.Body, err
	}
	first, err := open(t.Context(), "attacker", 2*mebi)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(ended, "attacker", 2*mebi); err == nil { // it was not read
		t.Error("a second large answer of the namespace was read while the first was held")
	}
	if small, err := open(ended, "attacker", mebi-1); err != nil {
		t.Errorf("a small answer waits for large ones: %v", err)
	} else {
		_ = small.Close()
	}
	neighbour, err := open(t.Context(), "quiet", 2*mebi)
	if err != nil {
		t.Errorf("a large answer of a neighbour gives %v", err)
	}
	_ = neighbour.Close()
	_ = first.Close()
	if held, waiting := shares.Held("attacker"); held != 0 || waiting != 0 {
		t.Errorf("%d slots are held and %d waited for after the end", held, waiting)
	}
}

func TestLimitsByPath(t *testing.T) {
	t.Parallel()
	a := boundAnswers(http.DefaultTransport, "https://example.dev/k8s/clusters/c-1", "apps", nil, nil).(*answers)
	for path, want := range map[string]limits{
		"/api": discoveryLimits, "/apis": discoveryLimits, "/api/v1": discoveryLimits, "/apis/apps/v1": discoveryLimits,
		"/api/v1/secrets": listLimits, "/api/v1/namespaces/apps/secrets": listLimits,
		"/apis/apps/v1/namespaces/apps/deployments": listLimits,
		"/api/v1/namespaces":                        listLimits, "/api/v1/namespaces/apps": objectLimits, "/api/v1/nodes/n": objectLimits,
		"/api/v1/namespaces/apps/secrets/x": objectLimits, "/apis/apps/v1/namespaces/apps/deployments/x/scale": objectLimits,
		"/version": objectLimits, "/": objectLimits,
	} {
		for _, base := range []string{"", "/k8s/clusters/c-1"} {
			request := httptest.NewRequest(http.MethodGet, base+path, nil)
			if got := a.limitsOf(request); got != want {
				t.Errorf("GET %s%s: %+v", base, path, got)
			}
		}
	}
	if got := a.limitsOf(
		httptest.NewRequest(http.MethodPost, "/api/v1/namespaces/apps/secrets", nil)); got != objectLimits {
		t.Errorf("POST: %+v", got)
	}
}

func TestValuesAreCountedByDocument(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]limits{
		`{}`:                          {bytes: 2, values: 1, objects: 1},
		`{"a":[1,2,{"b":"}{,[\"{"}]}`: {bytes: 27, values: 5, objects: 2},
		" \n\t 12":                    {bytes: 6},
		`{}` + "\n" + `[1,2]`:         {bytes: 8, values: 3, objects: 1},
	} {
		for _, step := range []int{1, 3, len(document)} {
			var c counter
			for at := 0; at < len(document); at += step {
				c.take([]byte(document[at:min(len(document), at+step)]))
			}
			if c.most != want {
				t.Errorf("%q in parts of %d: %+v, want %+v", document, step, c.most, want)
			}
		}
	}
	c := counter{events: true}
	for range 10 {
		c.take([]byte(fmt.Sprintln(`{"type":"ADDED","object":{"a":[1,2,3]}}`)))
	}
	if want := (limits{bytes: 40, values: 6, objects: 2}); c.most != want {
		t.Errorf("events: %+v, want each alone: %+v", c.most, want)
	}
}

// A watch that floods is read at the pace of its namespace, whatever the server sends.
func TestWatchesOfANamespaceShareAPace(t *testing.T) {
	t.Parallel()
	const burst = mebi
	var sent atomic.Int64
	event := []byte(`{"type": "ADDED", "object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}}}` +
		"\n")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		endless(w, event, 600*mebi, &sent)
	}))
	t.Cleanup(server.Close)
	// The pace comes to nothing, so that a read fails once the context would end before there is room for it.
	a := boundAnswers(http.DefaultTransport, server.URL, "apps", nil, rate.NewLimiter(1, burst))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	total := 0
	for range 2 {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/configmaps?watch=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := a.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(response.Body)
		if err == nil {
			t.Error("all was read")
		}
		total += len(content)
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if total > burst || total < burst/2 {
		t.Errorf("%d bytes were read on two watches, want almost %d", total, burst)
	}
}

// Each namespace has a pace of its own.
func TestPacesOfNamespaces(t *testing.T) {
	p := newPaces(watchPace, watchBurst)
	a := p.of("a")
	if p.of("a") != a || p.of("b") == a {
		t.Error("the pace is not that of the namespace")
	}
}
