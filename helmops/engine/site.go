package engine

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/engine/storage"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/kube/warning"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// clusterState is a cluster with what the engine keeps in memory of it.
type clusterState struct {
	cluster *cluster.Cluster
	tracker *tracker.Tracker
	records *storage.Store

	followers *tracker.Followers
	// warnings about the objects of releases.
	warnings warning.Notes
}

// newSites returns the clusters that releases are made on.
func newSites(ctx context.Context, c Config) *cluster.Registry[*clusterState] {
	return cluster.NewRegistry(ctx, cluster.RegistryConfig[*clusterState]{
		Local: c.Local, Remote: c.Remote,
		Open: func(ctx context.Context, to *cluster.Cluster, home string) (*clusterState, error) {
			return openSite(ctx, c, to, home), nil
		},
		Exceeded: func(at *clusterState) { at.followers.WakeAll() }, // their owners are to say so
	})
}

// openSite begins to follow a cluster. home is the namespace whose kubeConfigs lead to it, empty for the own cluster.
func openSite(ctx context.Context, c Config, to *cluster.Cluster, home string) *clusterState {
	self := to.Self()
	clients := tracker.Clients{Dynamic: self.Dynamic(), Metadata: self.Metadata(), Memory: to.Memory()}
	at := &clusterState{
		cluster: to,
		tracker: tracker.New(ctx, clients, tracker.Helm(), c.Now),
		records: storage.NewStore(self.Metadata(), c.Now).Within(to.Memory()),
	}
	at.records.Subscribe(func(storageNamespace, release string) { c.OnRecordChanged(home, storageNamespace, release) })
	at.followers = tracker.NewFollowers(ctx, at.tracker, to.Mapper(), func(owner types.NamespacedName) {
		if c.OnObjectChanged != nil {
			c.OnObjectChanged(owner)
		}
	}, c.Now)
	// Without it every look lists; Err returns what ended it.
	guard.Go("watching release records", func() { _ = at.records.Run(ctx) })
	return at
}

func reader(as *cluster.Identity, access cluster.Access, target plan.Target) storage.Reader {
	return storage.Reader{
		Secrets: storage.Timed(as.Kube().CoreV1().Secrets(target.StorageNamespace)), As: access.User,
		Trusted: access.User == "" || access.Home() == target.StorageNamespace,
		Reviews: as.Kube().AuthorizationV1().SelfSubjectAccessReviews(),
	}
}

func key(target plan.Target) storage.Key {
	return storage.Key{StorageNamespace: target.StorageNamespace, Name: target.Name, Namespace: target.Namespace}
}

// userOf names among the users of the tracker the HelmRelease that owns a Helm release, never the Helm release: which
// one a HelmRelease names is its own choice, and others may name the same. Without an owner, in commands, it is the
// Helm release.
func userOf(owner plan.Owner, target plan.Target) string {
	if owner.IsZero() {
		return fmt.Sprintf("%s/%s/%s", target.StorageNamespace, target.Namespace, target.Name)
	}
	return owner.Key().String()
}
