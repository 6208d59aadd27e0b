package kubeclient

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/definition"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/test/build"
)

// servedKinds are the kinds of the fake API server, by resource.
var servedKinds = map[string]schema.GroupVersionKind{
	"namespaces":                {Version: "v1", Kind: "Namespace"},
	"configmaps":                {Version: "v1", Kind: "ConfigMap"},
	"secrets":                   {Version: "v1", Kind: "Secret"},
	"pods":                      {Version: "v1", Kind: "Pod"},
	"persistentvolumeclaims":    {Version: "v1", Kind: "PersistentVolumeClaim"},
	"deployments":               {Group: "apps", Version: "v1", Kind: "Deployment"},
	"jobs":                      {Group: "batch", Version: "v1", Kind: "Job"},
	"customresourcedefinitions": {Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
}

// apiServer keeps objects. The controller may not list them, so nothing is tracked and every object is asked for; the
// user that an action is made as may.
type apiServer struct {
	*httptest.Server

	mu      sync.Mutex
	objects map[string]map[string]any // by path
	// answer decides about a request before it is carried out: nil lets it through.
	answer func(method, path string) *metav1.Status
	// requests are those about objects that change something: "PATCH /api/v1/...".
	requests []string
	version  int
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

// client is that of an action of the release apps/web.
func (s *apiServer) client(t *testing.T, change ...func(*Options)) *Client {
	t.Helper()
	local, err := cluster.New(&rest.Config{Host: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(local.Close)
	self, err := local.As("")
	if err != nil {
		t.Fatal(err)
	}
	as, err := local.As("tester")
	if err != nil {
		t.Fatal(err)
	}
	clients := tracker.Clients{Dynamic: self.Dynamic(), Metadata: self.Metadata(), Memory: local.Memory()}
	seen := tracker.New(t.Context(), clients, tracker.Helm(), time.Now)
	o := Options{
		Release: "web", Namespace: "apps", StorageNamespace: "apps", Owner: "apps/web", Now: time.Now,
		Timeout: 5 * time.Second,
		Keep:    Keep{Resources: local.NamespacedResources},
	}
	for _, c := range change {
		c(&o)
	}
	return NewClient(t.Context(), as, local.Mapper(), seen, &counted{}, o)
}

// build builds a manifest, with the marks of the release on its objects.
func (c *Client) build(t *testing.T, documents ...string) kube.ResourceList {
	t.Helper()
	list, err := c.Build(strings.NewReader(strings.Join(documents, "\n---\n")), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range list {
		(&inspection{Client: c, info: info}).claim()
	}
	return list
}

// put adds an object as another client made it, with the changes.
func (s *apiServer) put(t *testing.T, text string, changes ...func(*unstructured.Unstructured)) {
	t.Helper()
	object := build.Object(t, text)
	for _, change := range changes {
		change(object)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store(pathOf(t, object), object.Object)
}

func ofRelease(release string) func(*unstructured.Unstructured) {
	return func(o *unstructured.Unstructured) {
		annotations := o.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[releaseNameAnnotation] = release
		annotations[releaseNamespaceAnnotation] = "apps"
		o.SetAnnotations(annotations)
		o.SetLabels(map[string]string{managedByLabel: managedByHelm})
	}
}

func pathOf(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	for resource, kind := range servedKinds {
		if kind != object.GroupVersionKind() {
			continue
		}
		path := "/api/v1/"
		if kind.Group != "" {
			path = "/apis/" + kind.Group + "/" + kind.Version + "/"
		}
		if object.GetNamespace() != "" {
			path += "namespaces/" + object.GetNamespace() + "/"
		}
		return path + resource + "/" + object.GetName()
	}
	t.Fatalf("%s is not served", object.GroupVersionKind())
	return ""
}

// get returns an object by the end of its path; nil when it is not there.
func (s *apiServer) get(name string) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, object := range s.objects {
		if strings.HasSuffix(path, "/"+name) {
			return &unstructured.Unstructured{Object: object}
		}
	}
	return nil
}

// wrote returns the requests that change something.
func (s *apiServer) wrote() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// store writes an object. The caller holds the lock.
func (s *apiServer) store(path string, object map[string]any) {
	s.version++
	content := &unstructured.Unstructured{Object: object}
	content.SetResourceVersion(fmt.Sprint(100 + s.version))
	if content.GetUID() == "" {
		content.SetUID("uid-" + "1")
	}
	s.objects[path] = object
}

// ServeHTTP implements http.Handler.
func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, path := r.Header.Get("Impersonate-User"), r.URL.Path
	s.mu.Lock()
	defer s.mu.Unlock()
	if path == "/version" || path == "/api" || path == "/apis" {
		s.discover(w, path)
		return
	}
	if s.answer != nil {
		if refused := s.answer(r.Method, path); refused != nil {
			send(w, int(refused.Code), refused)
			return
		}
	}
	resource := path[strings.LastIndex(path, "/")+1:]
	_, isList := servedKinds[resource]
	switch {
	case r.Method == http.MethodGet && isList && user == "":
		send(w, http.StatusForbidden, refusalOf(http.StatusForbidden, metav1.StatusReasonForbidden, "not for the controller"))
	case r.Method == http.MethodGet && isList && r.URL.Query().Get("watch") != "":
		w.WriteHeader(http.StatusOK)
	case r.Method == http.MethodGet && isList:
		s.list(w, r, path, resource)
	default:
		s.one(w, r, path)
	}
}

func (s *apiServer) discover(w http.ResponseWriter, path string) {
	if path == "/version" {
		send(w, http.StatusOK, map[string]string{"major": "1", "minor": "37", "gitVersion": "v1.37.2"})
		return
	}
	groups := map[string]*apidiscovery.APIGroupDiscovery{}
	for resource, kind := range servedKinds {
		if (kind.Group == "") != (path == "/api") {
			continue
		}
		group := groups[kind.Group]
		if group == nil {
			group = &apidiscovery.APIGroupDiscovery{
				ObjectMeta: metav1.ObjectMeta{Name: kind.Group},
				Versions:   []apidiscovery.APIVersionDiscovery{{Version: kind.Version}},
			}
			groups[kind.Group] = group
		}
		scope := apidiscovery.ScopeNamespace
		if kind.Kind == "Namespace" || kind.Kind == "CustomResourceDefinition" {
			scope = apidiscovery.ScopeCluster
		}
		group.Versions[0].Resources = append(group.Versions[0].Resources, apidiscovery.APIResourceDiscovery{
			Resource: resource, SingularResource: strings.ToLower(kind.Kind), Scope: scope,
			ResponseKind: &metav1.GroupVersionKind{Group: kind.Group, Version: kind.Version, Kind: kind.Kind},
			Verbs:        []string{"get", "list", "delete", "watch"},
		})
	}
	list := apidiscovery.APIGroupDiscoveryList{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroupDiscoveryList", APIVersion: "apidiscovery.k8s.io/v2"},
	}
	for _, group := range groups {
		list.Items = append(list.Items, *group)
	}
	w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
	send(w, http.StatusOK, list)
}

func (s *apiServer) list(w http.ResponseWriter, r *http.Request, path, resource string) {
	kind := servedKinds[resource]
	header := map[string]any{"apiVersion": kind.GroupVersion().String(), "kind": kind.Kind + "List"}
	partial := strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadataList")
	if partial {
		header = map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList"}
	}
	name, _ := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name=")
	items := []any{}
	for at, object := range s.objects {
		if !strings.HasPrefix(at, path+"/") || name != "" && !strings.HasSuffix(at, "/"+name) {
			continue
		}
		items = append(items, object)
	}
	header["items"] = items
	header["metadata"] = map[string]any{"resourceVersion": "1"}
	send(w, http.StatusOK, header)
}

func (s *apiServer) one(w http.ResponseWriter, r *http.Request, path string) {
	there := s.objects[path]
	dryRun := r.URL.Query().Get("dryRun") != ""
	if r.Method != http.MethodGet {
		s.requests = append(s.requests, r.Method+" "+path)
	}
	notFound := refusalOf(http.StatusNotFound, metav1.StatusReasonNotFound, path+" not found")
	switch {
	case r.Method == http.MethodPost:
		s.post(w, r, path)
	case r.Method == http.MethodPatch:
		s.patch(w, r, path, dryRun)
	case there == nil:
		send(w, http.StatusNotFound, notFound)
	case r.Method == http.MethodDelete:
		delete(s.objects, path)
		send(w, http.StatusOK,
			metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess})
	default:
		send(w, http.StatusOK, there)
	}
}

func (s *apiServer) post(w http.ResponseWriter, r *http.Request, path string) {
	sent := map[string]any{}
	_ = json.NewDecoder(r.Body).Decode(&sent)
	path += "/" + (&unstructured.Unstructured{Object: sent}).GetName()
	if s.objects[path] != nil {
		send(w, http.StatusConflict, refusalOf(http.StatusConflict, metav1.StatusReasonAlreadyExists, path+" already exists"))
		return
	}
	s.store(path, sent)
	send(w, http.StatusCreated, sent)
}

func (s *apiServer) patch(w http.ResponseWriter, r *http.Request, path string, dryRun bool) {
	there := s.objects[path]
	var sent any
	_ = json.NewDecoder(r.Body).Decode(&sent)
	out := map[string]any{}
	switch sent := sent.(type) {
	case []any: // a JSON patch
		out = (&unstructured.Unstructured{Object: there}).DeepCopy().Object
		for _, operation := range sent {
			operation := operation.(map[string]any)
			fields := strings.Split(strings.TrimPrefix(operation["path"].(string), "/"), "/")
			if operation["op"] != "test" && operation["path"] != "/metadata/resourceVersion" {
				_ = unstructured.SetNestedField(out, operation["value"], fields...)
			}
		}
	case map[string]any:
		content := &unstructured.Unstructured{Object: sent}
		if content.GetResourceVersion() == "1" && there != nil {
			send(w, http.StatusConflict, refusalOf(http.StatusConflict, metav1.StatusReasonConflict, "it exists"))
			return
		}
		out = sent
		if there != nil {
			out = definition.Overlaid(there, sent)
		}
	}
	if !dryRun {
		s.store(path, out)
	}
	send(w, http.StatusOK, out)
}

func refusalOf(code int32, reason metav1.StatusReason, message string) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: code,
		Reason:  reason,
		Message: message,
	}
}

func send(w http.ResponseWriter, code int, body any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}
