package cluster

import (
	"context"
	"sync"

	"fairlead.dev/fairlead/helmops/process/guard"
)

// RegistryConfig is what a Registry needs.
type RegistryConfig[S any] struct {
	// Local is the cluster of accesses without a kubeconfig, Remote those that kubeconfigs name.
	Local  *Cluster
	Remote *Pool
	// Open makes the state of a cluster when it is asked for first. ctx ends with the cluster, or with the process.
	// home is the namespace whose kubeconfigs lead to the cluster, empty for the local one. It must not block.
	Open func(ctx context.Context, c *Cluster, home string) (S, error)
	// Exceeded is called with the state of a cluster that was closed because too much was kept of it.
	Exceeded func(S)
}

// Registry keeps one state for each cluster that is in use, and drops it when the cluster is closed. It is safe for
// concurrent use.
//
//	Access ─► Pool.Get, or the local cluster ─► known? ─┬─ yes: its state
//	                                                    └─ no:  Open; a goroutine ends it with the cluster
type Registry[S any] struct {
	ctx    context.Context //nolint:containedctx // the life of the process
	config RegistryConfig[S]

	mu    sync.Mutex
	known map[*Cluster]S
}

// NewRegistry returns a registry; ctx is the life of its states.
func NewRegistry[S any](ctx context.Context, c RegistryConfig[S]) *Registry[S] {
	return &Registry[S]{ctx: ctx, config: c, known: map[*Cluster]S{}}
}

// Get returns the state of the cluster of an access, and the identity of that access. The error is that of Pool.Get,
// of Cluster.As or of Open.
func (r *Registry[S]) Get(access Access) (S, *Identity, error) {
	var none S
	c := r.config.Local
	home := ""
	if access.Kubeconfig != nil {
		remote, err := r.config.Remote.Get(access)
		if err != nil {
			return none, nil, err
		}

		c = remote
		home = access.Namespace // objects of other namespaces have a connection of their own
	}

	identity, err := c.As(access.User)
	if err != nil {
		return none, nil, err
	}

	state, err := r.state(c, home)
	return state, identity, err
}

// All returns the states of the clusters that are in use.
func (r *Registry[S]) All() []S {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]S, 0, len(r.known))
	for _, state := range r.known {
		out = append(out, state)
	}
	return out
}

func (r *Registry[S]) state(c *Cluster, home string) (S, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if state, ok := r.known[c]; ok {
		return state, nil
	}

	ctx, cancel := context.WithCancel(r.ctx)
	state, err := r.config.Open(ctx, c, home)
	if err != nil {
		cancel()
		return state, err
	}

	r.known[c] = state
	guard.Go("letting go of a cluster", func() {
		defer cancel()
		select {
		case <-c.Done():
		case <-r.ctx.Done():
		}

		r.mu.Lock()
		delete(r.known, c)
		r.mu.Unlock()
		if c.Memory().Err() != nil && r.config.Exceeded != nil {
			r.config.Exceeded(state)
		}
	})
	return state, nil
}
