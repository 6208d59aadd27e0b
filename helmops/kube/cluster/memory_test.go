package cluster

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

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/memory"
)

// smallPool keeps little of its clusters.
func smallPool(t *testing.T, now func() time.Time) *Pool {
	t.Helper()
	pool := NewPool(4, time.Hour, now)
	pool.paces = newPaces(rate.Inf, 0)
	pool.kept = memory.New(memory.Bounds{Total: 4 * mebi, Share: 2 * mebi})
	t.Cleanup(pool.Close)
	return pool
}

// serve answers as a test says, and counts the requests.
func serve(t *testing.T, answer http.HandlerFunc) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		answer(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL, asked
}

// manyAPIs answers discovery that is not aggregated, with as many groups of as many resources.
func manyAPIs(w http.ResponseWriter, r *http.Request, groups, resources int) {
	switch path := r.URL.Path; {
	case path == "/version":
		reply(w, map[string]string{"major": "1", "minor": "37", "gitVersion": "v1.37.2"})
	case path == "/api":
		reply(w, metav1.APIVersions{
			TypeMeta: metav1.TypeMeta{Kind: "APIVersions", APIVersion: "v1"}, Versions: []string{"v1"},
		})
	case path == "/apis":
		list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
		for i := range groups {
			name := fmt.Sprintf("made-up-%d.example.dev", i)
			version := metav1.GroupVersionForDiscovery{GroupVersion: name + "/v1", Version: "v1"}
			list.Groups = append(list.Groups,
				metav1.APIGroup{Name: name, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version})
		}
		reply(w, list)
	case strings.HasSuffix(path, "/customresourcedefinitions"), strings.HasSuffix(path, "/apiservices"):
		w.WriteHeader(http.StatusForbidden)
	default:
		list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}}
		for i := range resources {
			list.APIResources = append(list.APIResources, metav1.APIResource{
				Name: fmt.Sprintf("things%d", i), Kind: fmt.Sprintf("Thing%d", i), Namespaced: true, Verbs: metav1.Verbs{"list"},
			})
		}
		reply(w, list)
	}
}

func TestAClusterOfWhichTooMuchIsKeptIsClosedForAWhile(t *testing.T) {
	t.Parallel()
	clock := newClock()
	pool := smallPool(t, clock.read)
	url, asked := serve(t, func(w http.ResponseWriter, r *http.Request) { manyAPIs(w, r, 10_000, 100) })
	fine, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { manyAPIs(w, r, 20, 10) })
	lying := Access{Namespace: "attacker", Kubeconfig: kubeconfig(t, url, nil)}
	c, err := pool.Get(lying)
	if err != nil {
		t.Fatal(err)
	}
	neighbor, err := pool.Get(Access{Namespace: "neighbor", Kubeconfig: kubeconfig(t, fine, nil)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := neighbor.Capabilities(t.Context()); err != nil {
		t.Fatal(err)
	}
	var exceeded *memory.ExceededError
	if _, err := c.Capabilities(t.Context()); !errors.As(err, &exceeded) ||
		exceeded.Reason() != v1beta1.ClusterUnreachableReason {
		t.Fatalf("error = %v", err)
	}
	<-c.Done()
	if own, _ := pool.kept.Used("attacker"); own != 0 {
		t.Errorf("%d bytes are still kept", own)
	}
	before := asked.Load()
	for range 100 {
		if _, err := pool.Get(lying); !errors.As(err, &exceeded) {
			t.Fatalf("error = %v", err)
		}
	}
	clock.pass(memory.Pause - 1)
	if _, err := pool.Get(lying); !errors.As(err, &exceeded) {
		t.Fatalf("error = %v", err)
	}
	if after := asked.Load(); after != before {
		t.Errorf("it was asked %d times in the pause", after-before)
	}
	clock.pass(1)
	again, err := pool.Get(lying)
	if err != nil || again == c {
		t.Errorf("after the pause: %v", err)
	}
	select {
	case <-neighbor.Done():
		t.Error("the cluster of the neighbor was closed")
	default:
	}
}

func TestResourcesOfManyGroupsAreReadOnlyUpToTheShare(t *testing.T) {
	t.Parallel()
	pool := smallPool(t, time.Now)
	const groups = 1000
	url, asked := serve(t, func(w http.ResponseWriter, r *http.Request) { manyAPIs(w, r, groups, 100) })
	c, err := pool.Get(Access{Namespace: "attacker", Kubeconfig: kubeconfig(t, url, nil)})
	if err != nil {
		t.Fatal(err)
	}
	var exceeded *memory.ExceededError
	if _, err := c.Capabilities(t.Context()); !errors.As(err, &exceeded) {
		t.Fatalf("error = %v", err)
	}
	if got := asked.Load(); got > groups/10 {
		t.Errorf("it was asked %d times", got)
	}
}

func TestAReadingTakesThePlaceOfTheOneBefore(t *testing.T) {
	t.Parallel()
	clock := newClock()
	pool := smallPool(t, clock.read)
	var resources atomic.Int64
	resources.Store(10)
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { manyAPIs(w, r, 20, int(resources.Load())) })
	c, err := pool.Get(Access{Namespace: "apps", Kubeconfig: kubeconfig(t, url, nil)})
	if err != nil {
		t.Fatal(err)
	}
	kept := func() int64 {
		t.Helper()
		clock.pass(unwatchedAge)
		if _, err := c.Capabilities(t.Context()); err != nil {
			t.Fatal(err)
		}
		own, _ := pool.kept.Used("apps")
		return own
	}
	first := kept()
	if first < 20*10*resourceCost {
		t.Fatalf("%d bytes are counted", first)
	}
	for range 20 {
		if again := kept(); again != first {
			t.Fatalf("%d bytes are counted after another reading, %d after the first", again, first)
		}
	}
	resources.Store(20)
	if more := kept(); more < 20*20*resourceCost {
		t.Errorf("%d bytes are counted of twice as much", more)
	}
}

func TestAListOfEndlessPagesEnds(t *testing.T) {
	t.Parallel()
	pool := smallPool(t, time.Now)
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Has("watch"):
			w.WriteHeader(http.StatusUnprocessableEntity)
			reply(w, metav1.Status{
				TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonInvalid,
				Code: 422,
			})
		case strings.HasSuffix(r.URL.Path, "/customresourcedefinitions"):
			reply(w, map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "items": []any{},
				"metadata": map[string]any{"resourceVersion": "1", "continue": "more"}})
		default:
			manyAPIs(w, r, 1, 1)
		}
	})
	access := Access{Namespace: "attacker", Kubeconfig: kubeconfig(t, url, nil)}
	c, err := pool.Get(access)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Capabilities(t.Context()) // it starts the watch
	select {
	case <-c.Done():
	case <-time.After(time.Minute):
		t.Fatal("the list has no end")
	}
	var exceeded *memory.ExceededError
	if _, err := pool.Get(access); !errors.As(err, &exceeded) {
		t.Errorf("error = %v", err)
	}
}

func TestAWatchOfAPIsHoldsOneObjectOfItsFirstList(t *testing.T) {
	t.Parallel()
	shrink := watchStore{}.Transformer()
	names := map[string]bool{}
	for i := range 100 {
		made, err := shrink(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprint(i), Namespace: fmt.Sprint(i), Annotations: map[string]string{"a": "b"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(made)
		names[string(text)] = true
	}
	if len(names) != 1 {
		t.Errorf("%d objects are told apart", len(names))
	}
}

func TestWhyAReadingFailedIsShort(t *testing.T) {
	t.Parallel()
	c, _ := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		reply(w, metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Message: strings.Repeat("x", 2*mebi),
			Code: 500,
		})
	})
	_, err := c.Self().Kube().CoreV1().ConfigMaps("apps").Get(t.Context(), "x", metav1.GetOptions{})
	if err == nil || len(err.Error()) > int(otherLimits.bytes) {
		t.Errorf("an error of %d bytes", len(fmt.Sprint(err)))
	}
}
