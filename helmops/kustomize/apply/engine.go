package apply

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/kube/warning"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/process/memory"
)

// Config is what an engine needs.
type Config struct {
	// Local is the cluster of the controller, Remote those that kubeconfigs name.
	Local  *cluster.Cluster
	Remote *cluster.Pool
	// Shares are those of everything that works on the local cluster; nil for shares of the engine alone.
	Shares *fair.Shares
	Now    func() time.Time
	// Moved is called with the Kustomization whose objects changed in a way that matters. It must not block.
	Moved func(owner types.NamespacedName)
	// Exists reports whether there is a Kustomization of that name. What one that is gone has left may be taken over.
	Exists func(ctx context.Context, owner types.NamespacedName) bool
}

// Engine applies sets of objects. It is safe for concurrent use; one set is applied by one call at a time.
type Engine struct {
	config Config
	// local and remote are the shares of the processor, for sets on the controller's own cluster and on others.
	local  *fair.Shares
	remote *fair.Shares
	sites  *cluster.Registry[*clusterState]
}

// remotePerProcessor is how many sets can be worked on at the same time on other clusters, for each processor. Their
// API servers may answer slowly or not at all, so they have shares of their own, of which a namespace gets half.
const remotePerProcessor = 6

// New returns an engine. ctx is the life of what it watches. How many sets are worked on at the same time is bound to
// the number of processors, for each namespace and for all; those that wait for objects do not count.
func New(ctx context.Context, c Config) *Engine {
	processors := runtime.GOMAXPROCS(0)
	local := c.Shares
	if local == nil {
		local = fair.NewPaced(processors).Shares
	}

	return &Engine{
		config: c, sites: newSites(ctx, c),
		local:  local,
		remote: fair.New(remotePerProcessor*processors, remotePerProcessor*processors/2),
	}
}

// take waits for a share of the processor.
func (e *Engine) take(ctx context.Context, access cluster.Access, kind fair.Kind) (*fair.Slot, error) {
	shares := e.local
	if access.Kubeconfig != nil {
		shares = e.remote
	}
	return shares.TakeFor(ctx, access.Namespace, fair.Work{Kind: kind})
}

// clusterState is a cluster with what is kept in memory of it.
type clusterState struct {
	cluster   *cluster.Cluster
	tracker   *tracker.Tracker
	followers *tracker.Followers
	fights    drift.ConflictTracker
	// warnings about the objects of Kustomizations.
	warnings warning.Notes

	mu sync.Mutex
	// claims are the objects that Kustomizations have, or are about to have.
	claims map[string]types.NamespacedName
	// left are objects that differ and were left so, by the state in which they were left.
	left map[types.NamespacedName]map[string]string
}

// newSites returns the clusters that sets are applied to.
func newSites(ctx context.Context, c Config) *cluster.Registry[*clusterState] {
	return cluster.NewRegistry(ctx, cluster.RegistryConfig[*clusterState]{
		Local: c.Local, Remote: c.Remote,
		Open: func(ctx context.Context, to *cluster.Cluster, _ string) (*clusterState, error) {
			self := to.Self()
			clients := tracker.Clients{Dynamic: self.Dynamic(), Metadata: self.Metadata(), Memory: to.Memory()}
			at := &clusterState{
				cluster: to, tracker: tracker.New(ctx, clients, tracker.Kustomizations(), c.Now),
				claims: map[string]types.NamespacedName{}, left: map[types.NamespacedName]map[string]string{},
			}
			at.followers = tracker.NewFollowers(ctx, at.tracker, to.Mapper(), c.Moved, c.Now)
			return at, nil
		},
		Exceeded: func(at *clusterState) { at.followers.WakeAll() }, // their owners are to say so
	})
}

// Exceeded returns a *memory.ExceededError while nothing is asked of the cluster of an access because it says too much.
func (e *Engine) Exceeded(access cluster.Access) error {
	var exceeded *memory.ExceededError
	if _, _, err := e.sites.Get(access); errors.As(err, &exceeded) {
		return exceeded
	}
	return nil
}

// Set is what a Kustomization wants in a cluster.
type Set struct {
	Owner types.NamespacedName
	// Revision that the objects are of. Warnings about an object are reported once for each.
	Revision string
	// Objects have the labels of the owner. Those without a namespace whose kind has one are put into that of the owner.
	Objects []Object
	// Before is the inventory of what was applied before.
	Before []v1beta1.ResourceRef
	// Prune deletes what Before has and Objects has not. That nothing at all is left is refused unless AllowEmpty.
	Prune, AllowEmpty bool
	// PruneKinds are kinds that hold data of users and are pruned all the same.
	PruneKinds []string
	// ConfirmPrune has everything that would be pruned wait until a user confirms it; what the objects say of that
	// themselves holds without it. Confirmed is the digest of the objects whose deletion a user confirmed; empty for none.
	ConfirmPrune bool
	Confirmed    string
	// Kept are objects that were kept before.
	Kept []v1beta1.KeptObject
	// Force deletes and recreates an object when a field that cannot be changed is to change.
	Force bool
	// Ignore is what may differ; nil is nothing.
	Ignore *drift.Rules
	// Kind reports whether the set goes before others that wait for their turn.
	Kind fair.Kind
	// Begun is called when the turn of the set has come, or will not come; nil for nothing.
	Begun func()
	// Handover decides how objects change hands; nil lets none do so.
	Handover Handover
	// Repair writes nothing but objects of Before that differ from what was applied, and only with the manifest that was
	// applied: objects that are new, that have another manifest, or that the set no longer has, stay as they are.
	Repair bool
	// Approved is the digest of the plan that may run: Apply changes nothing when it would do anything else. Empty lets
	// it do what the set says.
	Approved string
	// From identifies what is applied, for the digest of the plan; empty for nothing.
	From string
}

// before is the inventory by the objects in it.
func (s Set) before() map[string]*v1beta1.ResourceRef {
	out := make(map[string]*v1beta1.ResourceRef, len(s.Before))
	for i := range s.Before {
		out[s.Before[i].ID] = &s.Before[i]
	}
	return out
}

// Result is how applying a set ended.
type Result struct {
	// Unconfirmed are the objects that were not pruned because no user has confirmed it; nil for none.
	Unconfirmed *v1beta1.UnconfirmedPrune
	// Inventory of what is in the cluster by now, sorted; nil when nothing was written.
	Inventory []v1beta1.ResourceRef
	// Created, Changed, Corrected and Deleted name objects; what was corrected had been changed by another client.
	Created, Changed, Corrected, Deleted []string
	// Kept name objects that differ and were left so, with the reason; Spared those that were not deleted, with the
	// reason.
	Kept, Spared []string
	// Retained are objects that were not deleted, because data of users would be deleted with them; StillRetained
	// those that were retained before and have no owner yet.
	Retained, StillRetained []v1beta1.KeptObject
	// Dropped names objects of which the API server did not keep all that was written, with the fields. One that was
	// only corrected is not among them.
	Dropped []string
	// Warned are objects that the API server took with warnings, each once for each revision of the set.
	Warned []warning.Object
	// Held are the objects, by their IDs in the inventory, that were not pruned yet so that others can take them over.
	Held []string
	// Again is when objects that another manager keeps changing are to be corrected again; zero when there are none.
	Again time.Time
	// Err is nil when all was applied.
	Err error
}
