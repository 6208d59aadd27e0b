package apply

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/definition"
)

// apiServer keeps ConfigMaps, Secrets and Namespaces. What is tracked may not be listed, so that every object is asked
// for.
type apiServer struct {
	*httptest.Server

	mu      sync.Mutex
	objects map[string]map[string]any // by path
	// answer decides about a request before it is carried out: nil lets it through.
	answer   func(user, method, path string, dryRun bool) *metav1.Status
	requests []string
	// groups are kinds beside those of the core.
	groups []apidiscovery.APIGroupDiscovery
	// warn returns what is warned of when an object is written; nil for nothing.
	warn func(path string) string
	// merges is set when what is sent is put over what is there, as an apply does.
	merges bool
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	s := &apiServer{objects: map[string]map[string]any{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *apiServer) engine(t *testing.T) *Engine {
	t.Helper()
	return New(t.Context(), Config{Local: s.local(t), Now: time.Now})
}

// local is the cluster of the server.
func (s *apiServer) local(t *testing.T) *cluster.Cluster {
	t.Helper()
	local, err := cluster.New(&rest.Config{Host: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(local.Close)
	return local
}

// asked returns the requests of a user: "PATCH /api/v1/namespaces/a/configmaps/b".
func (s *apiServer) asked(user string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, request := range s.requests {
		if text, is := strings.CutPrefix(request, user+" "); is {
			out = append(out, text)
		}
	}
	return out
}

// patches returns how many patches were sent, with those that are trials.
func (s *apiServer) patches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, request := range s.requests {
		if strings.Contains(request, " PATCH ") {
			n++
		}
	}
	return n
}

func (s *apiServer) has(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[path] != nil
}

func (s *apiServer) put(path string, object map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[path] = object
}

var resources = map[string]string{"ConfigMap": "configmaps", "Secret": "secrets", "Namespace": "namespaces"}

// ServeHTTP implements http.Handler.
func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, path := r.Header.Get("Impersonate-User"), r.URL.Path
	dryRun := r.URL.Query().Get("dryRun") != ""
	s.mu.Lock()
	s.requests = append(s.requests, user+" "+r.Method+" "+path)
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		if refused := answer(user, r.Method, path, dryRun); refused != nil {
			send(w, int(refused.Code), refused)
			return
		}
	}
	last := path[strings.LastIndex(path, "/")+1:]
	switch {
	case path == "/version":
		send(w, http.StatusOK, map[string]string{"major": "1", "minor": "37", "gitVersion": "v1.37.2"})
	case path == "/api":
		w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		send(w, http.StatusOK, discovery())
	case path == "/apis":
		w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		send(w, http.StatusOK, apidiscovery.APIGroupDiscoveryList{TypeMeta: discoveryType, Items: s.groups})
	case r.Method == http.MethodGet &&
		((user == "" || s.groups == nil) && strings.HasPrefix(path, "/apis/") ||
			user == "" && slices.Contains([]string{"configmaps", "secrets", "namespaces"}, last)):
		send(w, http.StatusForbidden, refusalOf(http.StatusForbidden, metav1.StatusReasonForbidden, "not for the controller"))
	case r.Method == http.MethodGet && slices.Contains([]string{"configmaps", "secrets", "gears"}, last):
		s.list(w, path)
	default:
		s.one(w, r, path, dryRun)
	}
}

var discoveryType = metav1.TypeMeta{Kind: "APIGroupDiscoveryList", APIVersion: "apidiscovery.k8s.io/v2"}

func discovery() apidiscovery.APIGroupDiscoveryList {
	version := apidiscovery.APIVersionDiscovery{Version: "v1", Freshness: apidiscovery.DiscoveryFreshnessCurrent}
	for kind, plural := range resources {
		scope := apidiscovery.ScopeNamespace
		if kind == "Namespace" {
			scope = apidiscovery.ScopeCluster
		}
		version.Resources = append(version.Resources, apidiscovery.APIResourceDiscovery{
			Resource: plural, SingularResource: strings.ToLower(kind), Scope: scope,
			ResponseKind: &metav1.GroupVersionKind{Version: "v1", Kind: kind}, Verbs: []string{"get", "list", "delete"},
		})
	}
	return apidiscovery.APIGroupDiscoveryList{TypeMeta: discoveryType, Items: []apidiscovery.APIGroupDiscovery{{
		Versions: []apidiscovery.APIVersionDiscovery{version},
	}}}
}

func refusalOf(code int32, reason metav1.StatusReason, message string) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: code, Reason: reason,
		Message: message,
	}
}

func (s *apiServer) list(w http.ResponseWriter, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := metav1.PartialObjectMetadataList{
		TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadataList", APIVersion: "meta.k8s.io/v1"},
	}
	plural := path[strings.LastIndex(path, "/"):]
	anywhere := strings.TrimSuffix(path, plural) + "/namespaces/"
	for at, object := range s.objects {
		if strings.HasPrefix(at, path+"/") || strings.HasPrefix(at, anywhere) && strings.Contains(at, plural+"/") {
			item := metav1.PartialObjectMetadata{
				TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"},
			}
			content := unstructured.Unstructured{Object: object}
			item.Name, item.Namespace, item.Labels = content.GetName(), content.GetNamespace(), content.GetLabels()
			out.Items = append(out.Items, item)
		}
	}
	send(w, http.StatusOK, out)
}

func (s *apiServer) one(w http.ResponseWriter, r *http.Request, path string, dryRun bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := s.objects[path]
	switch r.Method {
	case http.MethodPatch:
		sent := map[string]any{}
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			send(w, http.StatusBadRequest, refusalOf(http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error()))
			return
		}
		if s.merges && there != nil {
			sent = definition.Overlaid(there, sent)
		}
		if !dryRun {
			s.objects[path] = sent
		}
		if s.warn != nil && s.warn(path) != "" {
			w.Header().Set("Warning", `299 - "`+s.warn(path)+`"`)
		}
		send(w, http.StatusOK, sent)
	case http.MethodDelete:
		delete(s.objects, path)
		send(w, http.StatusOK,
			metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess})
	default:
		if there == nil {
			send(w, http.StatusNotFound, refusalOf(http.StatusNotFound, metav1.StatusReasonNotFound, "not found"))
			return
		}
		send(w, http.StatusOK, there)
	}
}

func send(w http.ResponseWriter, code int, body any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}
