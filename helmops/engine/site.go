package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/engine/storage"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/kube/warning"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// site is a cluster with what the engine keeps in memory of it.
type site struct {
	cluster *cluster.Cluster
	tracker *tracker.Tracker
	records *storage.Store

	followers *tracker.Followers
	// warnings about the objects of releases.
	warnings warning.Notes
}

// sites are the clusters that releases are made on.
type sites struct {
	ctx    context.Context //nolint:containedctx // the life of the process
	local  *cluster.Cluster
	pool   *cluster.Pool
	now    func() time.Time
	notify func(of, storageNamespace, release string)
	moved  func(owner types.NamespacedName)

	mu    sync.Mutex
	known map[*cluster.Cluster]*site
}

// of returns the cluster of an access, as the identity of that access.
func (s *sites) of(access cluster.Access) (*site, *cluster.Identity, error) {
	to, of := s.local, ""
	if access.Kubeconfig != nil {
		remote, err := s.pool.Get(access)
		if err != nil {
			return nil, nil, err
		}
		to, of = remote, access.Namespace // objects of other namespaces have a connection of their own
	}
	as, err := to.As(access.User)
	if err != nil {
		return nil, nil, err
	}
	at, err := s.at(to, of)
	return at, as, err
}

// at returns what is known of a cluster. of is the namespace whose kubeConfigs lead to it, empty for the own cluster.
func (s *sites) at(to *cluster.Cluster, of string) (*site, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.known[to]; at != nil {
		return at, nil
	}
	self, err := to.As("")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	clients := tracker.Clients{Dynamic: self.Dynamic(), Metadata: self.Metadata(), Memory: to.Memory()}
	at := &site{
		cluster: to,
		tracker: tracker.New(ctx, clients, tracker.Helm(), s.now),
		records: storage.NewStore(self.Metadata(), s.now).Within(to.Memory()),
	}
	at.records.Subscribe(func(storageNamespace, release string) { s.notify(of, storageNamespace, release) })
	at.followers = tracker.NewFollowers(ctx, at.tracker, to.Mapper(), func(owner types.NamespacedName) {
		if s.moved != nil {
			s.moved(owner)
		}
	}, s.now)
	// Without it every look lists; what ended it is told by Err.
	guard.Go("watching release records", func() { _ = at.records.Run(ctx) })
	s.known[to] = at
	guard.Go("letting go of a cluster", func() {
		defer cancel()
		select {
		case <-to.Done():
		case <-s.ctx.Done():
		}
		s.mu.Lock()
		delete(s.known, to)
		s.mu.Unlock()
		if to.Memory().Err() != nil {
			at.followers.WakeAll() // their owners are to say so
		}
	})
	return at, nil
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

// userOf names among the users of the tracker the HelmRelease that owns a Helm release, never the Helm release: which one a
// HelmRelease names is its own choice, and others may name the same. Without an owner, in commands, it is the Helm release.
func userOf(owner plan.Owner, target plan.Target) string {
	if owner.IsZero() {
		return fmt.Sprintf("%s/%s/%s", target.StorageNamespace, target.Namespace, target.Name)
	}
	return owner.Key().String()
}

// all returns the clusters that are known at the moment.
func (s *sites) all() []*site {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*site, 0, len(s.known))
	for _, at := range s.known {
		out = append(out, at)
	}
	return out
}
