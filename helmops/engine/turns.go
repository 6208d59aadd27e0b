package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/engine/storage"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
)

// ErrOwnerChanged says that the record of a release names another owner than the one that was decided on. Nothing was
// changed.
var ErrOwnerChanged = errors.New("another HelmRelease has become the owner of the Helm release")

// turn names what one action at a time may work on: the records of a Helm release.
type turn struct {
	cluster                *cluster.Cluster
	storageNamespace, name string
}

// turns keeps actions on one Helm release apart, whichever HelmReleases they are for. The zero value is ready to use.
type turns struct {
	mu sync.Mutex
	// taken holds a channel for each turn that is taken, closed when it ends.
	taken map[turn]chan struct{}
}

// take waits until no other action works on the release, and returns the function that ends the turn. It holds no
// token while it waits. It fails when ctx ends first, and with kubeclient.ErrSuperseded when superseded is closed
// first.
func (t *turns) take(ctx context.Context, id turn, superseded <-chan struct{}) (end func(), err error) {
	for {
		other := t.begin(id)
		if other == nil {
			return func() { t.end(id) }, nil
		}

		select {
		case <-other:
		case <-superseded:
			return nil, kubeclient.ErrSuperseded
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another action on release %s in namespace %s: %w",
				id.name, id.storageNamespace, context.Cause(ctx))
		}
	}
}

// begin takes the turn and returns nil, or returns what is closed when the turn of another action ends.
func (t *turns) begin(id turn) (other <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if running, is := t.taken[id]; is {
		return running
	}
	if t.taken == nil {
		t.taken = map[turn]chan struct{}{}
	}

	t.taken[id] = make(chan struct{})
	return nil
}

func (t *turns) end(id turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.taken[id])
	delete(t.taken, id)
}

// owned refuses an action on a release whose owner has changed since the action was decided on. Actions without an
// owner, which are those of commands, are not refused.
func (r *run) owned(before []plan.Record) error {
	if r.Owner.IsZero() || len(before) == 0 || before[0].Status == plan.StatusUninstalled {
		return nil
	}
	now := before[0].Owner
	if now.IsZero() || r.Owner.Succeeds(now) || now == r.Former {
		return nil
	}
	return fmt.Errorf("release %s/%s: %w", r.Target.Namespace, r.Target.Name, ErrOwnerChanged)
}

// claim writes the owner into the newest record.
func (r *run) claim(before []plan.Record) error {
	if len(before) == 0 {
		return fmt.Errorf("release %s/%s is gone: %w", r.Target.Namespace, r.Target.Name, ErrOwnerChanged)
	}
	err := r.site.records.Claim(r.ctx, r.reader, r.key, before[0], r.Owner)
	if errors.Is(err, storage.ErrModified) {
		return fmt.Errorf("release %s/%s: %w", r.Target.Namespace, r.Target.Name, ErrOwnerChanged)
	}
	return err
}
