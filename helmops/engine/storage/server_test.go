package storage

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	helmtime "helm.sh/helm/v3/pkg/time"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

const (
	namespace = "store"
	digest1   = "sha256:1"
	alice     = "alice"
	bob       = "bob"
)

var (
	now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	web = Key{StorageNamespace: namespace, Name: "web", Namespace: "apps"}
)

func clock() time.Time { return now }

func keyOf(version int) string { return secretName("web", version) }

func newRelease(version int, status release.Status, change ...func(*release.Release)) *release.Release {
	rel := &release.Release{
		Name: "web", Namespace: "apps", Version: version, Manifest: "kind: ConfigMap\n", Labels: map[string]string{"team": "shop"},
		Config: map[string]any{"replicas": float64(2)},
		Info: &release.Info{
			Status: status, Description: "as told", FirstDeployed: helmtime.Time{Time: now.Add(-time.Hour)}, LastDeployed: helmtime.Time{Time: now},
		},
		Chart: &chart.Chart{
			Metadata:  &chart.Metadata{Name: "web", Version: "1.0.0", AppVersion: "9.9", APIVersion: "v2"},
			Templates: []*chart.File{{Name: "templates/a.yaml", Data: []byte(strings.Repeat("kind: ConfigMap # <&>\n", 50))}},
			Files:     []*chart.File{{Name: "README.md", Data: []byte(strings.Repeat("read me ", 100))}},
			Values:    map[string]any{"replicas": float64(1), "deep": map[string]any{"list": []any{"a", true, nil}}},
			Schema:    []byte(`{"type":"object"}`),
		},
	}
	for _, c := range change {
		c(rel)
	}
	return rel
}

// server is the part of an API server that keeps Secrets. It counts what it is asked.
type server struct {
	url string

	mu       sync.Mutex
	version  int
	secrets  map[string]*corev1.Secret // by namespace/name
	events   []event
	watchers []chan struct{}
	requests []string
	// refuse answers a request of that "VERB user" with an error.
	refuse map[string]*apierrors.StatusError
	// lost answers a write, after doing it, with an error.
	lost bool
	// held keeps events back from watchers.
	held bool
}

type event struct {
	kind    string
	version int
	secret  *corev1.Secret
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{version: 100, secrets: map[string]*corev1.Secret{}, refuse: map[string]*apierrors.StatusError{}}
	listening := httptest.NewServer(s)
	t.Cleanup(func() {
		listening.CloseClientConnections()
		listening.Close()
	})
	s.url = listening.URL
	return s
}

func (s *server) config(user string) *rest.Config {
	return &rest.Config{Host: s.url, QPS: -1, BearerToken: user, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}

func (s *server) secretsAs(t *testing.T, user string) typedcorev1.SecretInterface {
	t.Helper()
	client, err := kubernetes.NewForConfig(s.config(user))
	must(t, err)
	return client.CoreV1().Secrets(namespace)
}

func (s *server) reader(t *testing.T, user string) Reader {
	t.Helper()
	return Reader{Secrets: s.secretsAs(t, user), As: user, Trusted: true}
}

// helm is Helm's own driver.
func (s *server) helm(t *testing.T) *driver.Secrets {
	t.Helper()
	return driver.NewSecrets(s.secretsAs(t, "helm"))
}

func (s *server) store(t *testing.T) *Store {
	t.Helper()
	client, err := metadata.NewForConfig(s.config("controller"))
	must(t, err)
	return NewStore(client, clock)
}

// watching returns a store whose watch has settled, one way or the other.
func (s *server) watching(t *testing.T) *Store {
	t.Helper()
	store := s.store(t)
	run(t, store)
	<-store.settled
	return store
}

func run(t *testing.T, store *Store) {
	t.Helper()
	done := make(chan struct{})
	store.mu.Lock()
	store.running = true
	store.mu.Unlock()
	go func() {
		defer close(done)
		_ = store.Run(t.Context())
	}()
	t.Cleanup(func() { <-done })
}

// asked returns the requests of a user since the last call.
func (s *server) asked(user string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var of, others []string
	for _, request := range s.requests {
		if name, found := strings.CutSuffix(request, " "+user); found {
			of = append(of, name)
		} else {
			others = append(others, request)
		}
	}
	s.requests = others
	return of
}

func (s *server) answer(verb, user string, err *apierrors.StatusError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse[verb+" "+user] = err
}

func (s *server) hold(held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	s.wake()
}

func (s *server) secret(t *testing.T, name string) *corev1.Secret {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	secret := s.secrets[namespace+"/"+name]
	if secret == nil {
		t.Fatalf("there is no Secret %s", name)
	}
	return secret.DeepCopy()
}

// change is a write that keeps the annotations, like that of kubectl edit.
func (s *server) change(t *testing.T, name string, how func(*corev1.Secret)) {
	t.Helper()
	secret := s.secret(t, name)
	how(secret)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set("MODIFIED", secret)
}

func (s *server) set(kind string, secret *corev1.Secret) {
	s.version++
	secret.ResourceVersion = strconv.Itoa(s.version)
	if name := secret.Namespace + "/" + secret.Name; kind == "DELETED" {
		delete(s.secrets, name)
	} else {
		s.secrets[name] = secret
	}
	s.events = append(s.events, event{kind: kind, version: s.version, secret: secret.DeepCopy()})
	s.wake()
}

func (s *server) wake() {
	for _, watcher := range s.watchers {
		select {
		case watcher <- struct{}{}:
		default:
		}
	}
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	path := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, "/api/v1"), "/"), "/")
	in, name := "", ""
	if path[0] == "namespaces" {
		in, path = path[1], path[2:]
	}
	if len(path) > 1 {
		name = path[1]
	}
	verb := map[string]string{"POST": "create", "PUT": "update", "DELETE": "delete", "GET": "get"}[r.Method]
	switch {
	case verb == "get" && r.URL.Query().Get("watch") != "":
		verb = "watch"
	case verb == "get" && name == "":
		verb = "list"
	}
	s.mu.Lock()
	s.requests = append(s.requests, strings.TrimSpace(verb+" "+name)+" "+user)
	refused := s.refuse[verb+" "+user]
	s.mu.Unlock()
	if refused != nil {
		send(w, int(refused.ErrStatus.Code), refused.ErrStatus)
		return
	}
	switch verb {
	case "watch":
		s.watch(w, r)
	case "list":
		s.list(w, r, in)
	default:
		s.one(w, r, in, name)
	}
}

func send(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func fail(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.ErrStatus
	status.Kind, status.APIVersion = "Status", "v1"
	send(w, int(status.Code), status)
}

var resource = schema.GroupResource{Resource: "secrets"}

func (s *server) one(w http.ResponseWriter, r *http.Request, in, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sent corev1.Secret
	var deletion metav1.DeleteOptions
	if r.Method == http.MethodDelete {
		_ = json.NewDecoder(r.Body).Decode(&deletion)
	} else if r.Method != http.MethodGet {
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			fail(w, apierrors.NewBadRequest(err.Error()))
			return
		}
		name, sent.Namespace = sent.Name, in
	}
	there := s.secrets[in+"/"+name]
	switch {
	case r.Method == http.MethodPost && there != nil:
		fail(w, apierrors.NewAlreadyExists(resource, name))
		return
	case r.Method != http.MethodPost && there == nil:
		fail(w, apierrors.NewNotFound(resource, name))
		return
	case r.Method == http.MethodPut && sent.ResourceVersion != "" && sent.ResourceVersion != there.ResourceVersion,
		deletion.Preconditions != nil && deletion.Preconditions.ResourceVersion != nil && *deletion.Preconditions.ResourceVersion != there.ResourceVersion:
		fail(w, apierrors.NewConflict(resource, name, fmt.Errorf("it changed")))
		return
	}
	answer := there
	switch r.Method {
	case http.MethodPost:
		sent.UID = types.UID(fmt.Sprintf("uid-%d", s.version))
		s.set("ADDED", &sent)
		answer = &sent
	case http.MethodPut:
		sent.UID = there.UID
		s.set("MODIFIED", &sent)
		answer = &sent
	case http.MethodDelete:
		s.set("DELETED", there.DeepCopy())
	}
	if s.lost && r.Method != http.MethodGet {
		fail(w, apierrors.NewTimeoutError("the answer was lost", 0))
		return
	}
	send(w, http.StatusOK, answer)
}

func (s *server) list(w http.ResponseWriter, r *http.Request, in string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	selector, _ := labels.Parse(r.URL.Query().Get("labelSelector"))
	narrow := strings.Contains(r.URL.Query().Get("fieldSelector"), secretType)
	list := corev1.SecretList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)}}
	for _, secret := range s.secrets {
		if (in == "" || in == secret.Namespace) && selector.Matches(labels.Set(secret.Labels)) && (!narrow || secret.Type == secretType) {
			list.Items = append(list.Items, *secret)
		}
	}
	if !reduced(r) {
		send(w, http.StatusOK, list)
		return
	}
	short := metav1.PartialObjectMetadataList{ListMeta: list.ListMeta}
	short.Kind, short.APIVersion = "PartialObjectMetadataList", "meta.k8s.io/v1"
	for i := range list.Items {
		short.Items = append(short.Items, *partial(&list.Items[i]))
	}
	send(w, http.StatusOK, short)
}

func reduced(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata")
}

func partial(secret *corev1.Secret) *metav1.PartialObjectMetadata {
	out := &metav1.PartialObjectMetadata{ObjectMeta: *secret.ObjectMeta.DeepCopy()}
	out.Kind, out.APIVersion = "PartialObjectMetadata", "meta.k8s.io/v1"
	return out
}

// watch knows no streaming lists, as an older API server.
func (s *server) watch(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("sendInitialEvents") != "" {
		fail(w, apierrors.NewBadRequest("sendInitialEvents is not known"))
		return
	}
	if !reduced(r) {
		fail(w, apierrors.NewBadRequest("the content of Secrets is not to be watched"))
		return
	}
	at, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	woken := make(chan struct{}, 1)
	s.mu.Lock()
	s.watchers = append(s.watchers, woken)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	for {
		s.mu.Lock()
		var pending []event
		if !s.held {
			pending = slices.Clone(s.events)
		}
		s.mu.Unlock()
		for _, e := range pending {
			if e.version > at && e.secret.Type == secretType {
				at = e.version
				_ = json.NewEncoder(w).Encode(map[string]any{"type": e.kind, "object": partial(e.secret)})
			}
		}
		w.(http.Flusher).Flush()
		select {
		case <-woken:
		case <-r.Context().Done():
			return
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
