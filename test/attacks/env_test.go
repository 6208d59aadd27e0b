package attacks

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// The namespaces.
const (
	attacker = "attacker"
	victim   = "neighbor"
)

// Secrets that must not appear where the tenant can read.
const (
	canaryValues = "canary-of-the-values-5d41"
	canarySecret = "canary-of-the-secret-9a0b"
	canaryChart  = "canary-of-the-chart-77c2"
	canaryBody   = "canary-of-the-internal-service-3e1f"
	canaryOwn    = "Canary/of the own+secret?61d8"
)

// canaries belong to others than the tenant.
var canaries = []string{canaryValues, canarySecret, canaryChart, canaryBody}

// member lets ServiceAccounts of a namespace, the one of its people and the one of its releases, do what a member of
// a team may.
const member = `
apiVersion: v1
kind: Namespace
metadata: {name: $NS}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: person}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: edit}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects:
  - {kind: ServiceAccount, name: person, namespace: $NS}
  - {kind: ServiceAccount, name: default, namespace: $NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: fairlead}
rules:
  - apiGroups: [fairlead.dev]
    resources: [helmreleases, helmrepositories, ocirepositories, gitrepositories, buckets, helmcharts, kustomizations, receivers]
    verbs: [get, list, watch, create, patch, update, delete]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: fairlead}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: fairlead}
subjects:
  - {kind: ServiceAccount, name: person, namespace: $NS}
  - {kind: ServiceAccount, name: default, namespace: $NS}
`

// admit creates a namespace with its members.
func admit(ctx context.Context, namespace string) error {
	objects, err := env.ParseObjects(namespace, strings.ReplaceAll(member, "$NS", namespace))
	if err != nil {
		return err
	}
	return world.cluster.Apply(ctx, objects...)
}

func prepareTenant(ctx context.Context) (err error) {
	if err := admit(ctx, attacker); err != nil {
		return err
	}
	world.tenant, err = world.cluster.As(ctx, attacker, "person", world.dir)
	return err
}

// internal is what a service or a file has that the tenant cannot read. As a JSON schema it shows itself in the error.
const internal = `{"const": "` + canaryBody + `"}`

// internalAddress is none of those that upstreams may have in these tests.
const internalAddress = "127.0.0.2"

// listener stands for a service that only the controller can reach. It answers with a secret and notes who asked.
type listener struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func listen() (*listener, error) {
	l := &listener{}
	address, err := net.Listen("tcp", internalAddress+":0")
	if err != nil {
		return nil, err
	}
	l.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.seen = append(l.seen, r.Method+" "+r.URL.String())
		l.mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/redirect") {
			http.Redirect(w, r, "/internal", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte(internal))
	}))
	l.Config.ErrorLog = log.New(io.Discard, "", 0)
	l.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			l.mu.Lock()
			l.seen = append(l.seen, "a connection")
			l.mu.Unlock()
		}
	}
	_ = l.Listener.Close()
	l.Listener = address
	l.Start()
	return l, nil
}

// host and port of the listener.
func (l *listener) host() string { return strings.TrimPrefix(l.URL, "http://") }

// taken returns what was asked since the last time.
func (l *listener) taken() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.seen
	l.seen = nil
	return seen
}

// kinds of Fairlead that a tenant may create.
var kinds = []string{
	v1beta1.HelmReleaseKind, v1beta1.KustomizationKind, v1beta1.ReceiverKind, v1beta1.HelmChartKind,
	v1beta1.HelmRepositoryKind,
	v1beta1.GitRepositoryKind, v1beta1.OCIRepositoryKind, v1beta1.BucketKind,
}

// list returns the objects of a kind in a namespace.
func list(t *testing.T, kind, namespace string) []unstructured.Unstructured {
	t.Helper()
	objects := &unstructured.UnstructuredList{}
	objects.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(kind + "List"))
	if err := world.cluster.Client.List(context.Background(), objects, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	return objects.Items
}

// clear removes what an attack has left. What a controller keeps by its finalizer goes all the same, when it does not
// go by itself.
func clear(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	letGo(t)
	for _, kind := range kinds {
		all := &unstructured.Unstructured{}
		all.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(kind))
		if err := world.cluster.Client.DeleteAllOf(ctx, all, client.InNamespace(attacker)); err != nil {
			t.Error(err)
		}
	}
	err := env.Until(ctx, patient(t), "the tenant's objects are gone", func() (bool, error) {
		return len(left(t)) == 0,
			nil
	})
	for i, object := range left(t) {
		if i == 0 && err != nil {
			t.Logf("objects stay, among them %s %s: their finalizers are removed", object.GetKind(), object.GetName())
		}
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		if err := client.IgnoreNotFound(world.cluster.Client.Patch(ctx, &object, patch)); err != nil {
			t.Error(err)
		}
	}
	for _, object := range []client.Object{&corev1.ConfigMap{}, &corev1.Secret{}, &corev1.Event{}} {
		if err := world.cluster.Client.DeleteAllOf(ctx, object, client.InNamespace(attacker)); err != nil {
			t.Error(err)
		}
	}
}

// letGo has releases leave behind what they consist of: the tenant may lack the right to delete it, and other
// clusters do not answer.
func letGo(t *testing.T) {
	t.Helper()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"deletionPolicy":"Orphan"}}`))
	for _, hr := range list(t, v1beta1.HelmReleaseKind, attacker) {
		if err := client.IgnoreNotFound(world.cluster.Client.Patch(context.Background(), &hr, patch)); err != nil {
			t.Error(err)
		}
	}
}

// patient is how long objects may take to go: no time when the attack has succeeded, and the controller may be blocked.
func patient(t *testing.T) time.Duration {
	if t.Failed() || world.controller.Failed() != nil {
		return 0
	}
	return env.Patience / 4
}

// left are the tenant's objects of Fairlead.
func left(t *testing.T) []unstructured.Unstructured {
	t.Helper()
	var all []unstructured.Unstructured
	for _, kind := range kinds {
		all = append(all, list(t, kind, attacker)...)
	}
	return all
}

// restart replaces a controller that an attack has ended or blocked, so that each attack is judged on its own.
func restart(t *testing.T) {
	t.Helper()
	world.memory.Stop()
	if world.controller.Failed() == nil {
		world.controller.Kill()
	}
	clear(t)
	if err := startController(context.Background()); err != nil {
		t.Fatal(err)
	}
	world.neighbor.startOver()
}

// programsCalled returns what programs the controller has started since the last time.
func programsCalled(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(calls())
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	_ = os.Remove(calls())
	return string(content)
}

// own reads an object of the tenant's namespace and reports whether it exists.
func own(t *testing.T, object client.Object, name string) bool {
	t.Helper()
	object.SetNamespace(attacker)
	object.SetName(name)
	return world.cluster.Exists(t, object)
}

// named is the metadata of an object in the victim's namespace.
func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: victim, Name: name}
}

// casesFolder is where further inputs are, beside the project.
func casesFolder() (string, error) {
	root, err := env.Root()
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(root), "shared", "cases"), nil
}
