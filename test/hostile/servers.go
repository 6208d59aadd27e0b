package hostile

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/test/servers"
)

// Kubeconfig is one of a cluster and a user, with more fields of both.
func Kubeconfig(cluster, user string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: a,
  contexts: [{name: a, context: {cluster: a, user: a}}],
  clusters: [{name: a, cluster: {%s}}], users: [{name: a, user: {%s}}]}`, cluster, user)
}

// APIServer looks like a server of Kubernetes, and behaves badly.
type APIServer struct {
	// Kubeconfig connects to it.
	Kubeconfig string

	server *httptest.Server
}

// ServeAPI starts an API server with a behavior.
func ServeAPI(behave http.HandlerFunc) (*APIServer, error) {
	authority, err := servers.NewAuthority()
	if err != nil {
		return nil, err
	}
	setting, err := authority.Server(time.Now().Add(time.Hour), false)
	if err != nil {
		return nil, err
	}
	server := httptest.NewUnstartedServer(behave)
	server.TLS = setting
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	cluster := "server: '" + server.URL + "', certificate-authority-data: " +
		base64.StdEncoding.EncodeToString(authority.PEM)
	return &APIServer{Kubeconfig: Kubeconfig(cluster, "token: abc"), server: server}, nil
}

// Close stops the server, in the middle of whatever it answers.
func (s *APIServer) Close() {
	s.server.CloseClientConnections()
	s.server.Close()
}

// Pour writes an endless text of JSON, as far as the client takes it.
func Pour(w http.ResponseWriter, size int) {
	w.Header().Set("Content-Type", "application/json")
	chunk := bytes.Repeat([]byte("a"), 1<<20)
	if _, err := w.Write([]byte(`{"kind":"`)); err != nil {
		return
	}
	for written := 0; written < size; written += len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// Discovery answers what is asked of an API server before anything else, and returns false for the rest.
func Discovery() func(w http.ResponseWriter, r *http.Request) bool {
	verbs := metav1.Verbs{"get", "list", "watch", "create", "update", "patch", "delete"}
	answers := map[string]any{
		"/version": map[string]string{"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
		"/api": metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions", APIVersion: "v1"},
			Versions: []string{"v1"}},
		"/apis": metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"},
			Groups: []metav1.APIGroup{}},
		"/api/v1": metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
			GroupVersion: "v1", APIResources: []metav1.APIResource{
				{Name: "secrets", SingularName: "secret", Namespaced: true, Kind: "Secret", Verbs: verbs},
				{Name: "configmaps", SingularName: "configmap", Namespaced: true, Kind: "ConfigMap", Verbs: verbs},
			}},
	}
	return func(w http.ResponseWriter, r *http.Request) bool {
		answer, ok := answers[r.URL.Path]
		if !ok {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
		return true
	}
}

// events counts the objects that were made up.
var events atomic.Int64

// MadeUp is how many objects all floods have made up so far.
func MadeUp() int64 { return events.Load() }

// Flood answers a list with nothing and a watch with new objects without an end.
func Flood(w http.ResponseWriter, r *http.Request, ended <-chan struct{}) {
	w.Header().Set("Content-Type", "application/json")
	meta := map[string]any{"resourceVersion": "1"}
	switch {
	case r.URL.Query().Has("watch"):
		for {
			select {
			case <-ended:
				return
			case <-r.Context().Done():
				return
			default:
			}
			if err := json.NewEncoder(w).Encode(madeUp(events.Add(1))); err != nil {
				return
			}
		}
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "s"):
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
			"metadata": meta, "items": []any{}})
	default:
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
			Status: "Failure", Reason: metav1.StatusReasonNotFound, Code: 404})
	}
}

// Multitude answers a list with nothing and a watch of objects of core with some that are as small as possible: what
// is kept of them is several times as large.
func Multitude(w http.ResponseWriter, r *http.Request, ended <-chan struct{}) {
	if strings.HasPrefix(r.URL.Path, "/apis/") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if !r.URL.Query().Has("watch") {
		Flood(w, r, ended)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	for {
		select {
		case <-ended:
			return
		case <-r.Context().Done():
			return
		default:
		}
		const event = `{"type":"ADDED","object":{"kind":"PartialObjectMetadata",` +
			`"apiVersion":"meta.k8s.io/v1","metadata":{"name":"%d"}}}`
		if _, err := fmt.Fprintf(w, event, events.Add(1)); err != nil {
			return
		}
	}
}

func madeUp(number int64) any {
	return map[string]any{"type": "ADDED", "object": map[string]any{
		"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": map[string]any{
			"name": fmt.Sprintf("sh.helm.release.v1.made-up-%d.v1", number), "namespace": "made-up", "uid": fmt.Sprint(number),
			"resourceVersion": fmt.Sprint(number + 1),
			"labels": map[string]string{"owner": "helm", "app.kubernetes.io/managed-by": "Helm",
				"name": fmt.Sprintf("made-up-%d", number), "status": "deployed", "version": "1"},
			"annotations": map[string]string{"padding": strings.Repeat("x", 2000)},
		},
	}}
}

// Silent accepts connections and never says a word, until it is closed.
func Silent() (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			if _, err := listener.Accept(); err != nil {
				return
			}
		}
	}()
	return listener, nil
}
