package engine

import (
	"context"
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
)

var (
	self  = plan.Owner{Namespace: "apps", Name: "web", UID: "1"}
	other = plan.Owner{Namespace: "team", Name: "shop", UID: "2"}
)

func TestActionsOnOneHelmReleaseTakeTurns(t *testing.T) {
	t.Parallel()
	var all turns
	here := &cluster.Cluster{}
	id := turn{here, "apps", "web"}
	end, err := all.take(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, elsewhere := range []turn{{here, "apps", "shop"}, {here, "team", "web"}, {&cluster.Cluster{}, "apps", "web"}} {
		free, err := all.take(t.Context(), elsewhere, nil)
		if err != nil {
			t.Fatal(err)
		}
		free()
	}

	superseded := make(chan struct{})
	close(superseded)
	if _, err := all.take(t.Context(), id, superseded); !errors.Is(err, kubeclient.ErrSuperseded) {
		t.Errorf("superseded while it waits: %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := all.take(stopped, id, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped while it waits: %v", err)
	}

	const waiting = 8
	running, ended := make(chan int, 1), make(chan error, waiting)
	for range waiting {
		go func() {
			free, err := all.take(t.Context(), id, nil)
			if err == nil {
				select {
				case running <- 1:
				default:
					err = errors.New("two actions work on one Helm release")
				}
				<-running
				free()
			}
			ended <- err
		}()
	}
	end()
	for range waiting {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if len(all.taken) > 0 {
		t.Errorf("%d turns are left", len(all.taken))
	}
}

// An action that waits for its turn holds no token, which others need.
func TestWhoWaitsForATurnHoldsNoToken(t *testing.T) {
	t.Parallel()
	local := &cluster.Cluster{}
	e := New(t.Context(), Config{Local: local})
	e.sites = cluster.NewRegistry(t.Context(), cluster.RegistryConfig[*clusterState]{
		Local: local,
		Open: func(context.Context, *cluster.Cluster, string) (*clusterState, error) {
			return &clusterState{cluster: local}, nil
		},
	})
	target := plan.Target{Name: "web", Namespace: "team", StorageNamespace: "apps"}
	end, err := e.turns.take(t.Context(), turn{local, "apps", "web"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	superseded, done := make(chan struct{}), make(chan Result, 1)
	go func() { done <- e.Execute(t.Context(), Action{Target: target, Owner: other, Superseded: superseded}) }()
	if held, waiting := e.local.Held(""); held+waiting > 0 {
		t.Error("it holds a share of the processor, or waits for one")
	}
	close(superseded)
	if result := <-done; !IsSuperseded(result.Err) || result.Reached {
		t.Errorf("%+v", result)
	}
	end()
}

func TestAnActionIsForTheOwnerThatWasDecidedOn(t *testing.T) {
	t.Parallel()
	again := self
	again.UID = "created again"
	tests := []struct {
		name          string
		owner, former plan.Owner
		records       []plan.Record
		refused       bool
	}{
		{name: "there is no release", owner: self},
		{name: "it is its own", owner: self, former: self, records: []plan.Record{{Owner: self}}},
		{
			name: "it was made by the same object before it was created again", owner: again,
			records: []plan.Record{{Owner: self}},
		},
		{name: "the record names no owner", owner: self, records: []plan.Record{{}}},
		{
			name: "it takes over what it decided to take over", owner: self, former: other,
			records: []plan.Record{{Owner: other}},
		},
		{name: "another was faster to install", owner: self, records: []plan.Record{{Owner: other}}, refused: true},
		{
			name: "another was faster to claim", owner: self, former: plan.Owner{Namespace: "gone", Name: "gone"},
			records: []plan.Record{{Owner: other}}, refused: true,
		},
		{
			name: "what was uninstalled has no owner", owner: self,
			records: []plan.Record{{Owner: other, Status: plan.StatusUninstalled}},
		},
		{name: "a command has none", records: []plan.Record{{Owner: other}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &run{Action: Action{Owner: tt.owner, Former: tt.former}}
			err := r.owned(tt.records)
			if errors.Is(err, ErrOwnerChanged) != tt.refused {
				t.Errorf("error %v", err)
			}
			if err != nil && !IsSuperseded(err) {
				t.Error("it counts as a failure of the input")
			}
		})
	}
}

// Whichever Helm release it names, a HelmRelease is one user of the tracker, and never the same as another.
func TestUsersOfTheTrackerAreHelmReleases(t *testing.T) {
	t.Parallel()
	target := plan.Target{Name: "web", Namespace: "apps", StorageNamespace: "apps"}
	if userOf(self, target) == userOf(other, target) || userOf(self, target) != userOf(self, plan.Target{Name: "shop"}) {
		t.Errorf("%s, %s", userOf(self, target), userOf(other, target))
	}
	if user := (types.NamespacedName{Namespace: "apps", Name: "web"}).String(); userOf(self, target) != user {
		t.Errorf("%s, looks are for %s", userOf(self, target), user)
	}
}
