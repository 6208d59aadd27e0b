package cluster

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/chartutil"
	helmengine "helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func capabilities(t *testing.T, c *Cluster) *chartutil.Capabilities {
	t.Helper()
	found, err := c.Capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestCapabilitiesAreReadOnceAndCopied(t *testing.T) {
	t.Parallel()
	server := newAPIServer(t)
	c := server.cluster(t, newClock())
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if found, err := c.Capabilities(t.Context()); err != nil || !found.APIVersions.Has("example.dev/v1/Widget") {
				t.Errorf("capabilities are %v, %v", found, err)
			}
		})
	}
	all.Wait()
	first := capabilities(t, c)
	want := chartutil.VersionSet{"example.dev/v1", "example.dev/v1/Widget", "v1", "v1/ConfigMap"}
	if !slices.Equal(first.APIVersions, want) || first.KubeVersion.Version != "v1.37.2" {
		t.Errorf("capabilities are %+v, want %v", first, want)
	}
	first.APIVersions[0] = "changed"
	if capabilities(t, c).APIVersions[0] == "changed" {
		t.Error("the caller's copy is shared")
	}
	for _, path := range []string{"/version", "/api", "/apis"} {
		if got := server.count(path); got != 1 {
			t.Errorf("%s was asked for %d times, want once", path, got)
		}
	}
}

func TestCapabilitiesAreReadAgainWhenSomethingChanged(t *testing.T) {
	t.Parallel()
	server, clock := newAPIServer(t), newClock()
	c := server.cluster(t, clock)
	capabilities(t, c)
	for resource, kind := range map[string]string{"customresourcedefinitions": "Gadget", "apiservices": "Metric"} {
		before := c.discovery.changesNow()
		server.change(func() { server.kinds = append(server.kinds, kind) })
		server.events[resource] <- "something"
		awaitChange(t, c, before)
		if !capabilities(t, c).APIVersions.Has("example.dev/v1/" + kind) {
			t.Errorf("a change of %s was not followed by a reading", resource)
		}
	}
	asked := server.count("/apis")
	capabilities(t, c)
	if got := server.count("/apis"); got != asked {
		t.Errorf("%d requests although nothing changed", got-asked)
	}
	clock.pass(settling)
	capabilities(t, c)
	capabilities(t, c)
	if got := server.count("/apis"); got != asked+1 {
		t.Errorf("%d readings after discovery has settled, want one", got-asked)
	}
	clock.pass(time.Hour)
	if server.change(func() { server.version = "v1.38.0" }); capabilities(t, c).KubeVersion.Version != "v1.38.0" {
		t.Error("an upgrade of the server was not noticed")
	}
}

func (d *discoverer) changesNow() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changes
}

// awaitChange waits for the watch to deliver.
func awaitChange(t *testing.T, c *Cluster, before uint64) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for c.discovery.changesNow() == before {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("no change was noticed")
		}
	}
}

func TestWithoutWatchesAReadingIsGoodForAMinute(t *testing.T) {
	t.Parallel()
	server, clock := newAPIServer(t), newClock()
	server.refuses = true
	c := server.cluster(t, clock)
	for i, step := range []struct {
		pass time.Duration
		want int
	}{{0, 1}, {unwatchedAge - 1, 1}, {1, 2}} {
		clock.pass(step.pass)
		capabilities(t, c)
		if got := server.count("/apis"); got != step.want {
			t.Errorf("step %d: %d readings, want %d", i, got, step.want)
		}
	}
}

func TestMapperFindsNewKindsAndForgetsOldOnes(t *testing.T) {
	t.Parallel()
	server := newAPIServer(t)
	c := server.cluster(t, newClock())
	gadget, widget := schema.GroupKind{Group: "example.dev", Kind: "Gadget"}, schema.GroupKind{
		Group: "example.dev", Kind: "Widget",
	}
	if _, err := c.Mapper().RESTMapping(gadget); !meta.IsNoMatchError(err) {
		t.Fatalf("a missing kind gives %v", err)
	}
	if got := server.count("/apis"); got != 1 {
		t.Errorf("%d readings for a kind that a fresh one does not know, want 1", got)
	}
	server.change(func() { server.kinds = []string{"Gadget"} })
	mapping, err := c.Mapper().RESTMapping(gadget, "v1")
	if err != nil || mapping.Resource.Resource != "gadgets" || mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		t.Fatalf("a new kind gives %+v, %v", mapping, err)
	}
	c.Invalidate()
	if _, err := c.Mapper().RESTMapping(widget); !meta.IsNoMatchError(err) {
		t.Errorf("a kind that went gives %v", err)
	}
}

func TestAnAPIServiceThatDoesNotAnswerIsNotAMissingKind(t *testing.T) {
	t.Parallel()
	server := newAPIServer(t)
	server.stale = true
	c := server.cluster(t, newClock())
	_, err := c.Mapper().RESTMapping(schema.GroupKind{Group: "example.dev", Kind: "Widget"}, "v1")
	if err == nil || meta.IsNoMatchError(err) || !strings.Contains(err.Error(), "example.dev/v1") {
		t.Errorf("the error is %v", err)
	}
}

func TestAwaitKinds(t *testing.T) {
	t.Parallel()
	server := newAPIServer(t)
	c := server.cluster(t, newClock())
	capabilities(t, c)
	done := make(chan error)
	go func() {
		done <- c.AwaitKinds(t.Context(), schema.GroupVersionKind{Group: "example.dev", Version: "v1", Kind: "Late"})
	}()
	server.change(func() { server.kinds = append(server.kinds, "Late") })
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestIdentitiesShareConnectionsAndKeepApart(t *testing.T) {
	t.Parallel()
	server := newAPIServer(t)
	c := server.cluster(t, newClock())
	for _, user := range []string{"", "system:serviceaccount:apps:deployer", "jane"} {
		identity, err := c.As(user)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := c.As(user); again != identity {
			t.Errorf("%q is made twice", user)
		}
		if _, err := identity.Kube().CoreV1().ConfigMaps("apps").Get(t.Context(), "x", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		if client, err := identity.REST(schema.GroupVersion{Version: "v1"}); err != nil ||
			client.Get().AbsPath("/x").Do(t.Context()).Error() != nil {
			t.Errorf("the REST client of %q fails: %v", user, err)
		}
		config, err := identity.Getter("apps").ToRESTConfig()
		if err != nil || config.BearerToken != "" || config.QPS != -1 {
			t.Errorf("the configuration for Helm is %v, %v; want no credentials and no limit", config, err)
		}
		lookup := helmengine.NewLookupFunction(config)
		if found, err := lookup("v1", "ConfigMap", "apps", "x"); err != nil || found["kind"] != "ConfigMap" {
			t.Errorf("lookup gives %v, %v", found, err)
		}
		server.mu.Lock()
		last := server.users[len(server.users)-1]
		server.mu.Unlock()
		if last != user {
			t.Errorf("a lookup of %q came as %q", user, last)
		}
	}
	if !sharesConnections(t, server, c) {
		t.Error("twenty new identities each opened a connection of their own")
	}
	if got := server.count("/api/v1"); got != 0 {
		t.Errorf("lookups read the resources %d times although they are known", got)
	}
}

func TestHelmDiscoversWhatIsShared(t *testing.T) {
	t.Parallel()
	server := newAPIServer(t)
	c := server.cluster(t, newClock())
	client, err := c.Self().Getter("apps").ToDiscoveryClient()
	if err != nil {
		t.Fatal(err)
	}
	groups, resources, err := client.ServerGroupsAndResources()
	if err != nil || len(groups) != 2 || len(resources) != 2 {
		t.Errorf("discovery gives %v, %v, %v", groups, resources, err)
	}
	if _, err := client.ServerResourcesForGroupVersion("example.dev/v1"); err != nil {
		t.Error(err)
	}
	if info, err := client.ServerVersion(); err != nil || info.GitVersion != "v1.37.2" {
		t.Errorf("the version is %v, %v", info, err)
	}
	if got := server.count("/apis"); got != 1 {
		t.Errorf("%d readings, want 1", got)
	}
	if namespace, _, err := c.Self().Getter("apps").ToRawKubeConfigLoader().Namespace(); err != nil ||
		namespace != "apps" {
		t.Errorf("the namespace is %q, %v", namespace, err)
	}
}

func TestCloseEndsTheWatches(t *testing.T) {
	t.Parallel()
	server := newAPIServer(t)
	c := server.cluster(t, newClock())
	capabilities(t, c)
	c.Close()
	c.Close()
	<-c.Done()
	for _, w := range c.discovery.watches {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for w.listening() {
			select {
			case <-tick.C:
			case <-t.Context().Done():
				t.Fatal("a watch goes on")
			}
		}
	}
	capabilities(t, c)
}

// sharesConnections reports whether a new identity finds a connection of the others. One that is not idle again yet is
// no connection to find, so it tries several times.
func sharesConnections(t *testing.T, server *apiServer, c *Cluster) bool {
	t.Helper()
	connections := func() int {
		server.mu.Lock()
		defer server.mu.Unlock()
		return len(server.remotes)
	}
	for i := range 20 {
		identity, err := c.As(fmt.Sprint("user-", i))
		if err != nil {
			t.Fatal(err)
		}
		before := connections()
		if _, err := identity.Kube().CoreV1().ConfigMaps("apps").Get(t.Context(), "x", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		if connections() == before {
			return true
		}
	}
	return false
}
