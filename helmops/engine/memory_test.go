package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/memory"
)

// farServer is an API server with ConfigMaps and Secrets that makes up objects of a resource without an end, of none
// when it is empty.
func farServer(t *testing.T, lies string, records ...string) (kubeconfig []byte, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	verbs := metav1.Verbs{"get", "list", "watch"}
	answers := map[string]any{
		"/version": map[string]string{"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
		"/api": metav1.APIVersions{
			TypeMeta: metav1.TypeMeta{Kind: "APIVersions", APIVersion: "v1"}, Versions: []string{"v1"},
		},
		"/apis": metav1.APIGroupList{
			TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{},
		},
		"/api/v1": metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
			GroupVersion: "v1",
			APIResources: []metav1.APIResource{
				{Name: "secrets", Namespaced: true, Kind: "Secret", Verbs: verbs},
				{Name: "configmaps", Namespaced: true, Kind: "ConfigMap", Verbs: verbs},
			}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		switch answer := answers[r.URL.Path]; {
		case answer != nil:
			_ = json.NewEncoder(w).Encode(answer)
		case strings.HasPrefix(r.URL.Path, "/apis/"):
			w.WriteHeader(http.StatusForbidden)
		case r.URL.Query().Has("watch"):
			var first []string
			if strings.HasSuffix(r.URL.Path, "secrets") {
				first = records
			}
			follow(w, r, lies != "" && strings.HasSuffix(r.URL.Path, lies), first...)
		default:
			_, _ = w.Write([]byte(`{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`))
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	kubeconfig, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "a",
		"contexts": []any{map[string]any{"name": "a", "context": map[string]string{"cluster": "a", "user": "a"}}},
		"clusters": []any{map[string]any{"name": "a", "cluster": map[string]string{"server": server.URL}}},
		"users":    []any{map[string]any{"name": "a", "user": map[string]string{}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return kubeconfig, asked
}

// follow answers a watch: with the end of a first list that is empty, then with objects in the namespace apps, and,
// when it lies, with objects without an end.
func follow(w http.ResponseWriter, r *http.Request, lies bool, names ...string) {
	var labels map[string]string
	if !lies {
		labels = map[string]string{"owner": "helm", "name": "web"}
	}
	event := func(kind, name string, annotations map[string]string) error {
		return json.NewEncoder(w).Encode(map[string]any{"type": kind, "object": metav1.PartialObjectMetadata{
			TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"},
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "apps", Name: name, ResourceVersion: "2", Annotations: annotations, Labels: labels,
			},
		}})
	}
	_ = event("BOOKMARK", "", map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	for _, name := range names {
		_ = event("ADDED", name, nil)
	}
	_ = http.NewResponseController(w).Flush()
	for i := 0; lies && event("ADDED", fmt.Sprint("made-up-", i), nil) == nil; i++ {
	}
	<-r.Context().Done()
}

// A cluster that makes up objects is let go of, and its releases are looked at again; those of other namespaces notice
// nothing.
func TestAClusterThatMakesUpObjectsIsLetGoOf(t *testing.T) {
	t.Parallel()
	for _, resource := range []string{"secrets", "configmaps"} {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			isLetGoOf(t, resource)
		})
	}
}

func isLetGoOf(t *testing.T, resource string) {
	t.Helper()
	local, err := cluster.New(&rest.Config{Host: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	budget := memory.New(memory.Bounds{Total: 4 << 20, Share: 2 << 20}) // less than one read of a flood
	remote := cluster.NewPool(8, time.Hour, time.Now)
	remote.Keep(budget)
	t.Cleanup(remote.Close)
	moved := make(chan types.NamespacedName, 10_000)
	e := New(t.Context(), Config{
		Local: local, Remote: remote, Now: time.Now, OnRecordChanged: func(string, string, string) {},
		OnObjectChanged: func(owner types.NamespacedName) {
			select {
			case moved <- owner:
			default:
			}
		},
	})
	kubeconfig, _ := farServer(t, "")
	fine := cluster.Access{Namespace: "neighbor", Kubeconfig: kubeconfig}
	target := plan.Target{Name: "web", Namespace: "apps", StorageNamespace: "apps"}
	if _, err := e.History(t.Context(), fine, target); err != nil {
		t.Fatal(err)
	}
	kubeconfig, asked := farServer(t, resource)
	lying := cluster.Access{Namespace: "attacker", Kubeconfig: kubeconfig}
	owner := types.NamespacedName{Namespace: "attacker", Name: "web"}
	inventory := []v1beta1.ResourceRef{v1beta1.NewResourceRef("apps", "settings", "", "ConfigMap", "v1")}
	var exceeded *memory.ExceededError
	for end := time.Now().Add(time.Minute); !errors.As(err, &exceeded); _, err = e.History(t.Context(), lying, target) {
		e.Live(lying, owner, inventory, nil)
		if time.Now().After(end) {
			t.Fatalf("nothing ends it; the error is %v", err)
		}
		time.Sleep(time.Millisecond)
	}
	for range len(moved) {
		if key := <-moved; key.Namespace != "attacker" {
			t.Errorf("%s was woken", key)
		}
	}
	before := asked.Load()
	for range 100 {
		if result := e.Execute(t.Context(), Action{Step: plan.Install, Access: lying, Target: target}); !errors.As(result.Err,
			&exceeded) {
			t.Fatalf("error = %v", result.Err)
		}
	}
	if reason, final := Reason(plan.Install, exceeded); reason != v1beta1.ClusterUnreachableReason || final ||
		Class(plan.Install, exceeded) != v1beta1.FailureTransient {
		t.Errorf("reason %s, final %v, class %s", reason, final, Class(plan.Install, exceeded))
	}
	if after := asked.Load(); after > before+2 { // two may have been on the way
		t.Errorf("it was asked %d times after it was let go of", after-before)
	}
	if own, _ := budget.Used("attacker"); own != 0 {
		t.Errorf("%d bytes are counted", own)
	}
	if _, err := e.History(t.Context(), fine, target); err != nil {
		t.Errorf("the neighbor got %v", err)
	}
}

// Owners hear of it when their cluster is let go of: only then do they say so.
func TestOwnersHearThatTheirClusterIsLetGoOf(t *testing.T) {
	t.Parallel()
	local, err := cluster.New(&rest.Config{Host: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	remote := cluster.NewPool(8, time.Hour, time.Now)
	remote.Keep(memory.New(memory.Bounds{Total: 4 << 20, Share: 2 << 20}))
	t.Cleanup(remote.Close)
	moved := make(chan types.NamespacedName, 10_000)
	e := New(t.Context(),
		Config{Local: local, Remote: remote, Now: time.Now, OnRecordChanged: func(string, string, string) {
		}, OnObjectChanged: func(owner types.NamespacedName) {
			moved <- owner
		}})
	kubeconfig, _ := farServer(t, "")
	access, owner := cluster.Access{Namespace: "apps", Kubeconfig: kubeconfig}, types.NamespacedName{
		Namespace: "apps", Name: "web",
	}
	inventory := []v1beta1.ResourceRef{v1beta1.NewResourceRef("apps", "settings", "", "ConfigMap", "v1")}
	for _, ready := e.Live(access, owner, inventory, nil); !ready; _, ready = e.Live(access, owner, inventory, nil) {
		<-moved
	}
	time.Sleep(200 * time.Millisecond) // what the first look has caused
	for len(moved) > 0 {
		<-moved
	}
	at, err := remote.Get(access)
	if err != nil {
		t.Fatal(err)
	}
	if err := at.Memory().Add(1 << 40); err == nil {
		t.Fatal("the account has no bounds")
	}
	select {
	case key := <-moved:
		if key != owner {
			t.Errorf("%s was woken", key)
		}
	case <-time.After(20 * time.Second):
		t.Error("nobody was woken")
	}
}
