package attacks

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
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/upstream"
)

// kubeconfig is one of a cluster and a user, with more fields of both.
func kubeconfig(cluster, user string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
  clusters: [{name: a, cluster: {%s}}], users: [{name: a, user: {%s}}]}`, cluster, user)
}

// remoteRelease is a release on the cluster of a kubeconfig, which is in a Secret.
func remoteRelease(name, chart string) string {
	return helmRelease(name, chart, "  timeout: 20s\n  kubeConfig: {secretRef: {name: remote}}\n")
}

func remoteSecret(content string) string {
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: remote}\ndata: {value: " + base64.StdEncoding.EncodeToString([]byte(content)) + "}\n"
}

// A kubeconfig makes the controller run no program, read no file, and connect to no address that is its own.
func TestKubeconfigs(t *testing.T) {
	const token = "token: abc"
	refusals := []string{v1beta1.KubeConfigInvalidReason, v1beta1.ClusterUnreachableReason, v1beta1.AccessDeniedReason}
	for _, test := range []struct{ name, cluster, user string }{
		{"a kubeconfig runs a program", "server: 'https://$HOST'", "exec: {apiVersion: client.authentication.k8s.io/v1, command: git, args: [a], interactiveMode: Never}"},
		{"a kubeconfig has an old way to sign in", "server: 'https://$HOST'", "auth-provider: {name: gcp, config: {cmd-path: git}}"},
		{"a kubeconfig reads the token of the controller", "server: 'https://$HOST'", "tokenFile: $FILE"},
		{"a kubeconfig reads a certificate of the controller", "server: 'https://$HOST'", "client-certificate: $FILE, client-key: $FILE"},
		{"a kubeconfig reads an authority of the controller", "server: 'https://$HOST', certificate-authority: $FILE", token},
		{"a kubeconfig does without verification", "server: 'https://$HOST', insecure-skip-tls-verify: true", token},
		{"a kubeconfig names a plain service beside the controller", "server: 'http://$HOST/internal'", token},
		{"a kubeconfig names a metadata service", "server: 'https://169.254.169.254'", token},
		{"a kubeconfig names a proxy", "server: 'https://example.com', proxy-url: 'http://$HOST'", token},
	} {
		play(t, attack{name: test.name, charts: charts(mine()), refused: "HelmRelease/web", reasons: refusals, act: func(t *testing.T, s *scene) {
			apply(t, s, remoteSecret(s.text(kubeconfig(test.cluster, test.user))))
		}, objects: remoteRelease("web", "mine")})
	}
}

// apiServer is a server of the tenant's that looks like one of Kubernetes, and behaves badly.
func apiServer(t *testing.T, behave http.HandlerFunc) (config string) {
	t.Helper()
	authority, err := upstream.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	setting, err := authority.Server(time.Now().Add(time.Hour), false)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(behave)
	server.TLS = setting
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return kubeconfig("server: '"+server.URL+"', certificate-authority-data: "+base64.StdEncoding.EncodeToString(authority.PEM), "token: abc")
}

// Releases on clusters that lie, stall and flood: the neighbor's are served, and the memory of the controller is bounded.
func TestOtherClusters(t *testing.T) {
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	wait := func(r *http.Request) {
		select {
		case <-ended:
		case <-r.Context().Done():
		}
	}
	discovered := discovery()
	for _, test := range []struct {
		name   string
		behave http.HandlerFunc
		// answered is set when the condition has to say something before the attack is over.
		answered bool
	}{
		{"a cluster answers with 600 MiB", func(w http.ResponseWriter, _ *http.Request) { pour(w, 600<<20) }, true},
		{"a cluster answers discovery alone", func(w http.ResponseWriter, r *http.Request) {
			if !discovered(w, r) {
				pour(w, 600<<20)
			}
		}, true},
		{"a cluster never answers", func(_ http.ResponseWriter, r *http.Request) { wait(r) }, false},
		{"a cluster begins an answer and stops", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("{"))
			w.(http.Flusher).Flush()
			wait(r)
		}, false},
		{"a cluster stops in the middle of a record", func(w http.ResponseWriter, r *http.Request) {
			if discovered(w, r) {
				return
			}
			w.WriteHeader(http.StatusCreated)
			w.(http.Flusher).Flush()
			wait(r)
		}, false},
		{"a cluster floods with events", func(w http.ResponseWriter, r *http.Request) {
			if !discovered(w, r) {
				flood(w, r, ended)
			}
		}, false},
	} {
		config := apiServer(t, test.behave)
		a := attack{name: test.name, charts: charts(mine()), heavy: true, act: func(t *testing.T, s *scene) {
			apply(t, s, remoteSecret(config))
			world.neighbor.served(t)
		}, absent: noneReady}
		for i := range 12 {
			a.objects += "\n---\n" + remoteRelease(fmt.Sprintf("remote-%d", i), "mine")
		}
		a.objects = strings.TrimPrefix(a.objects, "\n---\n")
		if test.answered {
			a.refused, a.reasons = "HelmRelease/remote-0", []string{v1beta1.ClusterUnreachableReason, v1beta1.StorageErrorReason, v1beta1.InstallFailedReason}
		}
		play(t, a)
	}
}

// noneReady checks that no release of the tenant's claims to run.
func noneReady(t *testing.T, _ *scene) {
	t.Helper()
	for _, hr := range list(t, v1beta1.HelmReleaseKind, attacker) {
		if ready := conditionOf(&hr, v1beta1.ReadyCondition); ready["status"] == "True" {
			t.Errorf("%s is Ready: %v", hr.GetName(), ready["message"])
		}
	}
}

// pour writes an endless text of JSON, as far as the client takes it.
func pour(w http.ResponseWriter, size int) {
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

// discovery answers what is asked of an API server before anything else, and returns false for the rest.
func discovery() func(w http.ResponseWriter, r *http.Request) bool {
	verbs := metav1.Verbs{"get", "list", "watch", "create", "update", "patch", "delete"}
	answers := map[string]any{
		"/version": map[string]string{"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
		"/api":     metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions", APIVersion: "v1"}, Versions: []string{"v1"}},
		"/apis":    metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{}},
		"/api/v1": metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "v1", APIResources: []metav1.APIResource{
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

// flood answers a list with nothing and a watch with new objects without an end.
func flood(w http.ResponseWriter, r *http.Request, ended <-chan struct{}) {
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
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": meta, "items": []any{}})
	default:
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonNotFound, Code: 404})
	}
}

func madeUp(number int64) any {
	return map[string]any{"type": "ADDED", "object": map[string]any{
		"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": map[string]any{
			"name": fmt.Sprintf("sh.helm.release.v1.made-up-%d.v1", number), "namespace": attacker, "uid": fmt.Sprint(number), "resourceVersion": fmt.Sprint(number + 1),
			"labels":      map[string]string{"owner": "helm", "app.kubernetes.io/managed-by": "Helm", "name": fmt.Sprintf("made-up-%d", number), "status": "deployed", "version": "1"},
			"annotations": map[string]string{"padding": strings.Repeat("x", 2000)},
		},
	}}
}

// A server that accepts connections and never says a word, as upstream of many sources.
func TestUpstreamsThatHang(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	go func() {
		for {
			if _, err := silent.Accept(); err != nil {
				return
			}
		}
	}()
	manifests := ""
	for i := range 30 {
		kind := []string{"HelmRepository", "GitRepository", "OCIRepository"}[i%3]
		url := "url: 'http://" + silent.Addr().String() + "/x'"
		if kind == "OCIRepository" {
			url = "insecure: true, url: 'oci://" + silent.Addr().String() + "/x'"
		}
		manifests += "---\n" + object(kind, fmt.Sprintf("silent-%d", i), url+", timeout: 10s")
	}
	play(t, attack{name: "thirty upstreams hang", objects: strings.TrimPrefix(manifests, "---\n"), heavy: true,
		refused: "HelmRepository/silent-0", reasons: []string{v1beta1.FetchFailedReason}, absent: sourcesAreServed})
}

// sourcesAreServed checks that a new source of the neighbor's becomes Ready.
func sourcesAreServed(t *testing.T, s *scene) {
	t.Helper()
	manifest := object("HelmRepository", "again", "url: '$VICTIM_CHARTS', secretRef: {name: access}, interval: 10h")
	if err := world.neighbor.declare(t.Context(), s.text(manifest)); err != nil {
		t.Fatal(err)
	}
	repository := &unstructured.Unstructured{}
	repository.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(v1beta1.HelmRepositoryKind))
	repository.SetNamespace(victim)
	repository.SetName("again")
	eventually(t, "a new source of the neighbor's is Ready", func() bool {
		return world.cluster.Exists(t, repository) && conditionOf(repository, v1beta1.ReadyCondition)["status"] == "True"
	})
	forget(t, v1beta1.HelmRepositoryKind, "again")
}
