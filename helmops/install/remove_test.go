package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/definition"
	"fairlead.dev/fairlead/test/build"
)

// liveObjects are those of a cluster, by path. What is deleted goes immediately.
type liveObjects struct {
	mu      sync.Mutex
	objects map[string]map[string]any
	// changes are the requests that change something.
	changes []string
	// refuse returns the code with which a request is refused; zero lets it through.
	refuse func(method, path string) int
}

func newLiveObjects(t *testing.T, texts ...string) *liveObjects {
	t.Helper()
	l := &liveObjects{objects: map[string]map[string]any{}}
	for _, text := range texts {
		object := build.Object(t, text)
		for version, kinds := range served {
			for _, kind := range kinds {
				if object.GetAPIVersion() != version || object.GetKind() != kind.Kind {
					continue
				}
				path := "/apis/" + version + "/"
				if version == "v1" {
					path = "/api/v1/"
				}
				if kind.Namespaced {
					path += "namespaces/" + object.GetNamespace() + "/"
				}
				l.objects[path+kind.Name+"/"+object.GetName()] = object.Object
			}
		}
	}
	if len(l.objects) != len(texts) {
		t.Fatalf("%d of %d objects are of kinds that are served", len(l.objects), len(texts))
	}
	return l
}

// ServeHTTP implements http.Handler.
func (l *liveObjects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	path := r.URL.Path
	if r.Method != http.MethodGet {
		l.changes = append(l.changes, r.Method+" "+path)
	}
	if l.refuse != nil && l.refuse(r.Method, path) != 0 {
		sendStatus(w, l.refuse(r.Method, path))
		return
	}
	there := l.objects[path]
	switch {
	case r.Method == http.MethodDelete && there != nil:
		delete(l.objects, path)
		_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess})
	case r.Method == http.MethodPatch:
		body, _ := io.ReadAll(r.Body)
		sent := map[string]any{}
		_ = json.Unmarshal(body, &sent)
		if there == nil {
			there = map[string]any{}
		}
		l.objects[path] = definition.Overlaid(there, sent)
		_ = json.NewEncoder(w).Encode(l.objects[path])
	case there != nil:
		_ = json.NewEncoder(w).Encode(there)
	case isCollection(path):
		l.list(w, r)
	default:
		sendStatus(w, http.StatusNotFound)
	}
}

func sendStatus(w http.ResponseWriter, code int) {
	reasons := map[int]metav1.StatusReason{
		http.StatusNotFound: metav1.StatusReasonNotFound, http.StatusForbidden: metav1.StatusReasonForbidden,
		http.StatusUnprocessableEntity: metav1.StatusReasonInvalid,
	}
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code),
		Reason: reasons[code], Message: "token hunter2 was sent",
	})
}

func isCollection(path string) bool {
	return slices.ContainsFunc(slices.Concat(slices.Collect(maps.Values(served))...), func(kind metav1.APIResource) bool {
		return strings.HasSuffix(path, "/"+kind.Name)
	})
}

// list answers with the objects of a kind, in one namespace or in all.
func (l *liveObjects) list(w http.ResponseWriter, r *http.Request) {
	items := []any{}
	resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/"):] + "/"
	base := strings.TrimSuffix(r.URL.Path, strings.TrimSuffix(resource, "/"))
	for path, object := range l.objects {
		if strings.HasPrefix(path, base) && strings.Contains(path, resource) {
			items = append(items, object)
		}
	}
	header := map[string]any{"apiVersion": "v1", "kind": "List", "items": items, "metadata": map[string]any{}}
	for version, kinds := range served {
		for _, kind := range kinds {
			if "/"+kind.Name+"/" == resource {
				header["apiVersion"] = version
				header["kind"] = kind.Kind + "List"
			}
		}
	}
	if strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadataList") {
		header["apiVersion"] = "meta.k8s.io/v1"
		header["kind"] = "PartialObjectMetadataList"
	}
	_ = json.NewEncoder(w).Encode(header)
}

func (l *liveObjects) get(name string) *unstructured.Unstructured {
	l.mu.Lock()
	defer l.mu.Unlock()
	for path, object := range l.objects {
		if strings.HasSuffix(path, "/"+name) {
			return &unstructured.Unstructured{Object: object}
		}
	}
	return nil
}

// before reports whether one change was made before another, each by the end of its path.
func (l *liveObjects) before(first, second string) bool {
	at := func(end string) int {
		return slices.IndexFunc(l.changes, func(change string) bool { return strings.HasSuffix(change, end) })
	}
	return at(first) >= 0 && at(second) > at(first)
}

const (
	controllerText = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: fairlead-controller, namespace: fairlead-system," +
		" annotations: {fairlead.dev/version: v1.2.3}}, spec: {template: {spec: {containers: [{name: sidecar, image: other}," +
		" {name: controller, image: registry.example.com/fairlead:v1.2.3}]}}}}"
	rootText = "{apiVersion: fairlead.dev/v1beta1, kind: Kustomization, metadata: {name: fairlead, namespace: fairlead-system," +
		" finalizers: [fairlead.dev/finalizer, example.com/other]}, spec: {path: ./clusters/a}}"
	fleetText = "{apiVersion: fairlead.dev/v1beta1, kind: GitRepository, metadata: {name: fairlead, namespace: fairlead-system," +
		" finalizers: [finalizers.fairlead.dev]}, spec: {url: https://git.example.com/fleet, secretRef: {name: fleet}}}"
	releaseText   = "{apiVersion: fairlead.dev/v1beta1, kind: HelmRelease, metadata: {name: web, namespace: apps}}"
	systemText    = "{apiVersion: v1, kind: Namespace, metadata: {name: fairlead-system}}"
	kustomizesCRD = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: kustomizations.fairlead.dev}}"
)

// The Kustomizations are suspended before the controller goes, definitions go before the rest and the namespace last.
// What its objects have applied stays, and so do finalizers of others.
func TestRemoveTakesFairleadOutInOrder(t *testing.T) {
	t.Parallel()
	inApps := strings.NewReplacer("namespace: fairlead-system", "namespace: apps")
	live := newLiveObjects(t, controllerText, inApps.Replace(rootText), inApps.Replace(fleetText), releaseText, systemText, kustomizesCRD)
	var told []string
	left, err := siteOf(t, &apiServer{live: live}).Remove(t.Context(), Removal{Progress: func(text string) { told = append(told, text) }})
	if err != nil || len(left) != 0 {
		t.Fatalf("left %v, error %v, after %v", left, err, told)
	}
	for _, order := range [][2]string{
		{"/kustomizations/fairlead", "/deployments/fairlead-controller"},
		{"/deployments/fairlead-controller", "/gitrepositories/fairlead"},
		{"/gitrepositories/fairlead", "/customresourcedefinitions/kustomizations.fairlead.dev"},
		{"/customresourcedefinitions/kustomizations.fairlead.dev", "/namespaces/fairlead-system"},
	} {
		if !live.before(order[0], order[1]) {
			t.Errorf("%s is not changed before %s: %v", order[0], order[1], live.changes)
		}
	}
	for _, name := range []string{"fairlead-controller", "kustomizations.fairlead.dev", "namespaces/fairlead-system"} {
		if live.get(name) != nil {
			t.Errorf("%s is still there", name)
		}
	}
	root := live.get("kustomizations/fairlead")
	suspended, _, _ := unstructured.NestedBool(root.Object, "spec", "suspend")
	if !suspended || !slices.Equal(root.GetFinalizers(), []string{"example.com/other"}) {
		t.Errorf("suspended %t, finalizers %v", suspended, root.GetFinalizers())
	}
	if live.get("helmreleases/web") == nil {
		t.Error("a HelmRelease was deleted")
	}
}

// With releases, the Kustomizations are deleted before the HelmReleases, while the controller still runs.
func TestRemoveWithReleasesDeletesThemFirst(t *testing.T) {
	t.Parallel()
	live := newLiveObjects(t, controllerText, rootText, releaseText)
	_, err := siteOf(t, &apiServer{live: live}).Remove(t.Context(), Removal{Releases: true, Progress: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	if !live.before("/kustomizations/fairlead", "/helmreleases/web") || !live.before("/helmreleases/web", "/deployments/fairlead-controller") {
		t.Errorf("the order is %v", live.changes)
	}
}

// A namespace in which others have something stays, and they are named.
func TestRemoveLeavesANamespaceWithObjectsOfOthers(t *testing.T) {
	t.Parallel()
	live := newLiveObjects(t, controllerText, systemText,
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: kube-root-ca.crt, namespace: fairlead-system}}",
		"{apiVersion: v1, kind: Secret, metadata: {name: theirs, namespace: fairlead-system}}")
	left, err := siteOf(t, &apiServer{live: live}).Remove(t.Context(), Removal{Progress: func(string) {}})
	want := "namespace fairlead-system, because others have something in it: secrets theirs"
	if err != nil || !slices.Equal(left, []string{want}) || live.get("fairlead-system") == nil {
		t.Errorf("left %v, error %v", left, err)
	}
}

func TestFindReadsTheInstallation(t *testing.T) {
	t.Parallel()
	helm := strings.Replace(controllerText, "annotations:", "labels: {app.kubernetes.io/managed-by: Helm}, annotations:", 1)
	for _, tt := range []struct {
		name    string
		objects []string
		want    Found
		err     error
	}{
		{name: "nothing"},
		{
			name: "a controller", objects: []string{controllerText},
			want: Found{Installed: true, Version: "v1.2.3", Image: "registry.example.com/fairlead:v1.2.3"},
		},
		{
			name: "a cluster that follows a repository", objects: []string{controllerText, rootText, fleetText},
			want: Found{
				Installed: true, Version: "v1.2.3", Image: "registry.example.com/fairlead:v1.2.3",
				Follows: "./clusters/a of https://git.example.com/fleet", Secret: "fleet",
			},
		},
		{name: "a release of Helm", objects: []string{helm}, err: errHelm},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			found, err := siteOf(t, &apiServer{live: newLiveObjects(t, tt.objects...)}).Find(t.Context())
			if found != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("found %+v, error %v", found, err)
			}
		})
	}
}

// A Secret is written with the label of Fairlead; an error names the Secret and quotes nothing of it.
func TestAnErrorAboutASecretQuotesNothing(t *testing.T) {
	t.Parallel()
	live := newLiveObjects(t)
	site := siteOf(t, &apiServer{live: live})
	if err := site.ApplySecret(t.Context(), "fleet", map[string]string{"password": "hunter2"}); err != nil {
		t.Fatal(err)
	}
	if got := live.get("secrets/fleet").GetLabels()["app.kubernetes.io/name"]; got != "fairlead" {
		t.Errorf("the label is %q", got)
	}
	live.refuse = func(string, string) int { return http.StatusUnprocessableEntity }
	err := site.ApplySecret(t.Context(), "fleet", map[string]string{"password": "hunter2"})
	if err == nil || err.Error() != "writing Secret fairlead-system/fleet: Invalid" {
		t.Errorf("error %v", err)
	}
}

// A container that waits says why the controller does not run.
func TestTheCauseIsThatOfAContainerThatWaits(t *testing.T) {
	t.Parallel()
	pod := func(name, state string) string {
		return "{apiVersion: v1, kind: Pod, metadata: {name: " + name + ", namespace: fairlead-system}, status: {containerStatuses:" +
			" [{name: controller, image: registry/fairlead:v1, state: " + state + "}]}}"
	}
	for _, tt := range []struct{ name, state, want string }{
		{name: "runs", state: "{running: {}}"},
		{name: "starts", state: "{waiting: {reason: ContainerCreating}}"},
		{
			name: "cannot pull", state: "{waiting: {reason: ErrImagePull, message: not found}}",
			want: "pod one: ErrImagePull: not found (image registry/fairlead:v1)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			site := siteOf(t, &apiServer{live: newLiveObjects(t, pod("one", tt.state))})
			if got := site.causeOf(t.Context()); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWhatGoesWithTheNamespaceIsNoLoss(t *testing.T) {
	t.Parallel()
	deleted := metav1.Now()
	labels := map[string]string{v1beta1.KustomizationNameLabel: Root, v1beta1.KustomizationNamespaceLabel: Namespace}
	for _, tt := range []struct {
		name, resource string
		object         metav1.ObjectMeta
		want           bool
	}{
		{
			name: "the certificate of the cluster", resource: "configmaps",
			object: metav1.ObjectMeta{Name: "kube-root-ca.crt"},
			want:   true,
		},
		{name: "a Secret of that name", resource: "secrets", object: metav1.ObjectMeta{Name: "kube-root-ca.crt"}},
		{
			name: "the account of the namespace", resource: "serviceaccounts",
			object: metav1.ObjectMeta{Name: "default"},
			want:   true,
		},
		{
			name: "what has an owner", resource: "pods",
			object: metav1.ObjectMeta{OwnerReferences: make([]metav1.OwnerReference, 1)},
			want:   true,
		},
		{
			name: "what is being deleted", resource: "pods", object: metav1.ObjectMeta{DeletionTimestamp: &deleted},
			want: true,
		},
		{
			name: "what the root Kustomization applied", resource: "secrets", object: metav1.ObjectMeta{Labels: labels},
			want: true,
		},
		{name: "anything else", resource: "secrets", object: metav1.ObjectMeta{Name: "theirs"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			object := &metav1.PartialObjectMetadata{ObjectMeta: tt.object}
			if got := isOwn(schema.GroupResource{Resource: tt.resource}, object); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// A right that is missing becomes a check; any other error stays one.
func TestMissingRightsBecomeChecks(t *testing.T) {
	t.Parallel()
	lacks := right{verb: "get", resource: schema.GroupResource{Group: "apps", Resource: "deployments"}, namespace: "a"}
	forbidden := apierrors.NewForbidden(lacks.resource, "x", errors.New("no"))
	var hidden unseen
	if !hidden.note(fmt.Errorf("looking: %w", deniedOr(forbidden, lacks))) || hidden.note(deniedOr(os.ErrClosed, lacks)) {
		t.Error("only a right that is missing is one")
	}
	checks := hidden.checks()
	if len(checks) != 1 || checks[0].Message != "you may not get deployments (apps) in namespace a" || checks[0].Outcome != Failed {
		t.Errorf("checks are %+v", checks)
	}
}
