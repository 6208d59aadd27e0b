package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// clock is one that only tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// apiServer answers what this package asks and counts it.
type apiServer struct {
	*httptest.Server
	mu       sync.Mutex
	requests map[string]int
	users    []string
	remotes  map[string]bool
	version  string
	kinds    []string // of the group example.dev, version v1
	stale    bool     // the API service of that group
	refuses  bool     // lists and watches
	events   map[string]chan string
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	s := &apiServer{
		requests: map[string]int{}, remotes: map[string]bool{}, version: "v1.37.2", kinds: []string{"Widget"},
		events: map[string]chan string{"customresourcedefinitions": make(chan string), "apiservices": make(chan string)},
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *apiServer) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *apiServer) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[path]
}

func (s *apiServer) cluster(t *testing.T, c *clock) *Cluster {
	t.Helper()
	made, err := newCluster(&rest.Config{Host: s.URL, BearerToken: "secret-token"}, nil, c.read)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests[r.URL.Path]++
	s.users = append(s.users, r.Header.Get("Impersonate-User"))
	s.remotes[r.RemoteAddr] = true
	version, kinds, refuses, stale := s.version, s.kinds, s.refuses, s.stale
	s.mu.Unlock()
	resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	switch {
	case r.URL.Path == "/version":
		reply(w, map[string]string{"major": "1", "minor": "37", "gitVersion": version})
	case r.URL.Path == "/api":
		w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		reply(w, groupsOf("", false, "ConfigMap"))
	case r.URL.Path == "/apis":
		w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		reply(w, groupsOf("example.dev", stale, kinds...))
	case s.events[resource] != nil && refuses:
		w.WriteHeader(http.StatusForbidden)
		reply(w, metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonForbidden,
			Code: 403,
		})
	case s.events[resource] != nil:
		s.stream(w, r, s.events[resource])
	default:
		reply(w, map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "metadata": map[string]any{"name": "x"}})
	}
}

// stream sends no objects first and then one event for each that the test sends.
func (s *apiServer) stream(w http.ResponseWriter, r *http.Request, events <-chan string) {
	send := func(kind, name string, annotations map[string]string) {
		reply(w, map[string]any{"type": kind, "object": metav1.PartialObjectMetadata{
			TypeMeta:   metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"},
			ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "2", Annotations: annotations},
		}})
		w.(http.Flusher).Flush()
	}
	w.Header().Set("Content-Type", "application/json")
	send("BOOKMARK", "", map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	for {
		select {
		case name := <-events:
			send("ADDED", name, nil)
		case <-r.Context().Done():
			return
		}
	}
}

func reply(w http.ResponseWriter, body any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(fmt.Sprint("test server: ", err))
	}
}

func groupsOf(group string, stale bool, kinds ...string) apidiscovery.APIGroupDiscoveryList {
	freshness := apidiscovery.DiscoveryFreshnessCurrent
	if stale {
		freshness = apidiscovery.DiscoveryFreshnessStale
	}
	version := apidiscovery.APIVersionDiscovery{Version: "v1", Freshness: freshness}
	for _, kind := range kinds {
		version.Resources = append(version.Resources, apidiscovery.APIResourceDiscovery{
			Resource: strings.ToLower(kind) + "s", SingularResource: strings.ToLower(kind), Scope: apidiscovery.ScopeNamespace,
			ResponseKind: &metav1.GroupVersionKind{Group: group, Version: "v1", Kind: kind}, Verbs: []string{"get", "list"},
		})
	}
	return apidiscovery.APIGroupDiscoveryList{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroupDiscoveryList", APIVersion: "apidiscovery.k8s.io/v2"},
		Items: []apidiscovery.APIGroupDiscovery{{
			ObjectMeta: metav1.ObjectMeta{Name: group}, Versions: []apidiscovery.APIVersionDiscovery{version},
		}},
	}
}
