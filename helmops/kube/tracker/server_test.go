package tracker

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

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

var (
	deployments = Kind{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, "deployments", true}
	configMaps  = Kind{schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, "configmaps", true}
	widgets     = Kind{schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}, "widgets", true}
)

// apiServer serves lists and watches, and can be made to fail in the ways of a real one.
type apiServer struct {
	config *rest.Config

	mu       sync.Mutex
	changed  chan struct{} // closed at every change
	version  int
	objects  map[string]*unstructured.Unstructured
	events   []serverEvent
	expired  int // watches from before it get the answer Gone
	answer   map[string]int
	streams  int // is raised to cut every stream
	held     chan struct{}
	waiting  chan struct{}
	requests []string
	accepts  []string
	noStream bool // streaming lists are not known
	refused  chan struct{}
}

type serverEvent struct {
	version  int
	kind     string
	resource string
	object   *unstructured.Unstructured
}

func newServer(t testing.TB) *apiServer {
	t.Helper()
	s := &apiServer{
		changed: make(chan struct{}), version: 100, objects: map[string]*unstructured.Unstructured{},
		answer: map[string]int{}, refused: make(chan struct{}, 10_000),
	}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		s.set(func() { s.held = nil })
		server.CloseClientConnections()
		server.Close()
	})
	s.config = &rest.Config{Host: server.URL, QPS: -1}
	return s
}

// set changes something and sends it to the streams.
func (s *apiServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *apiServer) put(kind Kind, object *unstructured.Unstructured) *unstructured.Unstructured {
	object = object.DeepCopy()
	s.set(func() {
		s.version++
		object.SetResourceVersion(strconv.Itoa(s.version))
		object.SetGroupVersionKind(kind.GVK)
		name, event := kind.Resource+" "+object.GetNamespace()+"/"+object.GetName(), "ADDED"
		if s.objects[name] != nil {
			event = "MODIFIED"
		}
		s.objects[name] = object
		s.events = append(s.events, serverEvent{s.version, event, kind.Resource, object})
	})
	return object.DeepCopy()
}

// drop deletes an object; silently means that no stream hears of it.
func (s *apiServer) drop(kind Kind, namespace, name string, silently bool) {
	s.set(func() {
		s.version++
		name := kind.Resource + " " + namespace + "/" + name
		object := s.objects[name].DeepCopy()
		delete(s.objects, name)
		object.SetResourceVersion(strconv.Itoa(s.version))
		if !silently {
			s.events = append(s.events, serverEvent{s.version, "DELETED", kind.Resource, object})
		}
	})
}

func (s *apiServer) bookmark(kind Kind) {
	s.set(func() {
		s.version++
		s.events = append(s.events, serverEvent{s.version, "BOOKMARK", kind.Resource, mark(s.version, false)})
	})
}

// cut ends every stream; expire means that none can be resumed where it was.
func (s *apiServer) cut(expire bool) {
	s.set(func() {
		s.streams++
		if expire {
			s.version++
			s.expired = s.version
		}
	})
}

func (s *apiServer) count(part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, request := range s.requests {
		if strings.Contains(request, part) {
			n++
		}
	}
	return n
}

func mark(version int, end bool) *unstructured.Unstructured {
	object := &unstructured.Unstructured{
		Object: map[string]any{"metadata": map[string]any{"resourceVersion": strconv.Itoa(version)}},
	}
	if end {
		object.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	return object
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query, parts := r.URL.Query(), strings.Split(r.URL.Path, "/")
	resource := parts[len(parts)-1]
	s.mu.Lock()
	s.requests = append(s.requests, r.URL.RequestURI())
	s.accepts = append(s.accepts, resource+" "+r.Header.Get("Accept"))
	code, held, noStream := s.answer[resource], s.held, s.noStream
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if noStream && query.Get("sendInitialEvents") != "" {
		code = http.StatusUnprocessableEntity
	}
	if code != 0 {
		refuse(w, code)
		s.refused <- struct{}{}
		return
	}
	v := &view{resource: resource, name: strings.TrimPrefix(query.Get("fieldSelector"), "metadata.name="),
		all: query.Get("labelSelector") == "", bare: strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata")}
	if at := slices.Index(parts, "namespaces"); at >= 0 && len(parts) == at+4 {
		v.resource, v.all = parts[at+2], true
		s.get(w, v, parts[at+1], resource)
		return
	}
	if query.Get("watch") == "" {
		s.list(w, v)
		return
	}
	s.watch(w, r, v, held)
}

// get answers with one object.
func (s *apiServer) get(w http.ResponseWriter, v *view, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	object := s.objects[v.resource+" "+namespace+"/"+name]
	if object == nil {
		refuse(w, http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(v.show(object))
}

func refuse(w http.ResponseWriter, code int) {
	reasons := map[int]metav1.StatusReason{
		401: metav1.StatusReasonUnauthorized, 403: metav1.StatusReasonForbidden, 404: metav1.StatusReasonNotFound,
		405: metav1.StatusReasonMethodNotAllowed, 422: metav1.StatusReasonInvalid, 500: metav1.StatusReasonInternalError,
	}
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status: metav1.StatusFailure, Code: int32(code), Reason: reasons[code], Message: fmt.Sprint("refused with ", code)})
}

// view is what one request wants to see.
type view struct {
	resource, name string
	all, bare      bool
}

func (v *view) wants(object *unstructured.Unstructured) bool {
	return (v.name == "" || object.GetName() == v.name) && (v.all || object.GetLabels()[managedByLabel] == managedByHelm)
}

func (v *view) show(object *unstructured.Unstructured) map[string]any {
	content := object.DeepCopy().Object
	if v.bare {
		content = map[string]any{
			"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": content["metadata"],
		}
	}
	return content
}

// current returns what a view sees, and as of when. The lock is held.
func (s *apiServer) current(v *view) (items []any) {
	for name, object := range s.objects {
		if strings.HasPrefix(name, v.resource+" ") && v.wants(object) {
			items = append(items, v.show(object))
		}
	}
	return items
}

func (s *apiServer) list(w http.ResponseWriter, v *view) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := map[string]any{"apiVersion": "v1", "kind": "List"}
	if v.bare {
		kind = map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList"}
	}
	kind["metadata"], kind["items"] = map[string]any{"resourceVersion": strconv.Itoa(s.version)}, append([]any{},
		s.current(v)...)
	_ = json.NewEncoder(w).Encode(kind)
}

func (s *apiServer) watch(w http.ResponseWriter, r *http.Request, v *view, held chan struct{}) {
	send := func(kind string, object any) {
		_ = json.NewEncoder(w).Encode(map[string]any{"type": kind, "object": object})
		_ = http.NewResponseController(w).Flush()
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	s.mu.Lock()
	stream, expired := s.streams, from < s.expired
	if r.URL.Query().Get("sendInitialEvents") != "" {
		expired = false
		from = s.version
		items := s.current(v)
		s.mu.Unlock()
		if held != nil {
			close(s.waiting)
			<-held
		}
		for _, item := range items {
			send("ADDED", item)
		}
		send("BOOKMARK", v.show(bookmarkOf(v, from)))
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	_ = http.NewResponseController(w).Flush()
	if expired {
		send("ERROR",
			metav1.Status{
				TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Code: 410, Reason: metav1.StatusReasonExpired,
			})
		return
	}
	for s.streams == stream && r.Context().Err() == nil {
		for _, event := range slices.Clone(s.events) {
			if event.version <= from {
				continue
			}
			from = event.version
			if event.resource == v.resource && (event.kind == "BOOKMARK" || v.wants(event.object)) {
				object := event.object
				if event.kind == "BOOKMARK" {
					object = withKind(v, object)
				}
				send(event.kind, v.show(object))
			}
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
		}
		s.mu.Lock()
	}
}

func bookmarkOf(v *view, version int) *unstructured.Unstructured {
	return withKind(v, mark(version, true))
}

func withKind(v *view, object *unstructured.Unstructured) *unstructured.Unstructured {
	for _, kind := range []Kind{deployments, configMaps, widgets} {
		if kind.Resource == v.resource {
			object = object.DeepCopy()
			object.SetGroupVersionKind(kind.GVK)
		}
	}
	return object
}

// fakeClock is set by the test.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newTracker(t testing.TB, s *apiServer) (*Tracker, *fakeClock) {
	t.Helper()
	full, err := dynamic.NewForConfig(s.config)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := metadata.NewForConfig(s.config)
	if err != nil {
		t.Fatal(err)
	}
	c := &fakeClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	tracker := New(t.Context(), Clients{Dynamic: full, Metadata: bare}, Helm(), c.Now)
	tracker.backOff = wait.Backoff{Duration: time.Millisecond, Factor: 2, Steps: 4, Cap: 10 * time.Millisecond}
	return tracker, c
}

func managed(t testing.TB, kind Kind, name string) *unstructured.Unstructured {
	t.Helper()
	object := parse(t, "metadata: {namespace: apps, generation: 1}\napiVersion: v1\nkind: X\n")
	object.SetName(name)
	object.SetUID(types.UID(name + "-1"))
	object.SetGroupVersionKind(kind.GVK)
	object.SetLabels(map[string]string{managedByLabel: managedByHelm})
	object.SetAnnotations(map[string]string{releaseAnnotation: "web", releaseNamespaceAnnotation: "apps"})
	return object
}

func ref(kind Kind, name string) Ref { return Ref{GVK: kind.GVK, Namespace: "apps", Name: name} }

// until waits, woken by the tracker alone, until the entry of an object is as it should be.
func until(t *testing.T, tracker *Tracker, ref Ref, what string, is func(Entry, bool) bool) {
	t.Helper()
	changed, cancel := tracker.Watch([]Ref{ref})
	defer cancel()
	giveUp := time.After(20 * time.Second)
	for {
		entry, ok := tracker.Get(ref)
		if is(entry, ok) {
			return
		}
		select {
		case <-changed:
		case <-giveUp:
			t.Fatalf("never woken because %s; known is %v, %+v", what, ok, entry)
		}
	}
}
