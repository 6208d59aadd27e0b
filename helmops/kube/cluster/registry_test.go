package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// opened is the state that the tests keep of a cluster.
type opened struct {
	of   *Cluster
	home string
	life context.Context //nolint:containedctx // the test asks whether it has ended
}

func newTestRegistry(t *testing.T, exceeded func(*opened)) (*Registry[*opened], Access) {
	t.Helper()
	local, err := New(&rest.Config{Host: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(local.Close)
	remote := NewPool(2, time.Hour, time.Now)
	t.Cleanup(remote.Close)
	r := NewRegistry(t.Context(), RegistryConfig[*opened]{
		Local: local, Remote: remote, Exceeded: exceeded,
		Open: func(ctx context.Context, c *Cluster, home string) (*opened, error) { return &opened{c, home, ctx}, nil },
	})
	return r, Access{Namespace: "apps", Kubeconfig: kubeconfig(t, "https://api.example.dev", nil)}
}

func TestRegistryKeepsOneStateForEachCluster(t *testing.T) {
	t.Parallel()
	r, far := newTestRegistry(t, nil)
	own, identity, err := r.Get(Access{Namespace: "apps", User: "jane"})
	if err != nil {
		t.Fatal(err)
	}
	if own.home != "" || identity == own.of.Self() {
		t.Errorf("home %q, and the identity is that of the controller: %t", own.home, identity == own.of.Self())
	}
	if again, identity, _ := r.Get(Access{Namespace: "other"}); again != own || identity != own.of.Self() {
		t.Error("another access to the local cluster has another state, or another user's identity")
	}
	remote, _, err := r.Get(far)
	if err != nil {
		t.Fatal(err)
	}
	if remote == own || remote.home != "apps" {
		t.Errorf("the remote cluster has home %q", remote.home)
	}
	if n := len(r.All()); n != 2 {
		t.Errorf("%d states are kept, want 2", n)
	}
}

func TestRegistryDropsTheStateOfAClosedCluster(t *testing.T) {
	t.Parallel()
	exceeded := make(chan *opened, 2)
	r, far := newTestRegistry(t, func(s *opened) { exceeded <- s })
	first, _, err := r.Get(far)
	if err != nil {
		t.Fatal(err)
	}
	first.of.Close()
	<-first.life.Done()
	if n := len(r.All()); n != 0 {
		t.Errorf("%d states are kept of a closed cluster", n)
	}
	if len(exceeded) != 0 {
		t.Error("a cluster that was only closed is said to have exceeded its memory")
	}
	own, _, err := r.Get(Access{})
	if err != nil {
		t.Fatal(err)
	}
	if own.life.Err() != nil {
		t.Error("the state of another cluster ended")
	}
}

func TestRegistryReportsAClusterThatSaysTooMuch(t *testing.T) {
	t.Parallel()
	exceeded := make(chan *opened, 2)
	r, far := newTestRegistry(t, func(s *opened) { exceeded <- s })
	state, _, err := r.Get(far)
	if err != nil {
		t.Fatal(err)
	}
	_ = state.of.Memory().Add(1 << 40) // more than there may be
	if got := <-exceeded; got != state {
		t.Error("another cluster is reported")
	}
	<-state.life.Done()
}

// A state that cannot be made is not kept, and its life ends.
func TestRegistryWithoutState(t *testing.T) {
	t.Parallel()
	r, _ := newTestRegistry(t, nil)
	broken := errors.New("broken")
	var life context.Context
	r.config.Open = func(ctx context.Context, _ *Cluster, _ string) (*opened, error) {
		life = ctx
		return nil, broken
	}
	if _, _, err := r.Get(Access{}); !errors.Is(err, broken) || life.Err() == nil || len(r.All()) != 0 {
		t.Errorf("error %v, life %v, %d states", err, life.Err(), len(r.All()))
	}
}
