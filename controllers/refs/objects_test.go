package refs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/process/memory"
)

func connectedTo(client dynamic.Interface) Connected {
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(deployments, meta.RESTScopeNamespace)
	return Connected{Watch: tracker.Follow, Connect: func(context.Context, cluster.Access) (Connection, error) {
		return Connection{Client: client, Mapper: mapper}, nil
	}}
}

func numbered(name, version string) *unstructured.Unstructured {
	object := deployment(name)
	object.SetResourceVersion(version)
	return object
}

// newCluster has the given Deployments and reports changes through the watcher.
func newCluster(t *testing.T, items ...*unstructured.Unstructured) (*fake.FakeDynamicClient, *watch.FakeWatcher) {
	t.Helper()
	resource := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{resource: "DeploymentList"})
	client.PrependReactor("list", "deployments", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if got := action.(clienttesting.ListAction).GetListRestrictions().Fields.String(); got != "metadata.name=db" ||
			action.GetNamespace() != "apps" {
			t.Errorf("listed in %q with the fields %q", action.GetNamespace(), got)
		}
		list := &unstructured.UnstructuredList{}
		list.SetResourceVersion("1")
		for _, item := range items {
			list.Items = append(list.Items, *item)
		}
		return true, list, nil
	})
	watcher := watch.NewFake()
	client.PrependWatchReactor("deployments", func(action clienttesting.Action) (bool, watch.Interface, error) {
		if got := action.(clienttesting.WatchAction).GetWatchRestrictions(); got.Fields.String() != "metadata.name=db" ||
			got.ResourceVersion != "1" {
			t.Errorf("watched with %+v", got)
		}
		return true, watcher, nil
	})
	return client, watcher
}

func TestFollowTellsOfEveryState(t *testing.T) {
	t.Parallel()
	client, watcher := newCluster(t)
	go func() {
		watcher.Add(numbered("db", "2"))
		watcher.Modify(numbered("db", "3"))
		watcher.Delete(numbered("db", "4"))
	}()
	var states []string
	err := connectedTo(client).Follow(t.Context(), cluster.Access{}, deployments, inApps("db"),
		func(o *unstructured.Unstructured) (bool, error) {
			if o == nil {
				states = append(states, "absent")
			} else {
				states = append(states, o.GetResourceVersion())
			}
			return len(states) == 4, nil
		})
	if want := []string{"absent", "2", "3", "absent"}; err != nil || !slices.Equal(states, want) {
		t.Errorf("%v ended with %v, want %v", states, err, want)
	}
}

func TestFollowEndsWhenAsked(t *testing.T) {
	t.Parallel()
	client, _ := newCluster(t, numbered("db", "1"))
	err := connectedTo(client).Follow(t.Context(), cluster.Access{}, deployments, inApps("db"),
		func(o *unstructured.Unstructured) (bool, error) {
			if o.GetName() != "db" {
				t.Errorf("it sees %v", o)
			}
			return false, errSentinel
		})
	if !errors.Is(err, errSentinel) || len(client.Actions()) != 1 {
		t.Errorf("error %v after %v", err, client.Actions())
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = connectedTo(client).Follow(ctx, cluster.Access{}, deployments, inApps("db"),
		func(*unstructured.Unstructured) (bool, error) {
			cancel()
			return false, nil
		})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after its context it ends with %v", err)
	}
}

func TestFollowSaysWhyItCannot(t *testing.T) {
	t.Parallel()
	see := func(*unstructured.Unstructured) (bool, error) { return true, nil }
	client, _ := newCluster(t)
	unknown := schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Database"}
	if err := connectedTo(client).Follow(t.Context(), cluster.Access{}, unknown, inApps("db"),
		see); !meta.IsNoMatchError(err) {
		t.Errorf("a kind that the cluster does not know: %v", err)
	}
	client.PrependReactor("list", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "deployments"}, "db",
			errSentinel)
	})
	if err := connectedTo(client).Follow(t.Context(), cluster.Access{}, deployments, inApps("db"),
		see); !apierrors.IsForbidden(err) {
		t.Errorf("an object that may not be read: %v", err)
	}
}

// Who follows an object keeps it, so it counts in the account of its cluster, until it is followed no more.
func TestWhatIsFollowedOnAnotherClusterCounts(t *testing.T) {
	t.Parallel()
	client, watcher := newCluster(t)
	budget := memory.New(memory.Bounds{Total: 200_000, Share: 100_000})
	account := budget.Open("apps", func(*memory.ExceededError) {})
	connected := connectedTo(client)
	connect := connected.Connect
	connected.Connect = func(ctx context.Context, access cluster.Access) (Connection, error) {
		to, err := connect(ctx, access)
		to.Memory = account
		return to, err
	}
	large := func(version string, size int) *unstructured.Unstructured {
		object := numbered("db", version)
		object.SetAnnotations(map[string]string{"padding": strings.Repeat("x", size)})
		return object
	}
	go func() {
		watcher.Modify(large("2", 80_000)) // takes the place of the one before
		watcher.Modify(large("3", 80_000))
		watcher.Modify(large("4", 200_000))
	}()
	var states []string
	err := connected.Follow(t.Context(), cluster.Access{}, deployments, inApps("db"),
		func(o *unstructured.Unstructured) (bool, error) {
			if o != nil {
				states = append(states, o.GetResourceVersion())
			}
			return false, nil
		})
	var exceeded *memory.ExceededError
	if want := []string{"2", "3"}; !errors.As(err, &exceeded) || !slices.Equal(states, want) {
		t.Errorf("%v ended with %v", states, err)
	}
	account = budget.Open("apps", func(*memory.ExceededError) {})
	client, _ = newCluster(t, numbered("db", "1"))
	connect = connectedTo(client).Connect
	err = connected.Follow(t.Context(), cluster.Access{}, deployments, inApps("db"),
		func(*unstructured.Unstructured) (bool, error) {
			if used, _ := budget.Used("apps"); used == 0 {
				t.Error("an object that is followed does not count")
			}
			return true, nil
		})
	if used, _ := budget.Used("apps"); used != 0 || err != nil {
		t.Errorf("%d bytes are counted afterwards, error = %v", used, err)
	}
}
