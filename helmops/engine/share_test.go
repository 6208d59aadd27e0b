package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"helm.sh/helm/v3/pkg/chart"

	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// floor is an engine with few shares, and actions that work until they get the signal to end.
type floor struct {
	engine *Engine
	ctx    context.Context //nolint:containedctx // that of the test
	end    chan struct{}

	mu      sync.Mutex
	working map[string]int
}

func newFloor(ctx context.Context) *floor {
	return &floor{
		engine: &Engine{
			local: fair.New(4, 3), remote: fair.New(4, 2), localCharts: fair.New(4, 3), remoteCharts: fair.New(4, 2),
		},
		ctx: ctx, end: make(chan struct{}), working: map[string]int{},
	}
}

func (f *floor) run(access cluster.Access) *run {
	return &run{Action: Action{Access: access}, ctx: f.ctx, engine: f.engine}
}

// start starts an action that works.
func (f *floor) start(access cluster.Access) {
	go func() {
		_ = f.run(access).hold(func() error {
			f.mu.Lock()
			f.working[access.Namespace]++
			f.mu.Unlock()
			<-f.end
			return nil
		})
	}()
	synctest.Wait()
}

func TestANamespaceWithManyActionsDoesNotHoldUpItsNeighbours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t.Context())
		defer close(f.end)
		for range 20 {
			f.start(cluster.Access{Namespace: "noisy"})
		}
		f.start(cluster.Access{Namespace: "quiet"})
		if f.working["noisy"] != 3 || f.working["quiet"] != 1 {
			t.Errorf("%v are at work, want 3 of the noisy namespace and the one of the quiet", f.working)
		}
	})
}

func TestActionsOnOtherClustersDoNotHoldUpThoseOnTheOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t.Context())
		defer close(f.end)
		for _, namespace := range []string{"a", "b", "c"} { // of one attacker: all shares of other clusters are held
			for range 20 {
				f.start(cluster.Access{Namespace: namespace, Kubeconfig: []byte("does not answer")})
			}
		}
		if held := f.working["a"] + f.working["b"] + f.working["c"]; held != 4 || f.working["a"] > 2 {
			t.Fatalf("%v are at work", f.working)
		}
		f.start(cluster.Access{Namespace: "quiet"})
		if f.working["quiet"] != 1 {
			t.Error("an action on the own cluster waits for those on others")
		}
	})
}

func TestAnActionThatWaitsForObjectsLetsOthersOfItsNamespaceWork(t *testing.T) {
	t.Parallel()
	f := newFloor(t.Context())
	f.engine.local = fair.New(1, 1)
	apps, sentinel := cluster.Access{Namespace: "apps"}, errors.New("as arranged")
	waiting := f.run(apps)
	err := waiting.hold(func() error {
		waiting.share.Release()
		defer waiting.share.Acquire()
		return f.run(apps).hold(func() error { return sentinel })
	})
	if held, _ := f.engine.local.Held("apps"); !errors.Is(err, sentinel) || held != 0 {
		t.Errorf("error = %v, %d shares are still held", err, held)
	}
}

func TestAnActionThatPanicsWhileItWaitsGivesItsShareBackOnce(t *testing.T) {
	t.Parallel()
	f := newFloor(t.Context())
	apps := cluster.Access{Namespace: "apps"}
	for range 10 {
		bad := f.run(apps)
		var caught *guard.PanicError
		err := bad.hold(func() error {
			bad.share.Release()
			panic("as arranged")
		})
		if !errors.As(err, &caught) {
			t.Fatalf("error = %v", err)
		}
	}
	if held, _ := f.engine.local.Held("apps"); held != 0 {
		t.Errorf("%d shares are still held", held)
	}
}

// An API server that accepts a request and hangs keeps the share of its action for as long as an answer may take.
func TestClustersThatHangHoldUpOnlyTheirNamespace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t.Context())
		processors := 4
		f.engine.remote = newRemoteShares(processors)
		defer close(f.end)
		for i := range 1000 { // each another server
			f.start(cluster.Access{Namespace: "attacker", Kubeconfig: []byte(fmt.Sprint("hangs ", i))})
		}
		for i := range remotePerProcessor * processors / 2 {
			f.start(cluster.Access{Namespace: "quiet", Kubeconfig: []byte(fmt.Sprint("answers ", i))})
			if f.working["quiet"] != i+1 {
				t.Fatalf("action %d of the quiet namespace waits; %v are at work", i+1, f.working)
			}
		}
		if half := remotePerProcessor * processors / 2; f.working["attacker"] != half {
			t.Errorf("%d actions of the attacker are at work, want %d", f.working["attacker"], half)
		}
	})
}

// loading is an action with a chart to load.
func (f *floor) loading(namespace string, superseded <-chan struct{}, load func() error) *run {
	r := f.run(cluster.Access{Namespace: namespace})
	r.Superseded = superseded
	r.Load = func(context.Context) (*chart.Chart, error) { return &chart.Chart{}, load() }
	return r
}

func TestWhatWaitsForItsTurnHasNoChart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t.Context())
		f.engine.localCharts = fair.New(4, 2)
		rendering, loaded := make(chan struct{}), 0
		for range 20 {
			r := f.loading("apps", nil, func() error {
				f.mu.Lock()
				defer f.mu.Unlock()
				loaded++
				return nil
			})
			go func() {
				_ = r.hold(func() error {
					return r.waitFor(func(context.Context) error {
						<-rendering
						return nil
					})
				})
			}()
		}
		synctest.Wait()
		if loaded != 2 || f.engine.Waiting() != 18 {
			t.Errorf("%d actions have a chart while charts are rendered, and %d wait", loaded, f.engine.Waiting())
		}
		if held, _, _ := f.engine.local.Count(); held != 0 {
			t.Errorf("%d shares are held by actions whose charts are rendered", held)
		}
		close(rendering)
		synctest.Wait()
		f.expectIdle(t)
		if loaded != 20 {
			t.Errorf("%d actions had their turn, want all 20", loaded)
		}
	})
}

func (f *floor) expectIdle(t *testing.T) {
	t.Helper()
	for name, shares := range map[string]*fair.Shares{
		"shares": f.engine.local, "remote shares": f.engine.remote, "places": f.engine.localCharts,
	} {
		if held, waiting, _ := shares.Count(); held+waiting != 0 {
			t.Errorf("%s: %d are held and %d wait at the end", name, held, waiting)
		}
	}
}

func TestAnActionThatWritesLeavesItsPlaceToTheNextChart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t.Context())
		f.engine.localCharts = fair.New(1, 1)
		loaded := 0
		for range 2 {
			r := f.loading("apps", nil, func() error { loaded++; return nil })
			go func() {
				_ = r.hold(func() error {
					err := r.waitFor(func(context.Context) error { return nil })
					<-f.end // it writes
					return err
				})
			}()
			synctest.Wait()
		}
		if loaded != 2 {
			t.Errorf("%d charts are loaded", loaded)
		}
		close(f.end)
		synctest.Wait()
		f.expectIdle(t)
	})
}

// A chart that is rendered stays in memory until it is written: while its action waits for a share to write, no other
// chart takes its place.
func TestAnActionThatWaitsToWriteKeepsItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t.Context())
		f.engine.local, f.engine.localCharts = fair.New(1, 1), fair.New(1, 1)
		rendered, loaded := make(chan struct{}), 0
		for range 2 {
			r := f.loading("apps", nil, func() error { loaded++; return nil })
			go func() {
				_ = r.hold(func() error {
					return r.waitFor(func(context.Context) error { <-rendered; return nil })
				})
			}()
			synctest.Wait()
		}
		f.start(cluster.Access{Namespace: "apps"}) // it has the only share while the first chart is rendered
		close(rendered)
		synctest.Wait()
		if loaded != 1 || f.working["apps"] != 1 {
			t.Errorf("%d charts are loaded while one waits to be written; %v are at work", loaded, f.working)
		}
		close(f.end)
		synctest.Wait()
		f.expectIdle(t)
	})
}

func TestASupersededActionLeavesTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t.Context())
		f.engine.localCharts = fair.New(1, 1)
		first := f.loading("apps", nil, func() error { return nil })
		go func() { _ = first.hold(func() error { <-f.end; return nil }) }()
		synctest.Wait()
		superseded, ended := make(chan struct{}), make(chan error, 1)
		second := f.loading("apps", superseded, func() error { t.Error("it has loaded its chart"); return nil })
		go func() { ended <- second.hold(func() error { t.Error("it has begun"); return nil }) }()
		synctest.Wait()
		close(superseded)
		if err := <-ended; !IsSuperseded(err) {
			t.Errorf("error = %v", err)
		}
		close(f.end)
		synctest.Wait()
		f.expectIdle(t)
	})
}

func TestAChartThatCannotBeLoadedLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	f := newFloor(t.Context())
	f.engine.localCharts = fair.New(1, 1)
	arranged := errors.New("as arranged")
	for range 3 {
		err := f.loading("apps", nil, func() error { return arranged }).hold(func() error {
			t.Error("it has begun without a chart")
			return nil
		})
		if !errors.Is(err, arranged) {
			t.Errorf("error = %v", err)
		}
		err = f.loading("apps", nil, func() error { panic("as arranged") }).hold(func() error { return nil })
		var caught *guard.PanicError
		if !errors.As(err, &caught) {
			t.Errorf("error = %v", err)
		}
	}
	f.expectIdle(t)
}

func TestRepairsAndRollbacksAreUrgent(t *testing.T) {
	t.Parallel()
	want := map[plan.Step]fair.Kind{
		plan.Correct: fair.Urgent, plan.Rollback: fair.Urgent,
		plan.Test: fair.Continuing, plan.Resume: fair.Continuing,
		plan.Install: fair.Ordinary, plan.Upgrade: fair.Ordinary,
		plan.Inspect: fair.Ordinary, plan.Uninstall: fair.Ordinary,
	}
	for step, kind := range want {
		if got := kindOf(Action{Step: step}); got != kind {
			t.Errorf("%s is of kind %d, want %d", step, got, kind)
		}
	}
}
